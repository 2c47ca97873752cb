"""The public surface equals the snapshots, and the collectors are complete."""

import ast

import pytest

from tests.public_surface import metrics, snapshots, source_literals


@pytest.mark.parametrize("name", snapshots.COLLECTORS)
def test_the_surface_is_that_of_its_snapshot(name: str) -> None:
    """An intended change is written with `python -m tests.public_surface --write` and committed."""
    difference = snapshots.difference(name)

    assert not difference, f"\n{difference}"


def test_every_file_has_its_collector() -> None:
    """Each snapshot file has a collector: a file without one would never be compared."""
    assert {path.name for path in snapshots.SNAPSHOTS.iterdir()} == {
        f"{name}.txt" for name in snapshots.COLLECTORS
    }


def test_every_metric_that_the_source_names_is_collected() -> None:
    """Every metric name in the source is collected, so no metrics class is missed."""
    collected = {line.split()[0] for line in metrics.metrics()}

    assert {
        name for name in source_literals.metric_names() if name.removesuffix("_total") not in collected
    } == set()


def test_snapshots_have_no_internal_names() -> None:
    """No private class, exception or module path of `app` is a word of the snapshots."""
    defined = {
        node.name
        for tree in source_literals.trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (node.name.startswith("_") or node.name.endswith("Error"))
    }
    words = {
        word
        for name in ("documents", "keys-and-names", "log-lines", "snake-case-words", "words")
        for word in snapshots.path_of(name).read_text().split()
    }

    assert defined & words == set()
    modules = {word for word in words if word.startswith("app.")}
    assert not {word for word in modules if not word.startswith("app.kubernetes.io/")}
