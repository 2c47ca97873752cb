"""The order of the test files: the longest first, or at random, with a seed that gives the same order again.

Workers take whole files in this order, so that the last ones to end are short. `durations.json` holds the
seconds of each file, as `--renew-durations` measured them; a file that is not in it comes first.
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
    """`--file-order` and `--renew-durations`."""
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
    """LONGEST or a seed, which is drawn here."""
    if text == RANDOM:
        return str(Random().randrange(LARGEST_SEED))
    if text == LONGEST or text.isdecimal():
        return text
    raise ValueError(text)


def sort_by_file(items: list[pytest.Item], order: str) -> None:
    """Sort *items* by their files; the order inside a file stays."""
    files = ordered({_file_of(item.nodeid) for item in items}, order, measured_seconds())
    ranks = {file: rank for rank, file in enumerate(files)}
    items.sort(key=lambda item: ranks[_file_of(item.nodeid)])


def ordered(files: Iterable[str], order: str, seconds: Mapping[str, float]) -> list[str]:
    """The files in the order in which they run."""
    by_name = sorted(files)
    if order == LONGEST:
        return sorted(by_name, key=lambda file: -seconds.get(file, inf))
    Random(int(order)).shuffle(by_name)
    return by_name


def measured_seconds() -> dict[str, float]:
    """What `--renew-durations` wrote."""
    seconds: dict[str, float] = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    return seconds


class DurationsWriter:
    """A plugin that adds up the seconds of each file, fixtures included, and writes them at the end."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set-up, call and teardown of a test each come here once."""
        self._seconds[_file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Files that did not run keep their seconds; those that are gone lose them."""
        known = {file: each for file, each in measured_seconds().items() if Path(file).exists()}
        measured = {file: round(each, 1) for file, each in self._seconds.items()}
        text = json.dumps(known | measured, indent=1, sort_keys=True)
        DURATIONS.write_text(f"{text}\n")


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
