"""`job-profiler export quota`: what the Pods of a namespace need together, as an object to apply."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import typer
import yaml

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.clusters import opened
from app.command_line.terminal import print_error, run
from app.command_line.workload_names import one_namespace
from app.decisions.figures import WorkloadFigures, read_workloads
from app.decisions.pod_counts import PodCounts, maxima_of, pod_counts
from app.decisions.quotas import (
    NamespaceDemand,
    PodDemand,
    QuotaForm,
    pod_demand,
    pod_level_amounts,
    resource_quota,
    resource_slice,
)
from app.decisions.templates import WorkloadObject, new_pod
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import RESOURCE_NAMES, format_quantity
from app.domain.workloads import CRON_JOB, Workload
from app.errors import ProfilerError, SettingsError
from app.kubernetes.list_options import Object
from app.kubernetes.workloads import WORKLOAD_KINDS
from app.rightsizing.amounts import PodAmounts, read_amounts
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.task_group import task_group
from app.webhook.pod_resources import TooManyContainersError, UnreadableResourcesError, read_resources

_LISTED_KINDS = frozenset((*WORKLOAD_KINDS, CRON_JOB))
_CLUSTER_ID = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,49}[a-z0-9])?"
)  # with `liqo-tenant-`, the name of a namespace


@dataclass(frozen=True, slots=True)
class QuotaQuestion:
    """What the command was asked for: a form, the Liqo cluster that provides, and the risk of the needs."""

    form: str
    provider: str
    risk: RiskLevel | None

    def check(self) -> None:
        """Raises SettingsError if an option has no such value."""
        faults = []
        if self.form not in set(QuotaForm):
            faults.append(f"--output is {self.form!r}: use resource-quota or resource-slice")
        elif self.provider and self.form != QuotaForm.RESOURCE_SLICE:
            faults.append("--provider is for --output resource-slice")
        if self.provider and not _CLUSTER_ID.fullmatch(self.provider):
            faults.append(f"--provider is {self.provider!r}: use the ID of a Liqo cluster, such as milan")
        if faults:
            raise SettingsError(faults)


def quota_and_print(settings: Settings, access: ClusterAccess, question: QuotaQuestion) -> None:
    """Prints the object, and on standard error what it does not say.

    Raises:
        ProfilerError: no workload in the namespace has a profile.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    question.check()
    demand = run(_demand(settings, access, question.risk))
    if question.form == QuotaForm.RESOURCE_SLICE:
        document = resource_slice(demand, question.provider)
    else:
        document = resource_quota(demand)
    typer.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
    for line in _sentences(demand, question):
        print_error(line)


async def _demand(settings: Settings, access: ClusterAccess, risk: RiskLevel | None) -> NamespaceDemand:
    async with opened(settings, access) as objects:
        namespace = one_namespace(objects.namespaces)
        async with task_group() as tasks:
            profiles = tasks.create_task(objects.profiles())
            workloads = tasks.create_task(objects.workloads())
            autoscalers = tasks.create_task(objects.horizontal_autoscalers())
            limit_ranges = tasks.create_task(objects.limit_ranges())
        manifests = [one for listed in profiles.result().values() for one in listed]
        figures = {
            one.workload: one
            for one in read_workloads(manifests, risk)
            if one.workload.namespace == namespace
        }
        if not figures:
            raise ProfilerError(
                f"no workload of namespace {namespace} has a profile: see job-profiler status"
            )
        maxima = maxima_of(autoscalers.result())
        found = {one.workload: one for one in workloads.result()}
        demands = [
            pod_demand(
                workload,
                pod_counts(one, maxima),
                figures.get(workload),
                _amounts(pod := new_pod(one, limit_ranges.result())),
                pod_level_amounts(pod),
            )
            for workload, one in found.items()
        ]
        demands += _of_other_kinds(figures, found, objects)
        for note in objects.notes:
            print_error(note)
        return NamespaceDemand(namespace, demands)


def _of_other_kinds(
    figures: dict[Workload, WorkloadFigures], found: dict[Workload, WorkloadObject], objects: ClusterObjects
) -> Iterator[PodDemand]:
    """The demands of workloads that are not listed, by the replicas in their profiles.

    A workload of a kind that was listed is gone.
    """
    for workload, one in figures.items():
        if workload in found or (workload.kind in _LISTED_KINDS and not objects.notes):
            continue
        counts = PodCounts(one.replicas or 0, one.replicas or 0)
        empty: dict[Resource, PodAmounts] = dict.fromkeys(Resource, ())
        yield pod_demand(workload, counts, one, empty)


def _amounts(pod: Object) -> dict[Resource, PodAmounts]:
    """The amounts of a Pod's containers; none if they can't be read."""
    try:
        resources = read_resources(msgspec.Raw(msgspec.json.encode(pod["spec"])))
        return {resource: read_amounts(resources, resource) for resource in Resource}
    except (UnreadableResourcesError, TooManyContainersError, ValueError):
        return dict.fromkeys(Resource, ())


def _sentences(demand: NamespaceDemand, question: QuotaQuestion) -> Iterator[str]:
    """What the object does not say: other numbers of replicas, and whose Pods a quota would refuse."""
    running = [one for one in demand.demands if one.counts.now]
    for one in running:
        if one.unprofiled:
            yield f"{one.workload} has no profile of {_names(one.unprofiled)}: its requests count"
        if one.unknown:
            yield f"{one.workload} does not count: neither need nor request of {_names(one.unknown)} is known"
    scaled = [one for one in running if one.counts.at_most > one.counts.now]
    if scaled:
        names = ", ".join(f"{one.workload} {one.counts.now}→{one.counts.at_most}" for one in scaled)
        total = _listed({resource: demand.at_most(resource) for resource in Resource})
        yield f"with each HorizontalPodAutoscaler at its maximum ({names}): {total}"
    if any(one.counts.surge for one in running):
        total = _listed({resource: demand.surge(resource) for resource in Resource})
        yield f"a roll-out of all Deployments at once needs {total} more (maxSurge)"
    if question.form == QuotaForm.RESOURCE_QUOTA:
        yield from _refusals(demand, running)
    elif not question.provider:
        yield "name the Liqo cluster that provides with --provider, for labels and tenant namespace"


def _refusals(demand: NamespaceDemand, running: list[PodDemand]) -> Iterator[str]:
    for resource in Resource:
        requested, need = demand.requested(resource), demand.total(resource)
        if requested > need:
            yield (
                f"Pods request {_listed({resource: requested})} now, more than this quota: it refuses new"
                f" ones until requests follow the needs (job-profiler plan -n {demand.namespace})"
            )
    if lacking := [str(one.workload) for one in running if one.without_request]:
        yield (
            "a quota refuses Pods with a container without request, unless a LimitRange or the webhook sets"
            f" one: those of {', '.join(lacking)}"
        )


def _listed(amounts: Mapping[Resource, Decimal]) -> str:
    parts = (
        f"{format_quantity(resource, amount)} {RESOURCE_NAMES[resource]}"
        for resource, amount in amounts.items()
    )
    return ", ".join(parts)


def _names(resources: tuple[Resource, ...]) -> str:
    return " and ".join(RESOURCE_NAMES[resource] for resource in resources)
