"""The profile that `job-profiler profile` computes of a workload from the same input."""

from collections.abc import Iterable, Iterator, Mapping

from app.backtest.explanation import Explanation
from app.backtest.profile_needs import ProfileNeed
from app.domain import shown_amounts
from app.domain.policy_words import policy_effects
from app.domain.profiles import Resource
from app.domain.quantities import RESOURCE_NAMES, amount_in
from app.domain.workloads import Workload


def counted(explanations: Iterable[Explanation], needs: Mapping[Resource, ProfileNeed]) -> list[Explanation]:
    """The explanations of the containers that count; all of a resource without a profile."""
    return [
        one
        for one in explanations
        if one.resource not in needs or one.container.container in needs[one.resource].values
    ]


def policy_sentences(workload: Workload, needs: Mapping[Resource, ProfileNeed]) -> Iterator[str]:
    """What annotations say of the workload: its risk, containers that stay as they are, and bounds."""
    amounts = {
        resource: {name: amount for name, value in need.values.items() if (amount := amount_in(value))}
        for resource, need in needs.items()
    }
    policies = {resource: need.policy for resource, need in needs.items()}
    return (f"Policy: {effect}" for effect in policy_effects(workload, policies, amounts))


def sentences(resource: Resource, need: ProfileNeed, explanations: Iterable[Explanation]) -> Iterator[str]:
    """What the profile's value is made of, and what is left out or differs."""
    of_resource = [one for one in explanations if one.resource is resource]
    shown = {name: shown_amounts.need(resource, value) for name, value in need.values.items()}
    parts = " + ".join(f"{name} {amount}" for name, amount in shown.items())
    whole = "the largest sum of a Pod's containers" if need.roles else "the sum of its containers"
    made = f", {whole} before rounding up: {parts}" if len(shown) > 1 else ""
    yield f"Profile, {RESOURCE_NAMES[resource]}: {shown_amounts.need(resource, need.value)}{made}"
    left_out = sorted({one.container.container for one in of_resource} - need.values.keys())
    if left_out:
        yield (
            f"  Left out: {', '.join(left_out)}. Only containers count that run beside the application now:"
            " no init containers, and none that a newer Pod template dropped."
        )
    for one in of_resource:
        stated = shown.get(one.container.container)
        chosen = shown_amounts.amount(resource, one.chosen.value)
        if stated and stated != chosen:
            yield f"  {one.container.container} has {stated} instead of {chosen}: {need.explanation}"
