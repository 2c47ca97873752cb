"""All that was learned of CPU and memory: every series of every workload, and the needs derived from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.domain.profiles import PRESSURE_OF, Pressure, Resource
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples, PressureSamples, StepRange
from app.history.usage import UsageState
from app.recommendation.active_containers import IsInitContainer
from app.recommendation.policy import EstimationPolicy
from app.recommendation.profile_builder import PressureRaises
from app.recommendation.recommender import (
    FindPublishedValue,
    RecommendationRequest,
    Recommendations,
    ResourceRecommender,
)
from app.recommendation.series_table import SeriesTable

Attribute = Callable[[str, str], Workload | None]
_RUNS_THAT_COUNT = 2  # of a Job and its like; more are not told apart


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What became of one answer: samples that were new, and Pods that belong to no workload we know."""

    samples: int
    unattributed_pods: frozenset[tuple[str, str]]


class UsageHistory:
    """Day rows of both resources over one set of series."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self.state = UsageState(timeslots=timeslots, retained_days=retained_days)
        self._series, self._runs = self.state.series, self.state.runs
        self._rows, self._signs = self.state.rows, self.state.signs
        self._table = SeriesTable({})
        self._estimators = {
            resource: ResourceRecommender(resource, rows) for resource, rows in self._rows.items()
        }

    def missing(self, resource: Resource, wanted: StepRange) -> list[StepRange]:
        """The steps of *wanted* that were not answered yet, in ranges of at most a day, newest first."""
        return self._rows[resource].missing(wanted)

    def fold(self, samples: ContainerSamples, attribute: Attribute) -> FoldResult:
        """Take one whole answer; *attribute* maps (namespace, Pod) to its workload."""
        series = np.full(len(samples.containers), -1, dtype=np.int64)
        unattributed = set()
        for row, container in enumerate(samples.containers):
            workload = attribute(container.namespace, container.pod)
            if workload is None:
                unattributed.add((container.namespace, container.pod))
            else:
                series[row] = self._series.of(workload, container.container)
                if not workload.is_lasting:
                    self._note_run(workload, container.pod)
        known = series >= 0
        rows = self._rows[samples.resource]
        owned = series[known]
        folded = rows.fold(samples.steps, owned, samples.values[known], self._series.keys_of(owned))
        if rows.forget_before(samples.steps.last):
            self.state.forget_silent()
        return FoldResult(folded, frozenset(unattributed))

    def missing_signs(self, resource: Resource, newest_step: int) -> list[StepRange]:
        """The steps in which signs of need of *resource* are to be asked for: those whose usage is known."""
        return self._signs[PRESSURE_OF[resource]].missing(self._rows[resource].covered, newest_step)

    def fold_signs(self, samples: PressureSamples, attribute: Attribute) -> None:
        """Take one whole answer on a sign of need."""
        workloads = [attribute(each.namespace, each.pod) for each in samples.containers]
        series = [
            self._series.of(workload, each.container) if workload else -1
            for workload, each in zip(workloads, samples.containers, strict=True)
        ]
        numbers = np.array(series, dtype=np.int64)
        self._signs[samples.reason].fold(samples, numbers, self._series.keys_of(numbers))

    def _note_run(self, workload: Workload, pod: str) -> None:
        pods = self._runs.setdefault(workload, set())
        if len(pods) < _RUNS_THAT_COUNT:
            pods.add(pod)

    def needs(
        self,
        resource: Resource,
        policy: EstimationPolicy,
        *,
        newest_step: int,
        ends: IsInitContainer = lambda _workload, _container: False,
        published: FindPublishedValue = lambda _workload: None,
    ) -> Recommendations:
        """What every workload needs as of *newest_step*; what *ends* is left out of value and containers.

        There are profiles of those of which nothing is *published*, whose value moves, and whose are due.
        """
        if not self._table.is_of(self._series.index):
            self._table = SeriesTable(self._series.index)
        asked = RecommendationRequest(policy, newest_step, ends, published, self._has_run_again)
        raises = self._raises(resource, policy, newest_step)
        return self._estimators[resource].needs(self._table, raises, asked)

    def _has_run_again(self, workload: Workload) -> bool:
        """True where two runs were seen of what is run again and again: runs may be too short for samples."""
        return len(self._runs.get(workload, ())) > 1

    def _raises(self, resource: Resource, policy: EstimationPolicy, newest_step: int) -> PressureRaises:
        reason, size = PRESSURE_OF[resource], len(self._series.containers)
        signs, raising = self._signs[reason], policy.raises[reason]
        if reason is Pressure.CPU_THROTTLING:
            by = signs.raises_by_share(raising, self._rows[resource].samples, size, newest_step)
        else:
            by = signs.raises_by_event(raising, size, newest_step)
        return PressureRaises(reason, by, signs.last_seen(size))
