"""Requests, limits and replicas of a workload, as quantities that people read (`100m`, `128Mi`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContainerRequests:
    """The request and the limit of a container in one resource; empty if it has none."""

    name: str
    request: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class ResourceAmounts:
    """What a Pod template asks for in one resource; empty if there is no such amount.

    `request` and `limit` are those of one replica, over its long-running containers; without a limit for each
    of them the replica has none.
    """

    request: str = ""
    limit: str = ""
    containers: tuple[ContainerRequests, ...] = ()


NO_AMOUNTS = ResourceAmounts()


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """The amounts of one resource and the replicas of a workload; it has replicas if it runs for long."""

    amounts: ResourceAmounts = NO_AMOUNTS
    ready_replicas: int | None = None
    desired_replicas: int | None = None
