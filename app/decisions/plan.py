"""Plan: the requests and limits that the webhook would set on the next Pods of workloads.

The webhook's own decision on an admission review decides; this module makes the review, and reads the patch.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonpatch
import msgspec

from app.decisions.figures import ZERO
from app.decisions.scaling_targets import ScalingPair
from app.decisions.templates import Manifest, WorkloadObject, new_pod
from app.domain.policy_rule import PolicyKey
from app.domain.profiles import Resource
from app.domain.workload_policy import in_words
from app.domain.workloads import Workload
from app.rightsizing.amounts import ContainerAmounts, read_amounts, round_up
from app.rightsizing.constraints import Constraints
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.pod_spec import PodResources
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.sizing import wanted_range
from app.rightsizing.summaries import NO_PROFILE
from app.webhook.constraint_index import ConstraintIndex
from app.webhook.decisions import AdmissionState, decide
from app.webhook.need_index import NeedIndex
from app.webhook.outcomes import SkipReason
from app.webhook.pod_resources import TooManyContainersError, UnreadableResourcesError, read_resources
from app.webhook.reviews import AdmissionRequest, GroupVersionKind, Pod
from app.webhook.sizing import SizingOutcome

_OUTCOMES = {
    SizingOutcome.NO_PROFILE: NO_PROFILE,
    SizingOutcome.UNREADABLE: "its resources can't be read",
    SizingOutcome.TOO_MANY_CONTAINERS: "it has more than 100 containers",
    SizingOutcome.ANNOTATIONS_TOO_LARGE: "its annotations leave no room for the summary",
    SizingOutcome.NOT_SYNCED: "the namespace's LimitRanges, quotas or autoscalers can't be read",
    SizingOutcome.INTERNAL_ERROR: "an internal error: see the log",
}
_SKIPPED = {
    SkipReason.NAMESPACE_OUT_OF_SCOPE: "its namespace is not profiled",
    SkipReason.OPTED_OUT: "its Pods opt out",
}
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class AmountChange:
    """One resource of one container: its request and limit now and then; None if not set.

    `reason` says why the request stays; it is empty if the request or the limit changes. `policy` is the rule
    of the workload's policy that moved the amount.
    """

    old: Decimal | None
    new: Decimal | None
    old_limit: Decimal | None = None
    new_limit: Decimal | None = None
    reason: str = ""
    policy: str = ""

    @property
    def is_change(self) -> bool:
        """True if the webhook would write another amount."""
        return (self.old, self.old_limit) != (self.new, self.new_limit)


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One container, by its list in the Pod's spec and its place there."""

    name: str
    group: str
    index: int
    changes: Mapping[Resource, AmountChange]


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """One workload; a `reason` is for all its containers, and so is the `risk` that an annotation sets.

    `scaling` has the targets of autoscalers that go with other requests, `vpa` sentences on the
    VerticalPodAutoscalers that target it.
    """

    workload: Workload
    replicas: int | None
    containers: Sequence[ContainerPlan] = ()
    reason: str = ""
    added: Sequence[str] = ()
    risk: str = ""
    scaling: Sequence[ScalingPair] = ()
    vpa: Sequence[str] = ()

    @property
    def has_changes(self) -> bool:
        """True if the webhook would change anything."""
        return any(change.is_change for one in self.containers for change in one.changes.values())

    def total(self, resource: Resource, *, new: bool) -> Decimal:
        """The requests of all replicas, before or after."""
        amounts = (one.changes[resource] for one in self.containers if resource in one.changes)
        requests = ((change.new if new else change.old) or ZERO for change in amounts)
        return sum(requests, ZERO) * (self.replicas or 0)


class Planner:
    """Plans the workloads of a cluster from the webhook's *state*, which has a sizer, and its indexes."""

    def __init__(
        self, state: AdmissionState, needs: NeedIndex, constraints: ConstraintIndex, policy: SchedulingPolicy
    ) -> None:
        self._state, self._needs, self._constraints, self._policy = state, needs, constraints, policy

    def plan(self, found: WorkloadObject, limit_ranges: Iterable[Manifest] = ()) -> WorkloadPlan:
        """The plan for the next Pod of a workload."""
        workload, replicas = found.workload, found.replicas
        if found.has_scheduling_disabled:
            return WorkloadPlan(workload, replicas, reason="its Pod template's label turns scheduling off")
        pod = new_pod(found, limit_ranges)
        try:
            before = read_resources(msgspec.Raw(_encode(pod["spec"])))
        except UnreadableResourcesError:
            return WorkloadPlan(workload, replicas, reason=_OUTCOMES[SizingOutcome.UNREADABLE])
        except TooManyContainersError:
            return WorkloadPlan(workload, replicas, reason=_OUTCOMES[SizingOutcome.TOO_MANY_CONTAINERS])
        decision = decide(_review(workload.namespace, pod), self._state)
        operations = [one for one in decision.patch.operations if one["path"].startswith("/spec/")]
        after = _patched(pod, operations)
        reason = _OUTCOMES.get(decision.resizing or SizingOutcome.RESIZED, "")
        if decision.reason in _SKIPPED:
            reason = _SKIPPED[decision.reason]
        constraints = self._constraints.of(workload) or Constraints()
        needs = constraints.governance.leave(self._needs.needs(workload), before)
        containers = _Comparison(
            before, after, decision.reasons_to_keep, needs, self._policy, reason, workload
        )
        risk = self._needs.policy(workload).rule(PolicyKey.RISK)
        return WorkloadPlan(
            workload,
            replicas,
            tuple(containers.plans()),
            reason,
            _added(before, needs),
            in_words(risk, workload) if risk else "",
        )


def _review(namespace: str, pod: Manifest) -> AdmissionRequest:
    kind = GroupVersionKind("Pod", "", "v1")
    read = msgspec.json.decode(_encode(pod), type=Pod)
    return AdmissionRequest("plan", kind, "CREATE", namespace, object=read)


def _patched(pod: Manifest, operations: Sequence[Mapping[str, Any]]) -> PodResources:
    patched = jsonpatch.apply_patch(pod, operations) if operations else pod
    return read_resources(msgspec.Raw(_encode(patched["spec"])))


def _added(pod: PodResources, needs: Mapping[Resource, ContainerNeeds]) -> tuple[str, ...]:
    """The containers with a need that the template doesn't name: an injector adds them to the Pod."""
    named = {container.name for containers in pod.groups.values() for container in containers}
    known = (name for need in needs.values() for name in (*need.containers, *need.kept))
    return tuple(sorted(set(known) - named))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The containers of a Pod before and after the patch."""

    before: PodResources
    after: PodResources
    reasons_to_keep: Mapping[Resource, str]
    needs: Mapping[Resource, ContainerNeeds]
    policy: SchedulingPolicy
    reason: str
    workload: Workload

    def plans(self) -> Iterator[ContainerPlan]:
        """The long-running containers, in the order of the spec; none if an amount can't be read."""
        try:
            old = {resource: read_amounts(self.before, resource) for resource in Resource}
            new = {resource: read_amounts(self.after, resource) for resource in Resource}
        except ValueError:
            return
        for position, container in enumerate(old[Resource.CPU]):
            if container.is_long_running:
                changes = {
                    resource: self._change(resource, old[resource][position], new[resource][position])
                    for resource in Resource
                }
                yield ContainerPlan(container.name, container.group, container.index, changes)

    def _change(self, resource: Resource, old: ContainerAmounts, new: ContainerAmounts) -> AmountChange:
        moved_by = self._rule_that_moves(resource, old.name)
        change = AmountChange(old.request, new.request, old.limit, new.limit, policy=moved_by)
        if change.is_change:
            return change
        reason = self.reason or self.reasons_to_keep.get(resource) or self._reason(resource, old)
        return AmountChange(old.request, old.request, old.limit, old.limit, reason, moved_by)

    def _rule_that_moves(self, resource: Resource, container: str) -> str:
        """The rule that bounds the need of a container, in words; empty if none does."""
        needs = self.needs.get(resource)
        need = needs.containers.get(container) if needs and not self.reason else None
        bounds = needs.bounds.get(container) if needs else None
        if need is None or bounds is None or resource in self.reasons_to_keep:
            return ""
        bound = bounds.that_moves(need)
        return in_words(bound.rule, self.workload) if bound else ""

    def _reason(self, resource: Resource, container: ContainerAmounts) -> str:
        """The reason why the request of one container stays although the resource is sized."""
        needs = self.needs.get(resource)
        need = needs.containers.get(container.name) if needs else None
        if needs is None or need is None:
            return needs.kept.get(container.name, NO_PROFILE) if needs else NO_PROFILE
        request = container.request
        wanted = wanted_range(self.policy.bounds[resource], needs, container.name)
        target = round_up(resource, wanted.nearest(need))
        if request is None:
            return "no amount is allowed by its LimitRanges and quotas"
        if abs(request - target) <= self.policy.deadband * target:
            return f"within {self.policy.deadband:.0%} of its need"
        if container.limit is not None and target > container.limit:
            return "at its limit, which is below its need"
        return "a LimitRange or a quota allows no better one"
