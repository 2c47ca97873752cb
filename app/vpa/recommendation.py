"""Recommendations for the containers of a VerticalPodAutoscaler's target, from its stored profiles.

A container's need comes from the profile, and goes through the bounds of annotations or settings, then those
of the `resourcePolicy`, then, for `RequestsOnly`, the container's limit. A resource whose profile has too low
a confidence is left out: the programs that read a recommendation do not look at conditions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.catalogue import ProfileCatalogue
from app.domain.container_roles import UNKNOWN_TEMPLATE, TemplateContainers
from app.domain.profile_lookup import profile_lookup_order
from app.domain.profiles import Identity, Resource, StoredProfile
from app.domain.quantities import amount_in
from app.domain.template_amounts import NO_TEMPLATE_AMOUNTS, TemplateAmounts
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.rightsizing.amounts import floor_to_unit, format_amount
from app.rightsizing.needs import ContainerNeeds, container_needs
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.sizing import wanted_range
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.bounds import NeedAtRisks, amounts_for, within
from app.vpa.container_policies import ContainerPolicy, policy_of
from app.vpa.status import ContainerRecommendation

_MAX_CONTAINERS = 100


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What is known of the target: its profiles, its template, and whether its object exists.

    `parent` is the workload that creates the target, which is the one to name.
    """

    profiles: Mapping[Resource, StoredProfile]
    template: TemplateContainers = UNKNOWN_TEMPLATE
    amounts: TemplateAmounts = NO_TEMPLATE_AMOUNTS
    is_missing: bool = False
    parent: Workload | None = None


def target_profiles(catalogue: ProfileCatalogue, target: Workload) -> tuple[StoredProfile | None, ...]:
    """The profile of each resource, in their order: the target's, or that of its like runs."""
    for workload in profile_lookup_order(target):
        found = tuple(catalogue.get(Identity(one.profile_kind, workload)) for one in Resource)
        if any(found):
            return found
    return tuple(None for _ in Resource)


def target_facts(
    profiles: Iterable[StoredProfile | None], record: WorkloadRecord | None, *, is_known: bool = True
) -> TargetFacts:
    """The facts from the profile of each resource and the target's object, *is_known* if it is listed."""
    found = {resource: one for resource, one in zip(Resource, profiles, strict=True) if one is not None}
    if record is None:
        return TargetFacts(found, is_missing=is_known)
    return TargetFacts(found, record.template, record.amounts, parent=record.cron_job)


@dataclass(frozen=True, slots=True)
class LimitBelowNeed:
    """A limit that stays, since only requests are controlled, and that is below the need."""

    container: str
    resource: Resource
    need: str
    limit: str

    def __str__(self) -> str:
        return (
            f"{self.container} needs {self.need} {self.resource} and has a limit of {self.limit}, which"
            " RequestsOnly leaves: raise the limit in the Pod template"
        )


@dataclass(frozen=True, slots=True)
class Recommended:
    """The recommendations, and what to say of the target: what is left out, and limits that are too low.

    `too_low` has the confidence of each profile below the minimum; `off` the reasons of containers that are
    left as they are, if that is why there are no recommendations.
    """

    containers: tuple[ContainerRecommendation, ...] = ()
    too_low: Mapping[Resource, float] = field(default_factory=dict)
    off: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[LimitBelowNeed, ...] = ()


def recommend(autoscaler: VerticalAutoscaler, facts: TargetFacts, policy: SchedulingPolicy) -> Recommended:
    """The recommendations for each container of *autoscaler*'s target, in order of name."""
    too_low = {
        resource: profile.confidence
        for resource, profile in facts.profiles.items()
        if profile.confidence < policy.min_confidence
    }
    columns = [
        _Column(resource, profile, autoscaler, facts, policy)
        for resource, profile in facts.profiles.items()
        if resource not in too_low
    ]
    cells = {column.resource: column.cells() for column in columns}
    names = sorted(set().union(*cells.values()))[:_MAX_CONTAINERS]
    off = {} if names else {name: why for column in columns for name, why in column.off().items()}
    limits = (cell.limit for of_resource in cells.values() for cell in of_resource.values())
    return Recommended(
        tuple(_recommendation(name, cells) for name in names),
        too_low,
        dict(sorted(off.items())),
        tuple(limit for limit in limits if limit),
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    """The quantities of one container in one resource, and its limit if that is too low."""

    target: str
    lower: str
    upper: str
    uncapped: str
    limit: LimitBelowNeed | None


@dataclass(frozen=True, slots=True)
class _Column:
    """One resource of all containers."""

    resource: Resource
    profile: StoredProfile
    autoscaler: VerticalAutoscaler
    facts: TargetFacts
    policy: SchedulingPolicy

    def cells(self) -> dict[str, _Cell]:
        """The containers with a recommendation."""
        annotated = self._annotated()
        limits = {
            container.name: amount
            for container in self.facts.amounts.of(self.resource).containers
            if (amount := amount_in(container.limit))
        }
        return {
            name: self._cell(name, need, annotated, own, limits.get(name))
            for name, need in self._needs().items()
            if name not in annotated.kept
            and not (own := policy_of(name, self.autoscaler.policies)).is_off
            and self.resource in own.resources
        }

    def off(self) -> dict[str, str]:
        """The reason of each container that an annotation or the `resourcePolicy` leaves as it is."""
        of_mode = {
            name: "mode Off" for name in self._needs() if policy_of(name, self.autoscaler.policies).is_off
        }
        return of_mode | dict(self._annotated().kept)

    def _annotated(self) -> ContainerNeeds:
        values = self.profile.state.values_by_container if self.profile.state else {}
        return container_needs(
            self.autoscaler.target, self.resource, values, self.profile.confidence, self.profile.policy
        )

    def _needs(self) -> dict[str, NeedAtRisks]:
        """The needs of the containers that VPA sets: no init containers, native sidecars included."""
        state, template = self.profile.state, self.facts.template
        if state is None:
            return {}
        needs = {}
        for name, value, at_risks in zip(
            state.containers, state.container_values, state.at_risks, strict=True
        ):
            amounts = [amount_in(text) for text in (value, *at_risks)]
            if name in template.sidecars or name in template.regular or not all(amounts):
                continue
            needs[name] = NeedAtRisks(*(amount for amount in amounts if amount))
        return needs

    def _cell(
        self,
        name: str,
        need: NeedAtRisks,
        annotated: ContainerNeeds,
        own: ContainerPolicy,
        limit: Decimal | None,
    ) -> _Cell:
        wanted = wanted_range(self.policy.bounds[self.resource], annotated, name)
        uncapped = amounts_for(self.resource, need, self.profile.confidence)
        capped = within(uncapped, lambda amount: own.within(self.resource, wanted.nearest(amount)))
        too_low = None
        if own.requests_only and limit is not None:
            if limit < min(capped.target, need.value):
                shown = self._quantity(uncapped.target), self._quantity(limit)
                too_low = LimitBelowNeed(name, self.resource, *shown)
            least = floor_to_unit(self.resource, limit)
            capped = within(capped, lambda amount: min(amount, least))
        return _Cell(
            self._quantity(capped.target),
            self._quantity(capped.lower),
            self._quantity(capped.upper),
            self._quantity(uncapped.target),
            too_low,
        )

    def _quantity(self, amount: Decimal) -> str:
        return format_amount(self.resource, amount)


def _recommendation(name: str, cells: Mapping[Resource, Mapping[str, _Cell]]) -> ContainerRecommendation:
    own = {resource: of_resource[name] for resource, of_resource in cells.items() if name in of_resource}
    return ContainerRecommendation(
        name,
        {resource: cell.target for resource, cell in own.items()},
        {resource: cell.lower for resource, cell in own.items()},
        {resource: cell.upper for resource, cell in own.items()},
        {resource: cell.uncapped for resource, cell in own.items()},
    )
