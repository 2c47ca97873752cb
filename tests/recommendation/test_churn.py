"""Memory use depends on the present workloads and the retained days, not on terminated Pods and workloads."""

import numpy as np

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import ConnectionSamples, ContainerSamples, PodContainer, PressureSamples, StepRange
from app.history.usage_history import UsageHistory
from tests.recommendation.builders import MIDNIGHT, steps
from tests.recommendation.learning import facts

WORKLOADS, REPLICAS = 100, 100


def stored_size(learned: LearnedState) -> dict[str, int]:
    """The bytes of arrays and the number of names stored_size in memory."""
    usage, connections = learned.usage, learned.connections
    arrays = [ring.values for ring in connections.rings()]
    for rows in usage.histograms.values():
        arrays += [rows.first_seen, rows.last_seen, rows.recent]
        for day in rows.days.values():
            arrays += [day.keys, day.counts, day.maxima, day.steps_seen]
    for signs in usage.pressure.values():
        arrays += [signs.last_seen_steps, *signs.days.values()]
    coverages = [*(rows.coverage for rows in usage.histories()), connections.coverage]
    arrays += [flags for coverage in coverages for flags in (coverage.starts, *coverage.days.values())]
    return {
        "bytes": sum(array.nbytes for array in arrays),
        "series": len(usage.series.index) + len(usage.series.keys) + len(usage.series.workloads),
        "runs": sum(map(len, usage.runs.values())) + len(usage.runs),
        "edges": len(connections.edges) + len(connections.sources),
    }


class Folding:
    """A usage history and a connection history."""

    def __init__(self) -> None:
        self.history = UsageHistory(timeslots=4, retained_days=15)
        self.learned = LearnedState(self.history.state, ConnectionHistory())

    def fold(self, of: StepRange, owners: dict[str, Workload]) -> None:
        """Fold constant usage of one container per Pod, pressure at the last step, an edge per workload."""
        containers = tuple(PodContainer(owner.namespace, pod, "app") for pod, owner in owners.items())
        values = np.tile(np.linspace(0.1, 0.2, len(containers))[:, np.newaxis], len(of))

        def attribute(_namespace: str, pod: str) -> Workload:
            return owners[pod]

        for resource, unit in ((Resource.CPU, 1.0), (Resource.MEMORY, 1e9)):
            self.history.fold(ContainerSamples(resource, of, containers, values * unit), attribute)
        rows, at = np.arange(len(containers)), np.full(len(containers), of.last)
        for reason in Pressure:
            samples = PressureSamples(reason, of, containers, rows, at, np.ones(len(containers)))
            self.history.fold_pressure(samples, attribute)
        ends = tuple(dict.fromkeys(owners.values()))
        edges = tuple(Connection(end, ends[0]) for end in ends)
        rates, scraped = np.ones((len(ends), len(of))), np.ones((len(ends), len(of)), dtype=np.bool_)
        self.learned.connections.fold(ConnectionSamples(of, edges, rates, rates, ends, scraped))


def test_ten_thousand_pods_that_are_rolled_ten_times_take_no_more() -> None:
    """100 Deployments and Jobs of 100 Pods each: after ten generations memory is as after the first.

    All generations run in one time slot of one day with equal usage, so no new histogram entries appear.
    """
    folding, sizes = Folding(), []
    kinds = ("Deployment", "Job")
    # Names of letters from g on, since Jobs that differ by digits are runs of one group.
    names = ["app-" + "".join("ghijklmnop"[int(digit)] for digit in f"{n:02}") for n in range(WORKLOADS)]
    workloads = [Workload("shop", name, kinds[n % 2]) for n, name in enumerate(names)]
    for generation in range(11):
        owners = {f"{w.name}-{generation}-{k}": w for w in workloads for k in range(REPLICAS)}
        folding.fold(steps(6 * generation + 1, 6 * generation + 6), owners)
        sizes.append(stored_size(folding.learned))

    assert sizes[1:] == sizes[:1] * 10
    assert sizes[0]["series"] == 3 * WORKLOADS
    assert sizes[0]["runs"] == 50 + 50 * 2


def test_terminated_workloads_are_dropped_with_their_last_day() -> None:
    """Each day 20 workloads run once, beside five that stay: those of the last 15 days are in memory.

    From the 16th day on nothing grows: 15 * 20 + 5 series, and the edges of two days.
    """
    folding, sizes = Folding(), []
    for day in range(40):
        names = [*(f"stays-{n}" for n in range(5)), *(f"run-{day}-{n}" for n in range(20))]
        owners = {name: Workload(f"ci-{day % 3}", name) for name in names}
        owners |= {name: Workload("shop", name) for name in names[:5]}
        first = MIDNIGHT + day * 288 + 1
        folding.fold(StepRange(first, first + 287), owners)
        sizes.append(stored_size(folding.learned))

    assert [size["series"] for size in sizes[16:]] == [3 * (15 * 20 + 5)] * 24
    assert len({size["bytes"] for size in sizes[16:]}) == 1
    assert max(size["edges"] for size in sizes) <= 2 * (2 * 20 + 5)


def test_the_facts_of_remaining_workloads_are_as_without_the_others() -> None:
    """When others are dropped its series number changes, but not its usage, pressure and edges."""
    alone, crowded = Folding(), Folding()
    stays = Workload("shop", "stays")
    for day in range(20):
        of = StepRange(MIDNIGHT + day * 288 + 1, MIDNIGHT + day * 288 + 288)
        # The first container uses 0.1 in both clusters.
        alone.fold(of, {"stays-1": stays})
        runs = {f"run-{day}-{n}": Workload("ci", f"run-{day}-{n}") for n in range(20)} if day else {}
        crowded.fold(of, {"stays-1": stays} | runs)

    mine = [fact for fact in facts(crowded.learned).items() if stays in _names(fact[0])]
    assert dict(mine) == facts(alone.learned)


def _names(fact: tuple[object, ...]) -> list[object]:
    """The workloads in a key of `facts`."""
    subject = fact[0] if isinstance(fact[0], Connection) else fact[1]
    return [subject.source] if isinstance(subject, Connection) else list(subject)  # type: ignore[call-overload]
