"""The curve of a workload: the samples of its Pods, and the steps with pressure; pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import PRESSURES_OF, Pressure, Resource
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, ContainerSamples, PressureSamples, StepRange

CURVE_DAYS = 14
Attribute = Callable[[str, str], Workload | None]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class UsageCurve:
    """The samples of all Pods of a workload over *steps*, in cores or bytes, at the Unix times of their ends.

    `pressure` has the steps of each kind that occurred; another one may not be measured at all.
    """

    resource: Resource
    steps: StepRange
    times: FloatArray
    amounts: FloatArray
    pressure: Mapping[Pressure, Sequence[int]] = field(default_factory=dict)


@dataclass(slots=True)
class CurveBuilder:
    """Adds up the containers of each Pod of one workload; of *containers* if any are named, else of all."""

    workload: Workload
    steps: StepRange
    attribute: Attribute
    containers: Collection[str] = ()
    _pods: dict[tuple[Resource, str], FloatArray] = field(default_factory=dict)
    _pressure: dict[Pressure, set[int]] = field(default_factory=dict)

    def add(self, samples: ContainerSamples) -> None:
        """Adds the samples of the workload's Pods."""
        offset = samples.steps.first - self.steps.first
        for container, values in zip(samples.containers, samples.values, strict=True):
            if not self._counts(container.namespace, container.pod, container.container):
                continue
            empty = np.full(len(self.steps), np.nan)
            pod = self._pods.setdefault((samples.resource, container.pod), empty)
            _add(pod[offset : offset + len(values)], values)

    def add_pressure(self, samples: PressureSamples) -> None:
        """Adds the steps with pressure of the workload's Pods."""
        for row, step in zip(samples.rows.tolist(), samples.at_steps.tolist(), strict=True):
            container = samples.containers[row]
            if self._counts(container.namespace, container.pod, container.container):
                self._pressure.setdefault(samples.reason, set()).add(step)

    def build(self, resource: Resource) -> UsageCurve:
        """The curve of *resource*; without samples if there are none."""
        pods = [values for (kind, _), values in sorted(self._pods.items()) if kind is resource]
        matrix = np.stack(pods) if pods else np.empty((0, len(self.steps)))
        usable = np.isfinite(matrix)
        times = np.broadcast_to(np.arange(self.steps.first, self.steps.last + 1) * STEP_SECONDS, matrix.shape)
        return UsageCurve(
            resource,
            self.steps,
            times[usable].astype(np.float64),
            matrix[usable],
            {kind: sorted(self._pressure[kind]) for kind in PRESSURES_OF[resource] if kind in self._pressure},
        )

    def _counts(self, namespace: str, pod: str, container: str) -> bool:
        if namespace != self.workload.namespace or (self.containers and container not in self.containers):
            return False
        return self.attribute(namespace, pod) == self.workload


def mean_of_pods(
    samples: Iterable[ContainerSamples], attribute: Attribute
) -> dict[Workload, dict[Resource, float]]:
    """The mean usage of a Pod of each workload, over the steps of *samples* in which it ran."""
    means: dict[tuple[Workload, Resource], dict[str, list[float]]] = {}
    for part in samples:
        pods: dict[tuple[str, str], FloatArray] = {}
        for container, values in zip(part.containers, part.values, strict=True):
            pod = pods.setdefault((container.namespace, container.pod), np.full(len(values), np.nan))
            _add(pod, values)
        for (namespace, name), values in pods.items():
            usable = values[np.isfinite(values)]
            workload = attribute(namespace, name) if len(usable) else None
            if workload:
                by_pod = means.setdefault((workload, part.resource), {})
                by_pod.setdefault(name, []).extend(usable.tolist())
    found: dict[Workload, dict[Resource, float]] = {}
    for (workload, resource), by_pod in means.items():
        amounts = [fmean(values) for values in by_pod.values()]
        found.setdefault(workload, {})[resource] = fmean(amounts)
    return found


def _add(total: FloatArray, values: FloatArray) -> None:
    """Adds *values* in place; what is missing counts as 0 beside what is not."""
    usable = np.isfinite(values)
    total[usable] = np.nan_to_num(total[usable]) + values[usable]
