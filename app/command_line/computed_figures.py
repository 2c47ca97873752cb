"""Figures that are computed now, from Prometheus or a history file, instead of read from stored profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.backtest.collecting import read_samples
from app.command_line.cluster_access import ClusterAccess
from app.command_line.profile import compute
from app.command_line.prometheus_access import reach_input
from app.command_line.recorded_usage import UsageInput
from app.command_line.usage_input import open_usage
from app.decisions.figures import WorkloadFigures, read_workloads
from app.decisions.observed import ObservedWorkload, with_observed
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.history.samples import StepRange
from app.kubernetes.list_options import Object
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.settings.environment import Settings

_NEWEST_STEPS = 2  # the samples of the last one may be late
_NO_LIMITS = "Limits are not known without a cluster."


@dataclass(frozen=True, slots=True)
class ComputedFigures:
    """The figures of the workloads that run, notes, and the profiles that they rest on.

    `reasons` say why other workloads have no profile.
    """

    figures: Sequence[WorkloadFigures]
    notes: Sequence[str]
    manifests: Sequence[Object]
    reasons: Mapping[str, str] = field(default_factory=dict)


async def computed_figures(
    settings: Settings, access: ClusterAccess, history: Path | None
) -> ComputedFigures:
    """The figures of the workloads that run.

    Raises:
        ProfilerError: a source failed, or has no usage.
    """
    async with reach_input(settings, access, history) as reached:
        report, manifests = await compute(reached, access, history, apply=False)
        if faults := [state.message for state in report.states if state.health.is_fault]:
            raise ProfilerError("; ".join(faults))
        figures = read_workloads(manifests)
        if all(each.has_template for each in figures):
            return ComputedFigures(figures, [], manifests, report.reasons)
        async with open_usage(reached, history, days=1, with_today=True) as usage:
            notes = [] if reached.uses_cluster else [_NO_LIMITS]
            observed = with_observed(figures, await observe(usage))
            return ComputedFigures(observed, notes, manifests, report.reasons)


async def observe(usage: UsageInput) -> Mapping[Workload, ObservedWorkload]:
    """The Pods of the newest steps, by workload, with their requests."""
    newest = StepRange(max(usage.steps.last - _NEWEST_STEPS + 1, usage.steps.first), usage.steps.last)
    owners = await usage.source.pod_owners(newest)
    attribution = Attribution(ClusterSnapshot(), owners.workloads, incomplete_owners=owners.incomplete)
    requested = await usage.requests.container_requests(usage.steps.last)
    observed: dict[Workload, ObservedWorkload] = {}
    async for samples in read_samples(usage.source, Resource.MEMORY, newest):
        for container, values in zip(samples.containers, samples.values, strict=True):
            workload = attribution(container.namespace, container.pod)
            if workload and usage.covers(container.namespace) and np.isfinite(values).any():
                pods = observed.setdefault(workload, ObservedWorkload()).pods
                pods.setdefault(container.pod, {})[container.container] = requested.get(container, {})
    return observed
