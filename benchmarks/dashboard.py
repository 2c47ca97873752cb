"""Time of the page over the stored profiles of 5,000 workloads, beside its limits: `make bench-dashboard`.

The profiles are behind a real API server. The first list is that of a new command each time: from its start,
and from the first request, until all of it has arrived. A warm one is that of Chromium: from the navigation
until it can be sorted and filtered, and until a search shows its result. A report has all views in one file.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx

from benchmarks.rig import ROOT
from benchmarks.stored_cluster import stored_cluster
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.served_dashboard import dashboard

FIRST_SECONDS, WARM_SECONDS = 3, 2
_READY = "html[data-ready=true]"  # set by the script of the page, when it has taken over the tables


@dataclass(frozen=True, slots=True)
class Measure:
    """Seconds of each round, and the limit; 0 if there is none."""

    title: str
    seconds: list[float]
    limit: float = 0

    @property
    def is_kept(self) -> bool:
        """True if the median is within the limit."""
        return not self.limit or median(self.seconds) <= self.limit

    def __str__(self) -> str:
        limit = f"at most {self.limit:g}" if self.limit else ""
        rounds = " ".join(f"{each:.2f}" for each in self.seconds)
        return f"{self.title:<45}{median(self.seconds):>6.2f} s  {limit:<10}  ({rounds})"


def main() -> None:
    """Prints each measure with its limit; fails if one is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as name, ExitStack() as parts:
        directory = Path(name)
        control_plane = parts.enter_context(stored_cluster(options.workloads, directory / "cluster"))
        arguments = ["-A", "--kubeconfig", str(control_plane.kubeconfig)]
        print(
            f"{options.workloads} workloads, Kubernetes {control_plane.version} on the same cores", flush=True
        )
        are_kept = True
        for measured in (_first, _warm, _report):
            for measure in measured(arguments, directory, options.rounds):
                print(measure, flush=True)
                are_kept &= measure.is_kept
    sys.exit(not are_kept)


def _first(arguments: list[str], directory: Path, rounds: int) -> list[Measure]:
    from_start, from_request = [], []
    for number in range(rounds):
        place = directory / f"first-{number}"
        place.mkdir()
        started = perf_counter()
        with dashboard(place, *arguments) as url:
            requested = perf_counter()
            size = len(httpx.get(f"{url}/workloads", timeout=300, trust_env=False).raise_for_status().content)
            ended = perf_counter()
        from_start.append(ended - started)
        from_request.append(ended - requested)
    print(f"the list of workloads has {size / 1e6:.1f} MB", flush=True)
    return [
        Measure("first list, from the start of the command", from_start),
        Measure("first list, from the first request", from_request, FIRST_SECONDS),
    ]


def _warm(arguments: list[str], directory: Path, rounds: int) -> list[Measure]:
    interactive, searched = [], []
    with (
        dashboard(directory, *arguments) as url,
        Chromium(directory / "chromium") as chromium,
        chromium.visit(url) as visit,
    ):
        page = visit.open("/workloads")
        print(f"Chromium {chromium.version}", flush=True)
        for number in range(rounds):
            visit.open("/")

            def open_list() -> None:
                page.goto(f"{url}/workloads", wait_until="commit")
                page.locator(_READY).wait_for(state="attached")

            def search(text: str = f"service-{number + 11}") -> None:
                page.get_by_label("Search").fill(text)
                page.locator("#workloads tbody tr:first-child", has_text=text).wait_for()

            interactive.append(_seconds(open_list))
            searched.append(_seconds(search))
        faults = visit.found_faults()
    if faults:
        sys.exit(f"the page has faults: {faults}")
    return [
        Measure("warm, until the list is interactive", interactive, WARM_SECONDS),
        Measure("a search, until its result shows", searched),
    ]


def _report(arguments: list[str], directory: Path, rounds: int) -> list[Measure]:
    file = directory / "report.html"
    command = [sys.executable, "-m", "app", "report", str(file), *arguments]

    def write() -> None:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    seconds = [_seconds(write) for _ in range(rounds)]
    return [Measure(f"report of {file.stat().st_size / 1e6:.1f} MB", seconds)]


def _seconds(act: Callable[[], None]) -> float:
    started = perf_counter()
    act()
    return perf_counter() - started


if __name__ == "__main__":
    main()
