"""Reasons why the value of a stored profile may differ from a computed one."""

from collections.abc import Iterator, Sequence

from app.backtest.explanation import Explanation
from app.backtest.profile_needs import ProfileNeed
from app.backtest.report import format_day
from app.domain.explanation import PRESSURE_NAMES
from app.domain.profiles import RiskLevel
from app.domain.quantities import format_time
from app.domain.shown_amounts import amount, need

_DAY_SECONDS = 86_400


def difference_reasons(
    stored: ProfileNeed, computed: Sequence[Explanation], risk: RiskLevel
) -> Iterator[str]:
    """Yields reasons why the value of *stored* may differ from the sum of *computed* at *risk*."""
    yield from (
        f"{PRESSURE_NAMES.get(signal.reason, signal.reason)} of {signal.container} (last seen"
        f" {signal.last_seen}) raises the stored value by {signal.raised_by:.0%}; the computed"
        " value ignores throttling and OOM kills."
        for signal in stored.signals
    )
    if stored.roles:
        yield _role_reason(stored)
    yield from _sibling_reasons(stored, computed)
    yield from _container_reasons(stored, computed)
    if stored.level not in {"", risk.value}:
        yield f"The stored value is for {stored.level} risk, the computed one for {risk.value} risk (--risk)."
    yield from _time_reasons(stored, computed)


def _role_reason(stored: ProfileNeed) -> str:
    named = "; ".join(
        f"{' and '.join(containers)} {need(stored.resource, value)}" for containers, value in stored.roles
    )
    return f"The stored value is that of the largest Pod, and no Pod has all containers: {named}."


def _sibling_reasons(stored: ProfileNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    computed_counts = {
        explanation.container.container: explanation.siblings.count if explanation.siblings else 0
        for explanation in computed
    }
    for container, count in stored.containers.items():
        if container in computed_counts and count != computed_counts[container]:
            yield (
                f"Siblings of {container}: {count} in the stored profile, {computed_counts[container]} in the"
                " usage that was read (--profiling-namespace adds namespaces)."
            )


def _container_reasons(stored: ProfileNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    computed_names = {explanation.container.container for explanation in computed}
    if not stored.containers:
        return
    if omitted := sorted(computed_names - stored.containers.keys()):
        yield (
            f"The stored value omits {', '.join(omitted)}: it is the sum of the containers that still run"
            " beside the application."
        )
    if added := sorted(stored.containers.keys() - computed_names):
        yield f"The stored value includes {', '.join(added)}, for which no usage was found."


def _time_reasons(stored: ProfileNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    """Yields a reason if the stored usage starts later or ends earlier, or if the profile is stale."""
    first = min(explanation.days[0].day for explanation in computed)
    last = max(explanation.days[-1].day for explanation in computed)
    if stored.since and stored.since.timestamp() >= (first + 1) * _DAY_SECONDS:
        yield (
            f"The stored value uses usage since {format_time(stored.since)}, the computed one since"
            f" {format_day(first)}."
        )
    if stored.as_of and stored.as_of.timestamp() <= last * _DAY_SECONDS:
        yield (
            f"The stored value uses usage up to {format_time(stored.as_of)}, the computed one up to"
            f" {format_day(last)}."
        )
    if stored.is_stale:
        yield "The stored profile is Stale: the profiler has no new usage of this workload."


def shown_sum(explanations: Sequence[Explanation]) -> str:
    """The sum of the containers' values, as people write it."""
    return amount(explanations[0].resource, sum(explanation.chosen.value for explanation in explanations))
