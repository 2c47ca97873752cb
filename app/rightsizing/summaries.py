"""The summary annotation of a Pod: how its requests changed, and why amounts are unchanged."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, format_amount
from app.rightsizing.constraints import Constraints
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.policy import SchedulingPolicy

NO_PROFILE = "no profile"
_MAX_CHARACTERS = 1000
_SEPARATOR, _MORE = "; ", "; …"
_NOTHING_FITS = "…"  # a name may be too long: the API server refuses it only after the webhook
_ARROW, _NO_AMOUNT = " → ", "none"
_CHANGE = re.compile(
    r"(?:^|, )(?P<field>(?:cpu|memory) (?:request|limit))"
    r" (?P<change>(?:none|[0-9]+(?:m|Mi)?) → [0-9]+(?:m|Mi)?)(?=,|$)",
    re.ASCII,
)


def unchanged(reason: str) -> str:
    """The text for unchanged amounts."""
    return f"unchanged ({reason})"


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a Pod with sized resources in `needs` and unchanged resources in `reasons`."""

    needs: Mapping[Resource, ContainerNeeds]
    reasons: Mapping[Resource, str]
    constraints: Constraints
    policy: SchedulingPolicy

    def text(
        self,
        original: Mapping[Resource, PodAmounts],
        final: Mapping[Resource, PodAmounts],
        earlier: str = "",
    ) -> str:
        """The summary of the changes from *original* to *final*, whole parts in at most 1,000 characters.

        If *earlier*, the Pod's own summary, ends in the same amounts, its old ones stay: it is that of an
        earlier invocation of the webhook for this Pod.
        """
        if earlier == _NOTHING_FITS and original == final:
            return earlier
        known = _earlier_changes(earlier)
        parts = list(self._parts(original, final, known))
        if len(text := _SEPARATOR.join(parts)) <= _MAX_CHARACTERS:
            return text
        if earlier.endswith(_MORE) and len(earlier) <= _MAX_CHARACTERS:
            listed = earlier.removesuffix(_MORE).split(_SEPARATOR)
            if parts[: len(listed)] == listed:
                return earlier
        end = text.rfind(_SEPARATOR, 0, _MAX_CHARACTERS - len(_MORE) + len(_SEPARATOR))
        return _NOTHING_FITS if end < 0 else text[:end] + _MORE

    def _parts(
        self,
        original: Mapping[Resource, PodAmounts],
        final: Mapping[Resource, PodAmounts],
        known: Mapping[str, str],
    ) -> Iterator[str]:
        if not self.needs and len(set(self.reasons.values())) == 1:
            yield unchanged(next(iter(self.reasons.values())))
            return
        for resource, reason in self.reasons.items():
            yield f"{resource} {unchanged(reason)}"
        before = zip(*(original[resource] for resource in self.needs), strict=True)
        after = zip(*(final[resource] for resource in self.needs), strict=True)
        for old, new in zip(before, after, strict=True):
            if new[0].is_long_running:
                yield f"{new[0].name}: {self._container(old, new, known)}"

    def _container(
        self,
        before: tuple[ContainerAmounts, ...],
        after: tuple[ContainerAmounts, ...],
        known: Mapping[str, str],
    ) -> str:
        name = after[0].name
        reasons = {needs.kept.get(name, NO_PROFILE) for needs in self.needs.values()}
        if len(reasons) == 1 and not any(name in needs.containers for needs in self.needs.values()):
            return unchanged(reasons.pop())
        return ", ".join(
            f"{resource} {self._amounts(resource, old, new, known)}"
            for resource, old, new in zip(self.needs, before, after, strict=True)
        )

    def _amounts(
        self, resource: Resource, before: ContainerAmounts, after: ContainerAmounts, known: Mapping[str, str]
    ) -> str:
        if after.name not in self.needs[resource].containers:
            return unchanged(self.needs[resource].kept.get(after.name, NO_PROFILE))
        if after.request is None:
            is_counted = self.constraints.count_requests(resource)
            return unchanged("a ResourceQuota counts it" if is_counted else "no amount is allowed")

        def change(field: str, old: Decimal | None, new: Decimal) -> str:
            amount = format_amount(resource, new)
            if old != new:
                return (
                    f"{field} {_NO_AMOUNT if old is None else format_amount(resource, old)}{_ARROW}{amount}"
                )
            earlier = known.get(f"{after.name}: {resource} {field}", "")
            return f"{field} {earlier if earlier.endswith(f'{_ARROW}{amount}') else amount}"

        text = change("request", before.request, after.request)
        if self.policy.bounds[resource].limit_ratio and after.limit is not None:
            text += f", {resource} {change('limit', before.limit, after.limit)}"
        return text


def _earlier_changes(summary: str) -> dict[str, str]:
    """The changes in a summary, such as `100m → 24m` by `main: cpu request`; empty if it is none."""
    if len(summary) > _MAX_CHARACTERS:
        return {}
    changes = {}
    for part in summary.split(_SEPARATOR):
        name, _, fields = part.partition(": ")
        for match in _CHANGE.finditer(fields):
            changes[f"{name}: {match['field']}"] = match["change"]
    return changes
