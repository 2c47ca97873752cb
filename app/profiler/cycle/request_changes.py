"""What the webhook sets for new Pods after a change of a profile, for an Event on the workload; pure.

The requests are those for the Pod template of the workload. What the profiler does not read may keep the
webhook from setting them: LimitRanges, quotas and autoscalers, and the label of a template that turns it off.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.domain.container_roles import UNKNOWN_TEMPLATE
from app.domain.profiles import Resource, ResourceProfile
from app.domain.template_amounts import TemplateAmounts
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.profile_write import ProfileWrite
from app.rightsizing.constraints import Constraints
from app.rightsizing.needs import container_needs
from app.rightsizing.pod_spec import ContainerResources, PodResources
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.resizing import resize


@dataclass(frozen=True, slots=True)
class RequestChanges:
    """The changes of requests for the workloads of *snapshot* in the namespaces that ask for them."""

    policy: SchedulingPolicy
    snapshot: ClusterSnapshot
    asking: Collection[str]

    def of(self, write: ProfileWrite) -> str:
        """The changes by container, such as `main: cpu request 100m → 24m`; empty without any."""
        profile = write.profile
        if not isinstance(profile, ResourceProfile) or profile.workload.namespace not in self.asking:
            return ""
        amounts = self.snapshot.amounts.get(profile.workload)
        if amounts is None or profile.basis.confidence < self.policy.min_confidence:
            return ""
        template = self.snapshot.templates.get(profile.workload, UNKNOWN_TEMPLATE)
        names = sorted(template.containers | template.sidecars)
        before = self._requests(profile, names, amounts, write.stored_containers)
        needs = {container.name: container.value for container in profile.containers}
        after = self._requests(profile, names, amounts, needs)
        return ", ".join(
            f"{name}: {profile.resource} request {before[name] or 'none'} → {after[name]}"
            for name in names
            if after[name] and after[name] != before[name]
        )

    def _requests(
        self, profile: ResourceProfile, names: list[str], amounts: TemplateAmounts, values: Mapping[str, str]
    ) -> dict[str, str]:
        """The request of each container with these needs; that of the template if none is set."""
        pod = _template_pod(names, amounts)
        needs = container_needs(
            profile.workload, profile.resource, values, profile.basis.confidence, profile.policy
        )
        by_resource = {profile.resource: needs} if needs.containers else {}
        resizing = resize(pod, by_resource, Constraints(), self.policy)
        key = profile.resource.value
        requests = {container.name: container.requests.get(key, "") for container in pod.containers}
        set_requests = {
            pod.containers[change.index].name: change.requests[key]
            for change in resizing.changes
            if key in change.requests
        }
        return requests | set_requests


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
