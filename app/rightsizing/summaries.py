"""The summary annotation of a Pod: the requests of its containers, and why amounts are unchanged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, format_amount
from app.rightsizing.constraints import Constraints
from app.rightsizing.policy import SchedulingPolicy

NO_PROFILE = "no profile"
_MAX_CHARACTERS = 1000


def unchanged(reason: str) -> str:
    """The text for unchanged amounts."""
    return f"unchanged ({reason})"


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a Pod with sized resources in `needs` and unchanged resources in `reasons`."""

    needs: Mapping[Resource, Mapping[str, Decimal]]
    reasons: Mapping[Resource, str]
    constraints: Constraints
    policy: SchedulingPolicy

    def text(self, pod: Mapping[Resource, PodAmounts]) -> str:
        """The summary, cut to 1,000 characters."""
        text = "; ".join(self._parts(pod))
        return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"

    def _parts(self, pod: Mapping[Resource, PodAmounts]) -> Iterator[str]:
        if not self.needs and len(set(self.reasons.values())) == 1:
            yield unchanged(next(iter(self.reasons.values())))
            return
        for resource, reason in self.reasons.items():
            yield f"{resource} {unchanged(reason)}"
        for containers in zip(*(pod[resource] for resource in self.needs), strict=True):
            if containers[0].is_long_running:
                yield f"{containers[0].name}: {self._container(containers)}"

    def _container(self, amounts: tuple[ContainerAmounts, ...]) -> str:
        if not any(amounts[0].name in needs for needs in self.needs.values()):
            return unchanged(NO_PROFILE)
        return ", ".join(
            f"{resource} {self._amounts(resource, container)}"
            for resource, container in zip(self.needs, amounts, strict=True)
        )

    def _amounts(self, resource: Resource, container: ContainerAmounts) -> str:
        if container.name not in self.needs[resource]:
            return unchanged(NO_PROFILE)
        if container.request is None:
            is_counted = self.constraints.count_requests(resource)
            return unchanged("a ResourceQuota counts it" if is_counted else "no amount is allowed")
        text = f"request {format_amount(resource, container.request)}"
        if self.policy.bounds[resource].limit_ratio and container.limit is not None:
            text += f", {resource} limit {format_amount(resource, container.limit)}"
        return text
