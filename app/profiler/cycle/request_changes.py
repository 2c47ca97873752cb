"""What the webhook sets for new Pods after a change of a profile, for an Event on the workload; pure.

A profile changes by its value or by the policy of its workload. The requests are those for the Pod template
of the workload. What the profiler does not read may keep the webhook from setting them: LimitRanges, quotas
and autoscalers, and the label of a template that turns it off.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from app.domain.container_roles import UNKNOWN_TEMPLATE
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import Identity, Resource, ResourceProfile
from app.domain.quantities import amount_in
from app.domain.template_amounts import TemplateAmounts
from app.domain.workload_policy import WorkloadPolicy, in_words
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.plan_policies import PolicyChange
from app.profiler.profile_write import ProfileWrite
from app.rightsizing.constraints import Constraints
from app.rightsizing.needs import container_needs
from app.rightsizing.pod_spec import ContainerResources, PodResources
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.resizing import resize


@dataclass(frozen=True, slots=True)
class _State:
    """What a profile says at one time: the values of its containers, and the rules of its policy."""

    values: Mapping[str, str]
    rules: tuple[PolicyRule, ...]


@dataclass(frozen=True, slots=True)
class RequestChanges:
    """The changes of requests for the workloads of *snapshot* in the namespaces that ask for them."""

    policy: SchedulingPolicy
    snapshot: ClusterSnapshot
    asking: Collection[str]

    def of(self, writes: Iterable[ProfileWrite], policies: Iterable[PolicyChange]) -> dict[Identity, str]:
        """The changes by profile and container, such as `main: cpu request 100m → 24m`.

        *policies* are those that were written on their own.
        """
        texts = {
            write.profile.identity: text
            for write in writes
            if write.value_changed and (text := self._of_write(write))
        }
        for change in policies:
            identity = change.profile.identity
            if identity not in texts and (text := self._of_policy(change)):
                texts[identity] = text
        return texts

    def _of_write(self, write: ProfileWrite) -> str:
        profile = write.profile
        if not isinstance(profile, ResourceProfile):
            return ""
        before = _State(write.stored_containers, write.stored_policy)
        after = _State({one.name: one.value for one in profile.containers}, profile.policy)
        return self._text(profile.workload, profile.resource, profile.basis.confidence, before, after)

    def _of_policy(self, change: PolicyChange) -> str:
        stored = change.profile
        values = stored.state.values_by_container if stored.state else {}
        before, after = _State(values, stored.policy), _State(values, change.rules)
        return self._text(change.workload, change.resource, stored.confidence, before, after)

    def _text(
        self, workload: Workload, resource: Resource, confidence: float, before: _State, after: _State
    ) -> str:
        amounts = self.snapshot.amounts.get(workload)
        is_sized = workload.namespace in self.asking and confidence >= self.policy.min_confidence
        if amounts is None or not is_sized:
            return ""
        template = self.snapshot.templates.get(workload, UNKNOWN_TEMPLATE)
        pod = _template_pod(sorted(template.containers | template.sidecars), amounts)
        old, new = (self._requests(pod, workload, resource, confidence, one) for one in (before, after))
        return ", ".join(
            f"{name}: {resource} request {old[name] or 'none'} → {request}"
            f"{_rule(workload, resource, name, after)}"
            for name, request in new.items()
            if request and request != old[name]
        )

    def _requests(
        self, pod: PodResources, workload: Workload, resource: Resource, confidence: float, state: _State
    ) -> dict[str, str]:
        """The request of each container; that of the template if none is set."""
        needs = container_needs(workload, resource, state.values, confidence, state.rules)
        resizing = resize(pod, {resource: needs} if needs.containers else {}, Constraints(), self.policy)
        key = resource.value
        requests = {container.name: container.requests.get(key, "") for container in pod.containers}
        set_requests = {
            pod.containers[change.index].name: change.requests[key]
            for change in resizing.changes
            if key in change.requests
        }
        return requests | set_requests


def _rule(workload: Workload, resource: Resource, container: str, state: _State) -> str:
    """The rule that keeps the request of *container* from its need, in parentheses; empty if none does."""
    policy, need = WorkloadPolicy(state.rules), amount_in(state.values.get(container))
    bound = policy.bounds(resource, container).that_moves(need) if need else None
    rule = policy.off(container) or (bound.rule if bound else None)
    return f" ({in_words(rule, workload)})" if rule else ""


def _template_pod(names: list[str], amounts: TemplateAmounts) -> PodResources:
    """The long-running containers of a Pod from the template."""
    requests: dict[str, dict[str, str]] = {name: {} for name in names}
    limits: dict[str, dict[str, str]] = {name: {} for name in names}
    for resource in Resource:
        for container in amounts.of(resource).containers:
            if container.name in requests and container.request:
                requests[container.name][resource.value] = container.request
            if container.name in limits and container.limit:
                limits[container.name][resource.value] = container.limit
    return PodResources(
        tuple(ContainerResources(name, requests[name], limits[name], has_resources=True) for name in names),
        pod_level_resources=amounts.pod_level,
    )
