"""One cycle of the profiler, with its settings, on a Prometheus that has just begun to scrape."""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from app.domain.namespaces import NamespaceSelection
from app.profiler.cycle.cycle import CycleReport, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.profiler.registries.namespaces import NamespaceScope
from app.runtime.policies import cycle_policy
from app.runtime.prometheus import open_prometheus
from app.settings.environment import read_settings
from tests.cluster.exposed_metrics import are_scraped
from tests.cluster.waiting import wait_until
from tests.profiler.scenario import RecordingSink

_STEP_SECONDS, _GRACE_SECONDS = 300, 60


# Few enough profiles to store all of them in one short cycle, and time for large answers on a busy machine.
_SHORT = {
    "profile_write_rate": "1000",
    "background_routine_update_time": "86400",
    "max_profiles": "5000",
    "prometheus_timeout": "300",
}


def end_of_scraped_step(
    prometheus_url: str, *, targets: int, scrapes: int, within_seconds: float = 600
) -> float:
    """The end of the step that runs, once each target was scraped so often in it.

    A step that ends before that is followed by the next one: a slow machine takes longer, and misses nothing.
    """

    def end_if_scraped() -> float:
        now = time.time()
        begin = now // _STEP_SECONDS * _STEP_SECONDS
        seconds = max(int(now - begin), 1)
        done = are_scraped(prometheus_url, targets=targets, scrapes=scrapes, seconds=seconds)
        return begin + _STEP_SECONDS if done else 0.0

    what = f"{scrapes} scrapes of {targets} targets in one step"
    return wait_until(end_if_scraped, within_seconds, what)


class ScrapedCluster:
    """The profiles and the report after one cycle that reads the step up to *end*, with few samples."""

    def __init__(self, prometheus_url: str, end: float, **settings: str) -> None:
        self.settings = read_settings(
            {"prometheus_url": prometheus_url, "min_samples": "1", "history_days": "1"} | settings
        )
        self.now = datetime.fromtimestamp(end + _GRACE_SECONDS + 1, tz=UTC)
        self.profiles, self.sink = InMemoryProfiles("profiling"), RecordingSink()

    async def cycle(self) -> CycleReport:
        """Run the cycle."""
        scope = NamespaceScope(NamespaceSelection())
        ports = ClusterPorts(FixedSnapshot(), self.profiles, self.sink)
        async with open_prometheus(self.settings, scope) as source:
            cycle = ProfilingCycle(source, ports, cycle_policy(self.settings), scope.covers, scope.current)
            return await cycle.run_once(self.now)

    @property
    def report(self) -> dict[str, Any]:
        """The status report."""
        return dict(self.sink.reports[-1])

    @property
    def values(self) -> dict[str, str]:
        """The value of each stored profile by kind and subject."""
        return {
            f"{profile.kind.value} {profile.subject}": profile.value for profile in self.profiles.catalogue
        }


def main(prometheus_url: str, end: str) -> None:
    """Runs one cycle; prints its time, the peak memory of the process, and the profiles of each namespace."""
    cluster = ScrapedCluster(prometheus_url, float(end), **_SHORT)
    report = asyncio.run(cluster.cycle())
    tenants = Counter(f"{profile.kind.value} {profile.tenant}" for profile in cluster.profiles.catalogue)
    outcome = {
        "seconds": round(report.seconds, 1),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "signals": {name: signal["reason"] for name, signal in cluster.sink.signals.items()},
        "profiles": tenants,
        "dropped": cluster.report.get("droppedEdges", {}),
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
