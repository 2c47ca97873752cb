"""A small cluster with a generated past, query results on any part of it, and the state learned from them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import (
    ConnectionSamples,
    ContainerSamples,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.history.usage_history import UsageHistory
from tests.recommendation.builders import MIDNIGHT

CONTAINERS = ("app", "proxy")
# Three days and 100 steps of a fourth.
PAST = StepRange(MIDNIGHT + 1, MIDNIGHT + 3 * 288 + 100)


class Cluster:
    """Workloads of many namespaces; each container has its own random samples."""

    def __init__(self, namespaces: int = 6, workloads: int = 3) -> None:
        self.workloads = [
            Workload(f"team-{namespace}", f"app-{number}", "Deployment" if number else "Job")
            for namespace in range(namespaces)
            for number in range(workloads)
        ]
        self._named = {(w.namespace, w.name): w for w in self.workloads}
        shape = (len(self.workloads), len(CONTAINERS), len(PAST))
        chance = np.random.default_rng(5)
        self._cpu = np.where(chance.random(shape) < 0.1, np.nan, chance.lognormal(-3, 1, shape))
        self._memory = np.where(chance.random(shape) < 0.1, np.nan, chance.lognormal(17, 0.2, shape))
        self._shares = np.where(chance.random(shape) < 0.9, 0.0, chance.random(shape))
        # Check-points store multiples of 1/16 below 256 exactly (12 bits).
        self._rates = chance.integers(0, 4096, (len(self.workloads), len(PAST))) / 16

    def results(self, of: StepRange, namespaces: Iterable[str] | None = None) -> list[Any]:
        """Complete query results of all signals on *of*, for *namespaces* or for all of them."""
        part = slice(of.first - PAST.first, of.last - PAST.first + 1)
        rows = [k for k, w in enumerate(self.workloads) if namespaces is None or w.namespace in namespaces]
        containers = tuple(
            PodContainer(self.workloads[row].namespace, self.workloads[row].name, container)
            for row in rows
            for container in CONTAINERS
        )
        shape = (len(containers), len(of))
        shares = self._shares[rows][:, :, part].reshape(shape)
        numbers, columns = np.nonzero(shares)
        return [
            ContainerSamples(Resource.CPU, of, containers, self._cpu[rows][:, :, part].reshape(shape)),
            ContainerSamples(Resource.MEMORY, of, containers, self._memory[rows][:, :, part].reshape(shape)),
            *(
                PressureSamples(reason, of, containers, numbers, columns + of.first, shares[numbers, columns])
                for reason in Pressure
            ),
            self._traffic(of, part, rows),
        ]

    def _traffic(self, of: StepRange, part: slice, rows: Sequence[int]) -> ConnectionSamples:
        rates = self._rates[rows][:, part]
        edges = tuple(
            Connection(self.workloads[row], self.workloads[(row + 1) % len(self.workloads)]) for row in rows
        )
        sources = tuple(self.workloads[row] for row in rows)
        scraped = np.ones(rates.shape, dtype=np.bool_)
        return ConnectionSamples(of, edges, rates, rates / 2, sources, scraped, request_bytes=rates * 64)

    def attribute(self, namespace: str, pod: str) -> Workload | None:
        """The workload of a Pod, which has the same name."""
        return self._named[namespace, pod]


class Learner:
    """Folds query results as a cycle does."""

    def __init__(self, cluster: Cluster, *, timeslots: int = 4) -> None:
        self._cluster = cluster
        self.history = UsageHistory(timeslots=timeslots, retained_days=29)
        self.learned = LearnedState(self.history.state, ConnectionHistory())

    def fold(self, results: Iterable[Any]) -> None:
        """Fold results of any signal."""
        for result in results:
            if isinstance(result, ContainerSamples):
                self.history.fold(result, self._cluster.attribute)
            elif isinstance(result, PressureSamples):
                self.history.fold_pressure(result, self._cluster.attribute)
            else:
                self.learned.connections.fold(result)

    def read(self, wanted: StepRange, namespaces: Iterable[str] | None = None) -> None:
        """Query and fold the missing steps of *wanted*."""
        missing = {
            *(part for resource in Resource for part in self.history.missing(resource, wanted)),
            *self.learned.connections.missing(wanted.last),
        }
        for part in sorted(missing):
            self.fold(self._cluster.results(StepRange(max(part.first, PAST.first), part.last), namespaces))


def learned_of(cluster: Cluster, *parts: StepRange) -> Learner:
    """A learner that has folded *parts*, or the whole past."""
    learner = Learner(cluster)
    for part in parts or (PAST,):
        learner.fold(cluster.results(part))
    return learner


def facts(learned: LearnedState) -> dict[tuple[object, ...], object]:
    """The whole state in comparable form, independent of series numbers."""
    facts_by_key: dict[tuple[object, ...], object] = {
        ("run", run): pods for run, pods in learned.usage.runs.items()
    }
    for (workload, container), number in learned.usage.series.index.items():
        of = (workload, container)
        selected = np.array([number])
        for resource, histograms in learned.usage.histograms.items():
            part = histograms.select(selected)
            seen = tuple(int(array[0]) for array in (part.first_seen, part.last_seen, part.recent))
            facts_by_key[resource, of, "seen"] = seen
            for day, rows in part.days.items():
                entries = tuple(zip(rows.keys.tolist(), rows.counts.tolist(), strict=True))
                if entries:
                    facts_by_key[resource, of, day] = (entries, tuple(rows.maxima), tuple(rows.steps_seen))
        for reason, pressure in learned.usage.pressure.items():
            own_pressure = pressure.select(selected)
            facts_by_key[reason, of] = (
                int(own_pressure.last_seen_steps[0]),
                {day: int(p[0]) for day, p in own_pressure.days.items() if p[0]},
            )
    for mean in learned.connections.means():
        means = (mean.requests_per_minute, mean.responses_per_minute, mean.request_bytes_per_second or 0.0)
        facts_by_key[mean.connection,] = means
        facts_by_key[mean.connection, "steps"] = (mean.first_step, mean.last_step, mean.scraped_steps)
    return facts_by_key
