"""The curves of workloads: the samples of their Pods, and the steps with pressure; pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from app.charts.downsampling import FloatArray, Samples
from app.domain.profiles import PRESSURES_OF, Pressure, Resource
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, ContainerSamples, PodContainer, PressureSamples, StepRange

CURVE_DAYS = 14
Attribute = Callable[[str, str], Workload | None]


@dataclass(frozen=True, slots=True, eq=False)
class UsageCurve:
    """The samples of all Pods of a workload over *steps*.

    `pressure` has the steps of each kind that occurred; another one may not be measured at all.
    """

    resource: Resource
    steps: StepRange
    samples: Samples
    pressure: Mapping[Pressure, Sequence[int]] = field(default_factory=dict)


class _PodsOfSteps:
    """The lowest, the sum, the highest and the number of the Pods' samples in each step of a range."""

    def __init__(self, steps: StepRange) -> None:
        size = len(steps)
        self._first, self._times = steps.first, STEP_SECONDS * np.arange(steps.first, steps.last + 1.0)
        self._lowest, self._highest = np.full(size, np.inf), np.full(size, -np.inf)
        self._sums, self._counts = np.zeros(size), np.zeros(size)

    def add(self, first: int, values: FloatArray) -> None:
        """Adds the samples of one Pod from step *first* on; NaN is no sample."""
        usable = np.flatnonzero(np.isfinite(values))
        at, amounts = usable + first - self._first, values[usable]
        self._lowest[at] = np.minimum(self._lowest[at], amounts)
        self._highest[at] = np.maximum(self._highest[at], amounts)
        self._sums[at] += amounts
        self._counts[at] += 1

    def samples(self) -> Samples:
        """The steps with samples."""
        every = Samples(self._times, self._lowest, self._sums, self._highest, self._counts)
        return every.at(self._counts > 0)


class CurvesBuilder:
    """Folds the Pods of workloads to steps; of the *containers* of each that are named, of all if none are.

    So its size does not depend on the number of Pods.
    """

    def __init__(
        self, containers: Mapping[Workload, Collection[str]], steps: StepRange, attribute: Attribute
    ) -> None:
        self._containers, self._steps, self._attribute = containers, steps, attribute
        self._pods = {
            (workload, resource): _PodsOfSteps(steps) for workload in containers for resource in Resource
        }
        self._pressure: dict[tuple[Workload, Pressure], set[int]] = {}

    def add(self, samples: ContainerSamples) -> None:
        """Adds the samples of the workloads' Pods; *samples* has all containers of its steps."""
        for (workload, _), values in _sums_of_pods(samples, self._workload_of).items():
            self._pods[workload, samples.resource].add(samples.steps.first, values)

    def add_pressure(self, samples: PressureSamples) -> None:
        """Adds the steps with pressure of the workloads' Pods."""
        for row, step in zip(samples.rows.tolist(), samples.at_steps.tolist(), strict=True):
            if workload := self._workload_of(samples.containers[row]):
                self._pressure.setdefault((workload, samples.reason), set()).add(step)

    def build(self) -> dict[Workload, dict[Resource, UsageCurve]]:
        """The curve of each resource of each workload; without samples if there are none."""
        return {
            workload: {resource: self._curve(workload, resource) for resource in Resource}
            for workload in self._containers
        }

    def _curve(self, workload: Workload, resource: Resource) -> UsageCurve:
        pressure = {
            kind: sorted(steps)
            for kind in PRESSURES_OF[resource]
            if (steps := self._pressure.get((workload, kind)))
        }
        return UsageCurve(resource, self._steps, self._pods[workload, resource].samples(), pressure)

    def _workload_of(self, container: PodContainer) -> Workload | None:
        """The workload in whose curve the container counts."""
        workload = self._attribute(container.namespace, container.pod)
        if workload is None or workload not in self._containers:
            return None
        names = self._containers[workload]
        return workload if not names or container.container in names else None


def mean_of_pods(
    samples: Iterable[ContainerSamples], attribute: Attribute
) -> dict[Workload, dict[Resource, float]]:
    """The mean usage of a Pod of each workload, over the steps of *samples* in which it ran."""
    means: dict[tuple[Workload, Resource], dict[str, list[float]]] = {}
    for part in samples:
        pods = _sums_of_pods(part, lambda container: attribute(container.namespace, container.pod))
        for (workload, pod), values in pods.items():
            usable = values[np.isfinite(values)]
            if len(usable):
                by_pod = means.setdefault((workload, part.resource), {})
                by_pod.setdefault(pod, []).extend(usable.tolist())
    found: dict[Workload, dict[Resource, float]] = {}
    for (workload, resource), by_pod in means.items():
        amounts = [fmean(values) for values in by_pod.values()]
        found.setdefault(workload, {})[resource] = fmean(amounts)
    return found


def _sums_of_pods(
    samples: ContainerSamples, workload_of: Callable[[PodContainer], Workload | None]
) -> dict[tuple[Workload, str], FloatArray]:
    """The sum over the containers that count for a workload, by Pod; NaN where none has a sample."""
    pods: dict[tuple[Workload, str], FloatArray] = {}
    for container, values in zip(samples.containers, samples.values, strict=True):
        if workload := workload_of(container):
            total = pods.setdefault((workload, container.pod), np.full(len(values), np.nan))
            usable = np.isfinite(values)
            total[usable] = np.nan_to_num(total[usable]) + values[usable]
    return pods
