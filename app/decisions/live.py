"""Requests, limits and replicas from the objects of workloads, for profiles that do not have them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from app.decisions.figures import ZERO, ContainerFigures, ReplicaFigures, WorkloadFigures
from app.decisions.templates import WorkloadObject
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.amounts import ContainerAmounts, read_amounts
from app.webhook.pod_resources import TooManyContainersError, UnreadableResourcesError, read_resources

Templates = Mapping[Workload, WorkloadObject]


def with_live(
    figures: Iterable[WorkloadFigures], workloads: Iterable[WorkloadObject]
) -> list[WorkloadFigures]:
    """*figures* with the amounts of the Pod templates, where a profile has none."""
    found = {one.workload: one for one in workloads}
    return [each if each.has_template else _with(each, found.get(each.workload)) for each in figures]


def _with(each: WorkloadFigures, found: WorkloadObject | None) -> WorkloadFigures:
    amounts = _amounts(found) if found else None
    if found is None or amounts is None:
        return each
    replicas = {resource: _replica(one, amounts[resource]) for resource, one in each.amounts.items()}
    return replace(each, amounts=replicas, replicas=found.replicas, has_template=True)


def _amounts(found: WorkloadObject) -> dict[Resource, list[ContainerAmounts]] | None:
    """The long-running containers of the template; None if they can't be read."""
    try:
        pod = read_resources(msgspec.Raw(msgspec.json.encode(found.template.get("spec") or {})))
        return {
            resource: [one for one in read_amounts(pod, resource) if one.is_long_running]
            for resource in Resource
        }
    except (UnreadableResourcesError, TooManyContainersError, ValueError):
        return None


def _replica(replica: ReplicaFigures, containers: list[ContainerAmounts]) -> ReplicaFigures:
    requests = [one.request for one in containers if one.request is not None]
    limits = [one.limit for one in containers if one.limit is not None]
    by_name = {one.name: one for one in containers}
    return replace(
        replica,
        request=sum(requests, ZERO) if requests else None,
        limit=sum(limits, ZERO) if limits and len(limits) == len(containers) else None,
        containers=tuple(_container(one, by_name.get(one.name)) for one in replica.containers),
    )


def _container(figures: ContainerFigures, amounts: ContainerAmounts | None) -> ContainerFigures:
    return replace(figures, request=amounts.request, limit=amounts.limit) if amounts else figures
