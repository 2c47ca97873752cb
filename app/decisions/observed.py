"""Requests and replicas of workloads as a source of usage shows them, where no cluster is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from app.decisions.figures import ContainerFigures, ReplicaFigures, WorkloadFigures
from app.domain.profiles import Resource
from app.domain.workloads import Workload

Requests = Mapping[str, Mapping[Resource, float]]  # by the name of the container


@dataclass(slots=True)
class ObservedWorkload:
    """The Pods of a workload that ran at one moment, each with the requests of its containers."""

    pods: dict[str, dict[str, Mapping[Resource, float]]] = field(default_factory=dict)

    def request(self, resource: Resource) -> Decimal | None:
        """The largest request of a Pod; None if no container of any has one."""
        sums = [
            sum(amounts)
            for containers in self.pods.values()
            if (amounts := [one[resource] for one in containers.values() if resource in one])
        ]
        return _exact(resource, max(sums)) if sums else None

    def of_container(self, name: str, resource: Resource) -> Decimal | None:
        """The largest request of a container of this name; None if none has one."""
        amounts = [
            containers[name][resource]
            for containers in self.pods.values()
            if resource in containers.get(name, {})
        ]
        return _exact(resource, max(amounts)) if amounts else None


def with_observed(
    figures: Iterable[WorkloadFigures], observed: Mapping[Workload, ObservedWorkload]
) -> list[WorkloadFigures]:
    """*figures* with the observed requests and replicas; a workload of which no Pod runs has none."""
    return [_with(each, observed.get(each.workload)) for each in figures]


def _with(each: WorkloadFigures, seen: ObservedWorkload | None) -> WorkloadFigures:
    if seen is None or each.has_template:
        return each
    amounts = {resource: _replica(resource, one, seen) for resource, one in each.amounts.items()}
    has_requests = any(seen.request(resource) is not None for resource in Resource)
    return replace(each, amounts=amounts, replicas=len(seen.pods), has_template=has_requests)


def _replica(resource: Resource, replica: ReplicaFigures, seen: ObservedWorkload) -> ReplicaFigures:
    containers = tuple(_container(resource, one, seen) for one in replica.containers)
    return replace(replica, request=seen.request(resource), containers=containers)


def _container(resource: Resource, one: ContainerFigures, seen: ObservedWorkload) -> ContainerFigures:
    return replace(one, request=seen.of_container(one.name, resource))


def _exact(resource: Resource, amount: float) -> Decimal:
    """The amount without the noise of floats: millicores or bytes."""
    return Decimal(round(amount * 1000)) / 1000 if resource is Resource.CPU else Decimal(round(amount))
