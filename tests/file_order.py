"""The order of test files: the longest first, or random with a seed that reproduces the order.

Workers take whole files in this order, so the last files are short. `durations.json` has the seconds of each
file, measured by `--renew-durations`; a file without an entry comes first.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from random import Random

import pytest

DURATIONS = Path(__file__).parent / "durations.json"
LONGEST, RANDOM = "longest", "random"
LARGEST_SEED = 10**6


def add_options(parser: pytest.Parser) -> None:
    """Adds `--file-order` and `--renew-durations`."""
    group = parser.getgroup("order of test files")
    group.addoption(
        "--file-order",
        metavar="ORDER",
        default=LONGEST,
        type=_order,
        help=f"{LONGEST} first (the default), {RANDOM}, or the seed that an earlier random run printed",
    )
    group.addoption(
        "--renew-durations", action="store_true", help=f"write the seconds of each file to {DURATIONS.name}"
    )


def _order(text: str) -> str:
    """LONGEST or a seed; RANDOM is replaced by a seed here."""
    if text == RANDOM:
        return str(Random().randrange(LARGEST_SEED))
    if text == LONGEST or text.isdecimal():
        return text
    raise ValueError(text)


def sort_by_file(items: list[pytest.Item], order: str) -> None:
    """Sorts *items* by file; the order within a file stays."""
    files = ordered({_file_of(item.nodeid) for item in items}, order, measured_seconds())
    ranks = {file: rank for rank, file in enumerate(files)}
    items.sort(key=lambda item: ranks[_file_of(item.nodeid)])


def ordered(files: Iterable[str], order: str, seconds: Mapping[str, float]) -> list[str]:
    """The files in run order."""
    by_name = sorted(files)
    if order == LONGEST:
        return sorted(by_name, key=lambda file: -seconds.get(file, inf))
    Random(int(order)).shuffle(by_name)
    return by_name


def measured_seconds() -> dict[str, float]:
    """The seconds of each file in `durations.json`; empty if it does not exist."""
    seconds: dict[str, float] = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    return seconds


class DurationsWriter:
    """A plugin that sums the seconds of each file, fixtures included, and writes them at the end."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds one of the three reports of a test: set-up, call and teardown."""
        self._seconds[_file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Writes the file: files that did not run keep their seconds, deleted files are removed."""
        previous = {file: seconds for file, seconds in measured_seconds().items() if Path(file).exists()}
        measured = {file: round(seconds, 1) for file, seconds in self._seconds.items()}
        text = json.dumps(previous | measured, indent=1, sort_keys=True)
        DURATIONS.write_text(f"{text}\n")


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
