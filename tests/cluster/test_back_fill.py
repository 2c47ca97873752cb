"""Prometheus blocks of a history are written once per content; the most recently used ones are kept."""

import os
from pathlib import Path

import pytest

from tests.cluster import back_fill as module
from tests.cluster.back_fill import back_fill

pytestmark = pytest.mark.prometheus

HISTORY = '# TYPE up gauge\nup{{job="{job}"}} 1 1700000000\n# EOF\n'


def blocks(directory: Path, cache: Path, job: str) -> set[str]:
    """The names of the blocks of a history with one sample."""
    text, data = directory / f"{job}.txt", directory / f"data-of-{job}"
    text.write_text(HISTORY.format(job=job))
    back_fill(text, data, cache)
    return {block.name for block in data.iterdir()}


def test_the_same_content_has_the_same_blocks(tmp_path: Path) -> None:
    """Each write gives a block a new name, so an equal name proves that it was written once."""
    cache = tmp_path / "cache"

    first, again = blocks(tmp_path, cache, "web"), blocks(tmp_path, cache, "web")

    assert len(first) == 1
    assert again == first
    assert blocks(tmp_path, cache, "db") != first


def test_the_least_recently_used_blocks_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three contents the two most recently used are kept: the first one, used again, and the third."""
    monkeypatch.setattr(module, "KEPT", 2)
    cache = tmp_path / "cache"
    first, second = blocks(tmp_path, cache, "one"), blocks(tmp_path, cache, "two")
    for age_seconds, entry in enumerate(sorted(cache.iterdir(), key=lambda entry: entry.stat().st_mtime)):
        os.utime(entry, (age_seconds, age_seconds))
    assert blocks(tmp_path, cache, "one") == first

    blocks(tmp_path, cache, "three")

    kept = {block.name for entry in cache.iterdir() if entry.is_dir() for block in entry.iterdir()}
    assert first <= kept
    assert not second & kept
    assert len(kept) == 2


def test_a_file_that_promtool_refuses_is_named(tmp_path: Path) -> None:
    """The error names the file, and the cache keeps nothing of it."""
    broken = tmp_path / "broken.txt"
    broken.write_text("no metrics\n")

    with pytest.raises(ValueError, match=r"promtool can't read .*broken\.txt"):
        back_fill(broken, tmp_path / "data", tmp_path / "cache")
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["lock"]
