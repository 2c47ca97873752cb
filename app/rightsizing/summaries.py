"""The sentence on a Pod that tells what its containers request, and where and why that is as it was given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, format_amount
from app.rightsizing.constraints import Constraints
from app.rightsizing.policy import SchedulingPolicy

NO_PROFILE = "no profile"
_MAX_CHARACTERS = 1000


def as_given(reason: str) -> str:
    """The words for what stays as it was."""
    return f"as given ({reason})"


@dataclass(frozen=True, slots=True)
class Summary:
    """The words for a Pod whose resources in `needs` were sized, and those in `reasons` were not."""

    needs: Mapping[Resource, Mapping[str, Decimal]]
    reasons: Mapping[Resource, str]
    constraints: Constraints
    policy: SchedulingPolicy

    def of(self, pod: Mapping[Resource, PodAmounts]) -> str:
        """The sentence, of which no more is kept than a person reads."""
        text = "; ".join(self._parts(pod))
        return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"

    def _parts(self, pod: Mapping[Resource, PodAmounts]) -> Iterator[str]:
        if not self.needs and len(set(self.reasons.values())) == 1:
            yield as_given(next(iter(self.reasons.values())))
            return
        for resource, reason in self.reasons.items():
            yield f"{resource} {as_given(reason)}"
        for containers in zip(*(pod[resource] for resource in self.needs), strict=True):
            if containers[0].stays:
                yield f"{containers[0].name}: {self._container(containers)}"

    def _container(self, amounts: tuple[ContainerAmounts, ...]) -> str:
        if not any(amounts[0].name in needs for needs in self.needs.values()):
            return as_given(NO_PROFILE)
        return ", ".join(
            f"{resource} {self._amounts(resource, each)}"
            for resource, each in zip(self.needs, amounts, strict=True)
        )

    def _amounts(self, resource: Resource, container: ContainerAmounts) -> str:
        if container.name not in self.needs[resource]:
            return as_given(NO_PROFILE)
        if container.request is None:
            is_counted = self.constraints.count_requests(resource)
            return as_given("a quota counts it" if is_counted else "no amount is allowed")
        words = f"request {format_amount(resource, container.request)}"
        if self.policy.bounds[resource].limit_ratio and container.limit is not None:
            words += f", {resource} limit {format_amount(resource, container.limit)}"
        return words
