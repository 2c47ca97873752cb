"""The time that artifacts state as their own: that of the source, so that a second build is the same."""

import os
import subprocess
from pathlib import Path

VARIABLE = "SOURCE_DATE_EPOCH"
# 2020-02-02, hatchling's own: for a source without history. Archives of wheels begin in 1980.
WITHOUT_HISTORY = 1580601600


def source_date_epoch(source: Path) -> int:
    """Seconds since the epoch: SOURCE_DATE_EPOCH if it is set, else the time of the last commit."""
    if stated := os.environ.get(VARIABLE):
        return int(stated)
    if not (source / ".git").exists():
        return WITHOUT_HISTORY
    command = ("git", "log", "-1", "--format=%ct")
    return int(subprocess.run(command, cwd=source, capture_output=True, text=True, check=True).stdout)
