"""The usage of workloads for a page: now, and over the last days for one of them."""

from collections.abc import Collection, Mapping, Sequence

from app.backtest.collecting import read_samples
from app.command_line.prometheus_access import Reached
from app.command_line.recorded_usage import UsageInput
from app.dashboard.curves import CURVE_DAYS, Attribute, CurvesBuilder, UsageCurve, mean_of_pods
from app.domain.profiles import Resource
from app.domain.run_names import new_groups
from app.domain.workloads import NAMED_KINDS, Workload
from app.history.samples import STEPS_PER_DAY, PastOwners, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.settings.environment import Settings
from app.sources.queries import escape_label_value, escape_regex

_NEWEST_STEPS = 3
# Kubernetes cuts the name of an owner in the name of a Pod, but never so short.
_KEPT_CHARACTERS = 40


async def read_usage(usage: UsageInput, known: Collection[Workload]) -> dict[Workload, dict[Resource, float]]:
    """The mean usage of a Pod of each workload in the last 15 minutes."""
    newest = StepRange(max(usage.steps.last - _NEWEST_STEPS + 1, usage.steps.first), usage.steps.last)
    attribute = attributor(await usage.source.pod_owners(newest), known)
    samples = [part for resource in Resource async for part in read_samples(usage.source, resource, newest)]
    return mean_of_pods(samples, attribute)


async def read_curves(
    usage: UsageInput,
    containers: Mapping[Workload, Collection[str]],
    *,
    with_pressure: bool,
) -> dict[Workload, dict[Resource, UsageCurve]]:
    """The curves of the workloads, of the *containers* of each that are named, of all if none are."""
    steps = StepRange(
        max(usage.steps.last - CURVE_DAYS * STEPS_PER_DAY + 1, usage.steps.first), usage.steps.last
    )
    attribute = attributor(await usage.source.pod_owners(steps), containers)
    builder = CurvesBuilder(containers, steps, attribute)
    for resource in Resource:
        async for samples in read_samples(usage.source, resource, steps):
            builder.add(samples)
        if not with_pressure:
            continue
        async for parts in usage.source.pressure_samples(resource, steps):
            for part in parts:
                builder.add_pressure(part)
    return builder.build()


def attributor(owners: PastOwners, known: Collection[Workload]) -> Attribute:
    """The workload of a Pod, by its namespace and name; runs count for their group."""
    attribution = Attribution(ClusterSnapshot(), owners.workloads, incomplete_owners=owners.incomplete)
    groups = new_groups(sorted(set(owners.workloads.values())), frozenset(known))

    def attribute(namespace: str, pod: str) -> Workload | None:
        workload = attribution(namespace, pod)
        return groups.get(workload, workload) if workload else None

    return attribute


def narrowed(reached: Reached, workloads: Sequence[Workload]) -> Settings:
    """The settings that read the namespaces of *workloads* only, and no Pods that can't be theirs.

    The names of Pods of most kinds begin with that of their workload; other kinds need all Pods.
    """
    settings = reached.settings
    namespaces = tuple(sorted({one.namespace for one in workloads}))
    matchers = [settings.container_metrics_matcher] if settings.container_metrics_matcher else []
    if all(one.kind in NAMED_KINDS for one in workloads):
        names = "|".join(f"{escape_regex(one.name[:_KEPT_CHARACTERS])}.*" for one in workloads)
        matchers.append(f'pod=~"{escape_label_value(names)}"')
    return settings.model_copy(
        update={
            "profiling_namespace": namespaces,
            "profiling_namespace_selector": "",
            "container_metrics_matcher": ",".join(matchers),
        }
    )
