"""What the Pods of a namespace need together, as a ResourceQuota or a Liqo ResourceSlice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from app.decisions.figures import ZERO, ReplicaFigures, WorkloadFigures
from app.decisions.pod_counts import PodCounts
from app.domain.profiles import Resource
from app.domain.quantities import amount_in, format_quantity
from app.domain.untyped import mapping_in
from app.domain.workloads import Workload
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, round_up

TENANT_NAMESPACE = "liqo-tenant-{provider}"  # liqotech/liqo v1.2.0, pkg/tenantNamespace
# Values are rounded in profiles, one by one: their sum differs from that of the Pod by less than this share.
_ROUNDING = Decimal("1.01")
Amounts = Mapping[Resource, Decimal]


class QuotaForm(StrEnum):
    """The values of the option `-o` of `export quota`."""

    RESOURCE_QUOTA = "resource-quota"
    RESOURCE_SLICE = "resource-slice"


@dataclass(frozen=True, slots=True)
class PodDemand:
    """What the Pods of one workload request at their need.

    `amounts` are those of one Pod. The `unprofiled` resources have the requests of the template, since the
    need is not known, and the `unknown` ones have neither. `requests` are those that one Pod has now, and
    `without_request` the containers that lack one.
    """

    workload: Workload
    counts: PodCounts
    amounts: Amounts
    requests: Amounts
    unprofiled: tuple[Resource, ...] = ()
    unknown: tuple[Resource, ...] = ()
    without_request: tuple[str, ...] = ()


class PodLevelAmounts(NamedTuple):
    """The amounts in a Pod's own `spec.resources`."""

    requests: Amounts
    limits: Amounts


_NO_POD_LEVEL = PodLevelAmounts({}, {})


def pod_level_amounts(pod: Mapping[str, Any]) -> PodLevelAmounts:
    """Those of *pod*; what is no quantity counts as absent."""
    resources = mapping_in(mapping_in(pod.get("spec")).get("resources"))
    written = (mapping_in(resources.get(member)) for member in PodLevelAmounts._fields)
    read = ({one: amount_in(amounts.get(one.value)) for one in Resource} for amounts in written)
    return PodLevelAmounts(*({one: found for one, found in each.items() if found} for each in read))


def pod_demand(
    workload: Workload,
    counts: PodCounts,
    figures: WorkloadFigures | None,
    pod: Mapping[Resource, PodAmounts],
    pod_level: PodLevelAmounts = _NO_POD_LEVEL,
) -> PodDemand:
    """The demand of a workload by its *figures*, if it has a profile, and the amounts in its *pod*.

    Requests of the Pod as a whole count in place of those of its containers, and its limits in place of none.
    """
    amounts, requests, unprofiled, unknown = {}, {}, [], []
    for resource, containers in pod.items():
        whole, limit = (stated.get(resource, ZERO) for stated in pod_level)
        requested = whole or _of_pod(containers, {}) or limit
        if requested:
            requests[resource] = requested
        needed = figures.amounts.get(resource) if figures else None
        if needed:
            needs = {one.name: round_up(resource, one.need) for one in needed.containers}
            amounts[resource] = max(_long_running(resource, needed), _of_init_containers(containers, needs))
        elif requested:
            amounts[resource] = requested
            unprofiled.append(resource)
        else:
            unknown.append(resource)
    lacking = {
        one.name
        for resource, containers in pod.items()
        for one in containers
        if one.request is None and not any(resource in stated for stated in pod_level)
    }
    return PodDemand(
        workload, counts, amounts, requests, tuple(unprofiled), tuple(unknown), tuple(sorted(lacking))
    )


def _long_running(resource: Resource, needed: ReplicaFigures) -> Decimal:
    """The need of one Pod, with each container's rounded up as its request would be.

    If Pods of the workload differ, the need is that of the largest: the containers don't add up to it.
    """
    total = sum((one.need for one in needed.containers), ZERO)
    if not needed.containers or total > needed.need * _ROUNDING:
        return round_up(resource, needed.need)
    return sum((round_up(resource, one.need) for one in needed.containers), ZERO)


def _of_pod(containers: Iterable[ContainerAmounts], needs: Mapping[str, Decimal]) -> Decimal:
    """What the API server counts for a Pod: its containers and sidecars, or an init container if larger."""
    long_running = (_amount(one, needs) for one in containers if one.is_long_running)
    return max(sum(long_running, ZERO), _of_init_containers(containers, needs))


def _of_init_containers(containers: Iterable[ContainerAmounts], needs: Mapping[str, Decimal]) -> Decimal:
    """The largest sum while the Pod starts: an init container runs beside the sidecars before it."""
    largest = sidecars = ZERO
    for one in containers:
        if one.group != "initContainers":
            continue
        if one.is_long_running:
            sidecars += _amount(one, needs)
        else:
            largest = max(largest, sidecars + (one.request or ZERO))
    return largest


def _amount(one: ContainerAmounts, needs: Mapping[str, Decimal]) -> Decimal:
    return needs.get(one.name, one.request or ZERO)


@dataclass(frozen=True, slots=True)
class NamespaceDemand:
    """The demands of the workloads of a namespace."""

    namespace: str
    demands: Sequence[PodDemand]

    def total(self, resource: Resource) -> Decimal:
        """The need of all Pods at the replicas of now."""
        return self._sum((one.amounts.get(resource, ZERO), one.counts.now) for one in self.demands)

    def requested(self, resource: Resource) -> Decimal:
        """The requests of all Pods, as the templates have them now."""
        return self._sum((one.requests.get(resource, ZERO), one.counts.now) for one in self.demands)

    def at_most(self, resource: Resource) -> Decimal:
        """The need with each HorizontalPodAutoscaler at its maximum."""
        return self._sum((one.amounts.get(resource, ZERO), one.counts.at_most) for one in self.demands)

    def surge(self, resource: Resource) -> Decimal:
        """The need of the Pods that roll-outs of all workloads create beside the old ones."""
        return self._sum((one.amounts.get(resource, ZERO), one.counts.surge) for one in self.demands)

    @property
    def pods(self) -> int:
        """The number of Pods at the replicas of now."""
        return sum(one.counts.now for one in self.demands)

    def _sum(self, parts: Iterable[tuple[Decimal, int]]) -> Decimal:
        return sum((amount * pods for amount, pods in parts), ZERO)


def resource_quota(demand: NamespaceDemand) -> dict[str, Any]:
    """A ResourceQuota on requests."""
    hard = {
        f"requests.{resource}": format_quantity(resource, demand.total(resource)) for resource in Resource
    }
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "job-profiler-need", "namespace": demand.namespace},
        "spec": {"hard": hard},
    }


def resource_slice(demand: NamespaceDemand, provider: str) -> dict[str, Any]:
    """A ResourceSlice, with the labels, the annotation and the namespace that `liqoctl` gives it.

    The fields are those of liqotech/liqo v1.2.0: apis/authentication/v1beta1/resourceslice_types.go and
    pkg/liqo-controller-manager/authentication/forge/resourceslice.go. Without a *provider* only the resources
    are stated.
    """
    resources = {resource.value: format_quantity(resource, demand.total(resource)) for resource in Resource}
    metadata: dict[str, Any] = {"name": demand.namespace}
    spec: dict[str, Any] = {"class": "default", "resources": resources | {"pods": str(demand.pods)}}
    if provider:
        metadata["namespace"] = TENANT_NAMESPACE.format(provider=provider)
        metadata["labels"] = {
            "liqo.io/replication": "true",
            "liqo.io/remoteID": provider,
            "liqo.io/remote-cluster-id": provider,
        }
        metadata["annotations"] = {"liqo.io/create-virtual-node": "true"}
        spec["providerClusterID"] = provider
    return {
        "apiVersion": "authentication.liqo.io/v1beta1",
        "kind": "ResourceSlice",
        "metadata": metadata,
        "spec": spec,
    }
