"""Converts an OpenMetrics file to Prometheus blocks, once per content and machine.

The user's cache keeps the blocks under a digest of the file and of promtool. A lock makes concurrent runs
write a content once; the least recently used contents are deleted.
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
    """Copies the blocks of the file to *data*."""
    histories = cache or cache_directory() / "histories"
    histories.mkdir(parents=True, exist_ok=True)
    with _locked(histories):
        blocks = histories / _key(openmetrics_file)
        if not blocks.exists():
            _write(openmetrics_file, blocks)
        os.utime(blocks)
        shutil.copytree(blocks, data, dirs_exist_ok=True)
        _delete_all_but(KEPT, histories)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(openmetrics_file: Path) -> str:
    """The digest of the content and of promtool: another version may write different blocks."""
    promtool = require(Part.PROMTOOL).resolve()
    writer = f"{promtool} {promtool.stat().st_mtime_ns} {COMMAND}"
    with openmetrics_file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(writer.encode())
    return digest.hexdigest()


def _write(openmetrics_file: Path, blocks: Path) -> None:
    """Writes the blocks atomically: a killed run leaves no partial blocks under a key."""
    with tempfile.TemporaryDirectory(dir=blocks.parent, prefix="new-") as name:
        command: list[str | Path] = [require(Part.PROMTOOL), *COMMAND, openmetrics_file, Path(name) / "data"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(f"promtool can't read {openmetrics_file}: {done.stderr.strip()}")
        (Path(name) / "data").rename(blocks)


def _delete_all_but(count: int, histories: Path) -> None:
    entries = sorted(
        (entry for entry in histories.iterdir() if entry.is_dir()), key=lambda entry: -entry.stat().st_mtime
    )
    for entry in entries[count:]:
        shutil.rmtree(entry)
