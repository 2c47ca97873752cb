"""Requests, limits and replicas of workloads as their objects have them now: those in profiles are older."""

from collections.abc import Iterable
from dataclasses import replace

from app.decisions.figures import ContainerFigures, ReplicaFigures, WorkloadFigures
from app.domain.quantities import amount_in
from app.domain.workload_record import WorkloadRecord
from app.domain.workload_state import ContainerRequests, ResourceAmounts


def with_live(figures: Iterable[WorkloadFigures], records: Iterable[WorkloadRecord]) -> list[WorkloadFigures]:
    """*figures* with the amounts and replicas in *records*; a workload without a record keeps its own."""
    found = {one.workload: one for one in records}
    return [_with(each, found[each.workload]) if each.workload in found else each for each in figures]


def _with(each: WorkloadFigures, found: WorkloadRecord) -> WorkloadFigures:
    amounts = {resource: _replica(one, found.amounts.of(resource)) for resource, one in each.amounts.items()}
    return replace(each, amounts=amounts, replicas=found.desired_replicas, has_template=True)


def _replica(replica: ReplicaFigures, amounts: ResourceAmounts) -> ReplicaFigures:
    by_name = {one.name: one for one in amounts.containers}
    return replace(
        replica,
        request=amount_in(amounts.request),
        limit=amount_in(amounts.limit),
        containers=tuple(_container(one, by_name.get(one.name)) for one in replica.containers),
    )


def _container(figures: ContainerFigures, amounts: ContainerRequests | None) -> ContainerFigures:
    if amounts is None:
        return figures
    return replace(figures, request=amount_in(amounts.request), limit=amount_in(amounts.limit))
