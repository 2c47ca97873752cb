"""Which unit tests the image is spared; this is checked where all of them run."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.image.build import REPOSITORY
from tests.image.unit_tests import LEFT_OUT, OWN_LOGIC

APP = REPOSITORY / "app"


def dependencies_of(files: Iterator[Path]) -> set[str]:
    """The packages outside the standard library and app/ that the modules import anywhere."""
    imported = set[str]()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module or "")
    return {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"app"}


def test_packages_without_tests_in_the_image_use_only_what_others_use() -> None:
    """A dependency that the image broke would fail there: each is of a package that the image's tests run.

    The demo runs by a test of its own.
    """
    tested = {folder.name for folder in APP.iterdir() if (REPOSITORY / "tests" / folder.name).is_dir()}
    in_image = {folder for folder in tested if f"tests/{folder}" not in LEFT_OUT} | {"demo"}
    spared = dependencies_of(file for name in OWN_LOGIC for file in (APP / name).rglob("*.py"))

    assert spared == {"jsonpatch", "msgspec", "numpy", "prometheus_client", "structlog"}
    assert spared <= dependencies_of(file for name in in_image for file in (APP / name).rglob("*.py"))


def test_what_is_left_out_has_a_reason_that_holds() -> None:
    """Each folder is there, but for those of the extra, so that a renamed one runs in the image."""
    assert {path for path in LEFT_OUT if not (REPOSITORY / path).exists()} <= {
        "tests/charts",
        "tests/dashboard",
    }
