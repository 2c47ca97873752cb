"""Limits above which usage or a need is no measurement: no machine has as much; pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from app.domain.profiles import Identity, Profile, Resource, ResourceProfile
from app.domain.quantities import NEED_UNITS, format_need
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples

_SETTINGS = {Resource.CPU: "MAX_CPU_NEED", Resource.MEMORY: "MAX_MEMORY_NEED"}
_TIB = 2**40
# The reason of a workload without a profile; the amount, which changes, is named apart.
ABSURD_NEED = "AbsurdNeed: more than MAX_CPU_NEED or MAX_MEMORY_NEED is not published"


@dataclass(frozen=True, slots=True)
class NeedLimits:
    """The most that one container uses and one replica needs, in cores and in bytes."""

    cpu: float = 256.0
    memory: float = 6.0 * _TIB

    def of(self, resource: Resource) -> float:
        """The limit of one resource."""
        return self.cpu if resource is Resource.CPU else self.memory


@dataclass(frozen=True, slots=True, order=True)
class AbsurdNeed:
    """What was claimed of a workload: usage that is not kept, or a need that is not published."""

    workload: Workload
    resource: Resource
    amount: float
    limit: float

    @property
    def identity(self) -> Identity:
        """The profile that is not published."""
        return Identity(self.resource.profile_kind, self.workload)

    @property
    def reason(self) -> str:
        """The reason in a status report; the amount of the first cycle, so that reports stay equal."""
        unit = NEED_UNITS[self.resource]
        amounts = [f"{format_need(self.resource, amount)} {unit}" for amount in (self.amount, self.limit)]
        return f"AbsurdNeed: {self.resource} of {amounts[0]}, above {_SETTINGS[self.resource]} ({amounts[1]})"


def split_absurd_usage(
    samples: ContainerSamples, limits: NeedLimits, find_workload: Callable[[str, str], Workload | None]
) -> tuple[ContainerSamples, list[AbsurdNeed]]:
    """The samples without those above the limit, and the largest one of each workload that has such."""
    limit = limits.of(samples.resource)
    absurd = samples.values > limit  # False for NaN
    if not absurd.any():
        return samples, []
    largest: dict[Workload, float] = {}
    for row in np.flatnonzero(absurd.any(axis=1)).tolist():
        container = samples.containers[row]
        if workload := find_workload(container.namespace, container.pod):
            amount = float(samples.values[row][absurd[row]].max())
            largest[workload] = max(largest.get(workload, 0.0), amount)
    values = np.where(absurd, np.nan, samples.values)
    needs = [AbsurdNeed(workload, samples.resource, amount, limit) for workload, amount in largest.items()]
    return replace(samples, values=values), needs


def absurd_needs(profiles: Iterable[Profile], limits: NeedLimits) -> Iterator[AbsurdNeed]:
    """The CPU and memory profiles with a value above the limit."""
    for profile in profiles:
        if isinstance(profile, ResourceProfile) and float(profile.value) > limits.of(profile.resource):
            limit = limits.of(profile.resource)
            yield AbsurdNeed(profile.workload, profile.resource, float(profile.value), limit)


def without_absurd(profiles: list[Profile], absurd: Iterable[AbsurdNeed]) -> list[Profile]:
    """The profiles that may be published."""
    left_out = {need.identity for need in absurd}
    return [profile for profile in profiles if profile.identity not in left_out] if left_out else profiles
