"""Turns an OpenMetrics file into Prometheus' blocks; one of the same content is written once per machine.

The blocks are kept in the user's cache, under the digest of the file and of what writes it. Two runs at the
same time write a content once, and the least recently used contents go.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.locate import Part, cache_directory, require

KEPT = 20
# One block per eight days: without the flag the file is read once for every two hours that it spans.
COMMAND = ("tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=192h")


def back_fill(openmetrics_file: Path, data: Path, cache: Path | None = None) -> None:
    """Leave the blocks of the file in *data*."""
    histories = cache or cache_directory() / "histories"
    histories.mkdir(parents=True, exist_ok=True)
    with _locked(histories):
        blocks = histories / _key(openmetrics_file)
        if not blocks.exists():
            _write(openmetrics_file, blocks)
        os.utime(blocks)
        shutil.copytree(blocks, data, dirs_exist_ok=True)
        _forget_all_but(KEPT, histories)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(openmetrics_file: Path) -> str:
    """Of the content and of promtool: another version may write other blocks."""
    promtool = require(Part.PROMTOOL).resolve()
    writer = f"{promtool} {promtool.stat().st_mtime_ns} {COMMAND}"
    with openmetrics_file.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    content.update(writer.encode())
    return content.hexdigest()


def _write(openmetrics_file: Path, blocks: Path) -> None:
    """They appear all at once: what a killed run left is nobody's past."""
    with tempfile.TemporaryDirectory(dir=blocks.parent, prefix="new-") as name:
        command: list[str | Path] = [require(Part.PROMTOOL), *COMMAND, openmetrics_file, Path(name) / "data"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(f"promtool can't read {openmetrics_file}: {done.stderr.strip()}")
        (Path(name) / "data").rename(blocks)


def _forget_all_but(count: int, histories: Path) -> None:
    entries = sorted(
        (entry for entry in histories.iterdir() if entry.is_dir()), key=lambda entry: -entry.stat().st_mtime
    )
    for entry in entries[count:]:
        shutil.rmtree(entry)
