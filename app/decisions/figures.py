"""Need, request, limit and replicas of workloads, from the manifests of their CPU and memory profiles."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.domain.custom_resources import KINDS, from_manifest
from app.domain.policy_words import policy_effects
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import amount_in
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.workload_policy import policy_in
from app.domain.workloads import Workload

ZERO = Decimal(0)
Manifest = Mapping[str, Any]
RESOURCES = {KINDS[resource.profile_kind].kind: resource for resource in Resource}


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """The need of one container in one resource, in cores or bytes; None if there is no such amount."""

    name: str
    need: Decimal
    request: Decimal | None = None
    limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReplicaFigures:
    """One resource of one replica: the need, and what the Pod template asks for.

    Without a `request` the scheduler reserves nothing. There is a `limit` if each container has one. If Pods
    of the workload differ, the need is that of the largest, and the containers do not add up to it.
    """

    need: Decimal
    request: Decimal | None = None
    limit: Decimal | None = None
    containers: tuple[ContainerFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadFigures:
    """All amounts of one workload; `cluster` is empty if there is only one.

    `replicas` is None if it is not known, as of what runs to completion; `has_template` is False if its
    requests are not known, which is not the same as none. `policy` says what annotations do, in words.
    """

    workload: Workload
    amounts: Mapping[Resource, ReplicaFigures] = field(default_factory=dict)
    replicas: int | None = None
    has_template: bool = False
    cluster: str = ""
    policy: Sequence[str] = ()


def read_workloads(
    manifests: Iterable[Manifest], risk: RiskLevel | None = None, cluster: str = ""
) -> list[WorkloadFigures]:
    """The workloads of the profiles in *manifests*, sorted; with *risk*, needs are those at that level.

    People can edit objects: a profile without a readable need is left out.
    """
    by_workload: dict[Workload, dict[Resource, Manifest]] = {}
    for manifest in manifests:
        resource = RESOURCES.get(text_in(manifest.get("kind")))
        profile = from_manifest(resource.profile_kind, manifest, with_last_write=False) if resource else None
        if resource and profile and isinstance(profile.subject, Workload):
            by_workload.setdefault(profile.subject, {})[resource] = manifest
    return [_workload(workload, by_workload[workload], risk, cluster) for workload in sorted(by_workload)]


def _workload(
    workload: Workload, manifests: Mapping[Resource, Manifest], risk: RiskLevel | None, cluster: str
) -> WorkloadFigures:
    statuses = {resource: mapping_in(manifest.get("status")) for resource, manifest in manifests.items()}
    replicas = [
        count
        for status in statuses.values()
        if isinstance(count := mapping_in(status.get("replicas")).get("desired"), int)
    ]
    read = {
        resource: _replica(resource, manifest, statuses[resource], risk)
        for resource, manifest in manifests.items()
    }
    amounts = {resource: one for resource, one in read.items() if one}
    return WorkloadFigures(
        workload,
        amounts,
        max(replicas, default=None),
        has_template=bool(replicas) or any("request" in status for status in statuses.values()),
        cluster=cluster,
        policy=tuple(_policy(workload, manifests, amounts, risk)),
    )


def _policy(
    workload: Workload,
    manifests: Mapping[Resource, Manifest],
    amounts: Mapping[Resource, ReplicaFigures],
    risk: RiskLevel | None,
) -> Iterator[str]:
    """What annotations do; needs that are at *risk* are not at the level that an annotation sets."""
    policies = {resource: policy_in(manifests[resource]) for resource in amounts}
    if risk:
        policies = {resource: policy.without_risk() for resource, policy in policies.items()}
    needs = {
        resource: {container.name: container.need for container in one.containers}
        for resource, one in amounts.items()
    }
    return policy_effects(workload, policies, needs)


def _replica(
    resource: Resource, manifest: Manifest, status: Manifest, risk: RiskLevel | None
) -> ReplicaFigures | None:
    """The amounts in a profile; None without a need."""
    spec = mapping_in(mapping_in(manifest.get("spec")).get(KINDS[resource.profile_kind].spec_field))
    need = amount_in(spec.get("value"))
    if need is None:
        return None
    containers = tuple(filter(None, map(_reader(risk), map(mapping_in, list_in(status.get("containers"))))))
    if risk:
        need = at_risk(need, containers, list_in(status.get("containers")))
    stated = amount_in(status.get("limit"))
    return ReplicaFigures(
        need,
        amount_in(status.get("request")),
        _limit_of_all(containers) if stated is None else stated,
        containers,
    )


def _limit_of_all(containers: Iterable[ContainerFigures]) -> Decimal | None:
    """The sum of the limits; None if a container has none, or if there are no containers."""
    limits = [container.limit for container in containers]
    known = [limit for limit in limits if limit is not None]
    return sum(known, ZERO) if known and len(known) == len(limits) else None


def _reader(risk: RiskLevel | None) -> Callable[[Mapping[str, Any]], ContainerFigures | None]:
    def read(item: Mapping[str, Any]) -> ContainerFigures | None:
        name, need = text_in(item.get("name")), amount_in(value_at(item, risk))
        if not name or need is None:
            return None
        return ContainerFigures(name, need, amount_in(item.get("request")), amount_in(item.get("limit")))

    return read


def value_at(container: Mapping[str, Any], risk: RiskLevel | None) -> object:
    """The need of an entry of `status.containers` at *risk*; its own value if that is not stored."""
    stored = mapping_in(container.get("values")).get(risk.value) if risk else None
    return stored or container.get("value")


def at_risk(need: Decimal, containers: Iterable[ContainerFigures], listed: Iterable[object]) -> Decimal:
    """The need of a replica, *need*, if its containers have other needs than the listed values.

    It changes in the proportion of the sums: of Pods that differ, only the largest counts in *need*.
    """
    stored = sum((amount_in(mapping_in(item).get("value")) or ZERO for item in listed), ZERO)
    chosen = sum((container.need for container in containers), ZERO)
    return need * chosen / stored if stored else need


def float_in(value: object) -> float | None:
    """The number in a quantity, for rates; None if it is none, negative or infinite."""
    number = amount_in(value)
    return None if number is None else float(number)
