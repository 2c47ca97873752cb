"""Cost of computing all values at the largest supported size: `make bench-derivation`.

10,000 workloads of two containers have four weeks of history. Then, as in an ordinary cycle, one step of CPU
and of memory is folded into the history, and every value is computed. The limit is half a second of
one core. For comparison, the same process measures numpy's time for one quantile (partition) of all samples
of the days, which is the minimum for any rule that reads the samples.
"""

import argparse
import os
import resource as limits
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.open_steps import OPEN_STEPS, Settlement
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, StepRange
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import PublishedValue, Recommendations

LIMIT_SECONDS = 0.5
DAYS, TODAY = 28, 20_028
_CONTAINERS = ("app", "linkerd-proxy")
_TYPICAL = {Resource.CPU: 0.05, Resource.MEMORY: 1e8}
_SPREAD = {Resource.CPU: 0.6, Resource.MEMORY: 0.05}


class Cluster:
    """Usage with a daily rhythm, noise, and a random level for each container."""

    def __init__(self, workloads: int) -> None:
        self.workloads = [Workload(f"team-{number % 200}", f"job-{number}") for number in range(workloads)]
        self.by_pod = {
            (workload.namespace, f"{workload.name}-6b6f9d7d5c-2x8qz"): workload for workload in self.workloads
        }
        self._containers = tuple(
            PodContainer(*pod, container) for pod in self.by_pod for container in _CONTAINERS
        )
        self._levels = np.random.default_rng(7).lognormal(0, 1.5, (len(self._containers), 1))

    def samples(self, resource: Resource, steps: StepRange, *, every: int = 1) -> ContainerSamples:
        """The samples of every container, or of one in *every* containers."""
        levels = self._levels[::every]
        times = np.arange(steps.first, steps.last + 1) / STEPS_PER_DAY
        rhythm = 1.5 + np.sin(2 * np.pi * times)
        noise = np.stack(
            [
                np.random.default_rng(step).lognormal(0, _SPREAD[resource], len(levels))
                for step in range(steps.first, steps.last + 1)
            ],
            axis=1,
        )
        values = _TYPICAL[resource] * levels * rhythm ** (resource is Resource.CPU) * noise
        return ContainerSamples(resource, steps, self._containers[::every], values)

    def attribute(self, namespace: str, pod: str) -> Workload | None:
        """The workload of a Pod."""
        return self.by_pod.get((namespace, pod))


class Leader:
    """The work of a leader between query results and writes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.history = UsageHistory(timeslots=4, retained_days=29)
        self.recommender = Recommender(self.history.state)
        self.published: dict[tuple[Resource, Workload], PublishedValue] = {}
        self.written = 0

    def fold(self, batch: list[ContainerSamples], settlement: Settlement | None = None) -> None:
        """Folds the samples into the history."""
        for samples in batch:
            self.history.fold(samples, self.cluster.attribute, settlement)

    def derive(self, newest_step: int) -> None:
        """Computes all values, and publishes new and changed ones."""
        policy = EstimationPolicy(window_days=DAYS + 1)
        self.written = 0
        for resource in Resource:
            recommendations = self.recommender.recommend(
                resource,
                policy,
                newest_step=newest_step,
                find_published=lambda workload, key=resource: self.published.get((key, workload)),  # type: ignore[misc]
            )
            self._publish(resource, recommendations, newest_step)

    def _publish(self, resource: Resource, recommendations: Recommendations, newest_step: int) -> None:
        for profile in recommendations.profiles:
            value = PublishedValue(float(profile.value), newest_step * 300 + 60)
            self.published[resource, profile.workload] = value
        self.written += len(recommendations.profiles)


def main() -> None:
    """Prints the time of each part; fails if a step exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cluster = Cluster(options.workloads)
    leader = Leader(cluster)
    midnight = TODAY * STEPS_PER_DAY
    noon = midnight + STEPS_PER_DAY // 2
    first = (TODAY - DAYS) * STEPS_PER_DAY + 1
    for part in StepRange(first, noon).by_day():
        leader.fold([cluster.samples(resource, part) for resource in Resource])
    print(
        f"{options.workloads} workloads x {len(_CONTAINERS)} containers x 2 resources, {DAYS} days, one core"
    )
    _print_seconds(
        "first computation, all values published", _seconds(lambda: leader.derive(noon)), leader.written
    )
    steps = [_step(leader, noon + 1 + number) for number in range(options.steps)]
    night = midnight + STEPS_PER_DAY
    leader.fold(
        [
            cluster.samples(resource, StepRange(noon + options.steps - OPEN_STEPS + 1, night))
            for resource in Resource
        ]
    )
    leader.derive(night)
    after_midnight = [_step(leader, night + 1 + number) for number in range(12)]
    _print_seconds("slowest of the 12 steps after midnight", max(after_midnight), leader.written)
    reference = _partition_seconds(cluster)
    _print_seconds("one quantile of all samples with numpy's partition", reference, 0)
    print(f"peak memory {limits.getrusage(limits.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    worst = max(*steps, *after_midnight)
    verdict = "within" if worst <= LIMIT_SECONDS else "BEYOND"
    print(
        f"one step: median {median(steps):.3f} s, slowest {worst:.3f} s, {verdict} {LIMIT_SECONDS} s", end=""
    )
    print(f"; {worst / reference:.2f} of the time of partition")
    if worst > LIMIT_SECONDS:
        sys.exit(1)


def _step(leader: Leader, step: int) -> float:
    steps = StepRange(step - OPEN_STEPS, step)
    batch = [leader.cluster.samples(resource, steps) for resource in Resource]
    folding = _seconds(lambda: leader.fold(batch, Settlement(step, step - OPEN_STEPS)))
    deriving = _seconds(lambda: leader.derive(step))
    print(f"  step {step % STEPS_PER_DAY:>3}: fold {folding:.3f} s, compute {deriving:.3f} s", end="")
    print(f", {leader.written} published", flush=True)
    return folding + deriving


def _partition_seconds(cluster: Cluster) -> float:
    """The time for one quantile of each series over all days, both resources; a quarter of it is timed."""
    samples = cluster.samples(Resource.CPU, StepRange(1, DAYS * STEPS_PER_DAY), every=4).values
    position = int(samples.shape[1] * 0.95)
    return 4 * len(Resource) * _seconds(lambda: np.partition(samples, position, axis=1))


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


def _print_seconds(label: str, seconds: float, written: int) -> None:
    print(f"{label}: {seconds:.3f} s" + (f" ({written})" if written else ""), flush=True)


if __name__ == "__main__":
    main()
