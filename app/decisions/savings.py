"""Savings: what workloads request beyond their need, and what they need beyond their request.

The difference of a workload is (request - need) of one replica times its replicas. A cost is per month.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from app.decisions.figures import ZERO, ReplicaFigures, WorkloadFigures
from app.decisions.scaling_targets import HorizontalAutoscaler, ScalingPair, pairs
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.governors import Governor

GIBIBYTE = Decimal(1024**3)
UNITS = {Resource.CPU: Decimal(1), Resource.MEMORY: GIBIBYTE}
_NOBODY: Mapping[tuple[str, Workload], Sequence[Governor]] = {}


class SortKey(StrEnum):
    """What the largest of comes first."""

    CPU = "cpu"
    MEMORY = "memory"
    MONEY = "money"
    RISK = "risk"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a core and of a GiB for a month; None if it is not given."""

    cpu: Decimal | None = None
    memory: Decimal | None = None

    @property
    def are_given(self) -> bool:
        """True if there is any price, so that money can be shown."""
        return self.cpu is not None or self.memory is not None

    def of(self, resource: Resource, amount: Decimal) -> Decimal:
        """The price of *amount* cores or bytes for a month; 0 without a price."""
        price = self.cpu if resource is Resource.CPU else self.memory
        return (price or ZERO) * amount / UNITS[resource]


@dataclass(frozen=True, slots=True)
class ResourceSaving:
    """One resource of one workload; `difference` is over all replicas, and negative if it needs more.

    `limits_below` are the containers with a limit that is less than their need.
    """

    need: Decimal
    request: Decimal | None
    difference: Decimal
    limits_below: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadSaving:
    """One workload; `governors` are the autoscalers that set its requests or act on them.

    `policy` says what annotations do, in words.
    """

    cluster: str
    workload: Workload
    replicas: int
    resources: Mapping[Resource, ResourceSaving]
    governors: Sequence[Governor] = ()
    policy: Sequence[str] = ()
    scaling: Sequence[ScalingPair] = ()

    def difference(self, resource: Resource) -> Decimal:
        """The amount that could be saved; negative if it is missing."""
        saving = self.resources.get(resource)
        return saving.difference if saving else ZERO

    def money(self, prices: Prices) -> Decimal:
        """The price of the differences for a month."""
        return sum((prices.of(resource, self.difference(resource)) for resource in Resource), ZERO)

    @property
    def risk(self) -> Decimal:
        """The largest share of a need that is not requested, from 0 to 1; a limit below the need adds 1."""
        shares = [
            max(saving.need - (saving.request or ZERO), ZERO) / saving.need + bool(saving.limits_below)
            for saving in self.resources.values()
            if saving.need
        ]
        return max(shares, default=ZERO)

    @property
    def limits_below(self) -> tuple[str, ...]:
        """`container (resource)` for each limit that is below the need."""
        return tuple(
            f"{container} ({resource})"
            for resource, saving in self.resources.items()
            for container in saving.limits_below
        )


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of one resource over workloads and replicas, in cores or bytes.

    `over` is what is requested beyond needs, `under` what is needed beyond requests: they don't cancel out.
    """

    requested: Decimal = ZERO
    needed: Decimal = ZERO
    over: Decimal = ZERO
    under: Decimal = ZERO

    def __add__(self, other: "Total") -> "Total":
        return Total(
            self.requested + other.requested,
            self.needed + other.needed,
            self.over + other.over,
            self.under + other.under,
        )

    @property
    def over_share(self) -> Decimal:
        """The share of the requests that is beyond needs."""
        return self.over / self.requested if self.requested else ZERO


@dataclass(frozen=True, slots=True)
class Group:
    """The totals of the workloads of a namespace or of a cluster."""

    cluster: str
    namespace: str
    workloads: int
    totals: Mapping[Resource, Total]

    def money(self, prices: Prices) -> tuple[Decimal, Decimal]:
        """The price of what is requested beyond needs, and of what is needed beyond requests."""
        pairs = self.totals.items()
        over = sum((prices.of(resource, total.over) for resource, total in pairs), ZERO)
        return over, sum((prices.of(resource, total.under) for resource, total in pairs), ZERO)


@dataclass(frozen=True, slots=True)
class Savings:
    """The savings of all workloads; `unknown` are those whose requests or replicas are not known."""

    workloads: Sequence[WorkloadSaving]
    unknown: Sequence[tuple[str, Workload]] = ()
    ignored: int = 0

    def over(self) -> list[WorkloadSaving]:
        """Those that request more than they need of any resource."""
        return [each for each in self.workloads if any(each.difference(one) > 0 for one in Resource)]

    def under(self) -> list[WorkloadSaving]:
        """Those that need more than they request of any resource, or have a limit below their need."""
        return [
            each
            for each in self.workloads
            if each.limits_below or any(each.difference(one) < 0 for one in Resource)
        ]

    def by_namespace(self) -> list[Group]:
        """The totals of each namespace of each cluster."""
        return _groups(self.workloads, lambda each: (each.cluster, each.workload.namespace))

    def by_cluster(self) -> list[Group]:
        """The totals of each cluster."""
        return _groups(self.workloads, lambda each: (each.cluster, ""))

    def total(self) -> Group:
        """The totals of all clusters."""
        (group,) = _groups(self.workloads, lambda _: ("", "")) or [Group("", "", 0, _totals(()))]
        return group


@dataclass(frozen=True, slots=True)
class Ignored:
    """Workloads to leave out: patterns of `NAMESPACE/NAME`, or of a namespace, with `*` and `?`."""

    patterns: Sequence[str] = field(default_factory=tuple)

    def __contains__(self, workload: Workload) -> bool:
        name = f"{workload.namespace}/{workload.name}"
        return any(
            fnmatchcase(name, pattern) or fnmatchcase(workload.namespace, pattern)
            for pattern in self.patterns
        )


def savings(
    workloads: Iterable[WorkloadFigures],
    governors: Mapping[tuple[str, Workload], Sequence[Governor]] = _NOBODY,
    ignored: Collection[Workload] | Ignored = (),
    scaling: Mapping[tuple[str, Workload], Sequence[HorizontalAutoscaler]] = MappingProxyType({}),
) -> Savings:
    """The savings of *workloads*.

    *governors* has the autoscalers by cluster and workload, and *scaling* those with targets on requests.
    """
    found: list[WorkloadSaving] = []
    unknown: list[tuple[str, Workload]] = []
    left_out = 0
    for each in workloads:
        if each.workload in ignored:
            left_out += 1
        elif not each.has_template or each.replicas is None:
            unknown.append((each.cluster, each.workload))
        else:
            place = each.cluster, each.workload
            saving = _saving(each, each.replicas, governors.get(place, ()))
            found.append(replace(saving, scaling=_scaling(each, scaling.get(place, ()))))
    return Savings(found, unknown, left_out)


def _saving(each: WorkloadFigures, replicas: int, governors: Sequence[Governor]) -> WorkloadSaving:
    resources = {resource: _of_resource(amounts, replicas) for resource, amounts in each.amounts.items()}
    return WorkloadSaving(each.cluster, each.workload, replicas, resources, governors, each.policy)


def _scaling(each: WorkloadFigures, autoscalers: Sequence[HorizontalAutoscaler]) -> list[ScalingPair]:
    """The pairs of requests that are the needs; containers without a known request are not counted."""
    containers = {resource: amounts.containers for resource, amounts in each.amounts.items()}
    requests = {
        resource: {one.name: (one.request, one.need) for one in several if one.request}
        for resource, several in containers.items()
    }
    added = {one.name for several in containers.values() for one in several if one.request is None}
    return pairs(autoscalers, requests, sorted(added))


def _of_resource(amounts: ReplicaFigures, replicas: int) -> ResourceSaving:
    below = tuple(
        container.name
        for container in amounts.containers
        if container.limit is not None and container.limit < container.need
    )
    difference = ((amounts.request or ZERO) - amounts.need) * replicas
    return ResourceSaving(amounts.need, amounts.request, difference, below)


def in_order(workloads: Iterable[WorkloadSaving], key: SortKey, prices: Prices) -> list[WorkloadSaving]:
    """*workloads* with the largest first, whether over or under; those that are equal by name."""
    measures: Mapping[SortKey, Callable[[WorkloadSaving], Decimal]] = {
        SortKey.CPU: lambda each: abs(each.difference(Resource.CPU)),
        SortKey.MEMORY: lambda each: abs(each.difference(Resource.MEMORY)),
        SortKey.MONEY: lambda each: abs(each.money(prices)),
        SortKey.RISK: lambda each: each.risk,
    }
    measure = measures[key]
    return sorted(workloads, key=lambda each: (-measure(each), each.cluster, each.workload))


def _groups(
    workloads: Iterable[WorkloadSaving], key: Callable[[WorkloadSaving], tuple[str, str]]
) -> list[Group]:
    members: dict[tuple[str, str], list[WorkloadSaving]] = {}
    for each in workloads:
        members.setdefault(key(each), []).append(each)
    return [
        Group(cluster, namespace, len(group), _totals(group))
        for (cluster, namespace), group in sorted(members.items())
    ]


def _totals(workloads: Iterable[WorkloadSaving]) -> dict[Resource, Total]:
    totals = dict.fromkeys(Resource, Total())
    for each in workloads:
        for resource, saving in each.resources.items():
            totals[resource] += Total(
                (saving.request or ZERO) * each.replicas,
                saving.need * each.replicas,
                max(saving.difference, ZERO),
                max(-saving.difference, ZERO),
            )
    return totals
