"""Reads the annotations of a policy from one object; what is wrong becomes a sentence, and sets nothing.

A user who may edit an object chooses its annotations, so their number and their length are bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from typing import Any

from app.domain.annotations import IGNORE_LABEL, POLICY_PREFIX, SCHEDULING_LABEL, VPA_LABELS
from app.domain.dns_names import is_dns_label
from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import RiskLevel
from app.domain.quantities import amount_in, format_quantity
from app.domain.untyped import text_in
from app.domain.workload_policy import (
    BOUND_KEYS,
    NO_POLICY,
    RESOURCE_OF_KEY,
    WorkloadPolicy,
    contradicts,
    ordered,
)

_MAX_ANNOTATIONS = 64  # of this prefix on one object; a Pod has up to 100 containers, of which few are named
_MAX_FAULTS = 8
_MAX_VALUE = 32
_LEAST_MAXIMUM = 1024**2  # of memory: in `512m` and in `512` the unit is wrong, and no container runs in it
_SIMILAR = 0.6  # from 0 to 1: `memory-max` and `maxmem` are found, and keys of other meaning are not
_PLACES = {
    PolicySource.TEMPLATE: "the Pod template",
    PolicySource.WORKLOAD: "the workload",
    PolicySource.NAMESPACE: "the namespace",
}
_EXAMPLES = {"cpu": "250m", "memory": "512Mi"}
_LABELS = {label.removeprefix(POLICY_PREFIX) for label in (IGNORE_LABEL, SCHEDULING_LABEL, *VPA_LABELS)}
_KEYS = {key.value: key for key in PolicyKey}


def read_policy(annotations: Mapping[str, Any], source: PolicySource) -> WorkloadPolicy:
    """The policy in the *annotations* of the object *source*; `NO_POLICY` itself if there is none."""
    names = [key for key in annotations if key.startswith(POLICY_PREFIX)]
    if not names:
        return NO_POLICY
    texts = {
        name.removeprefix(POLICY_PREFIX): text_in(annotations[name])
        for name in sorted(names)[:_MAX_ANNOTATIONS]
    }
    reader = _Reader(source)
    rules = [rule for name, text in texts.items() if (rule := reader.rule(name, text))]
    rules = list(reader.without_contradictions(rules))
    faults = [f"{name} of {_PLACES[source]} {fault}" for name, fault in reader.faults.items()]
    if len(names) > _MAX_ANNOTATIONS:
        faults.append(
            f"{_PLACES[source]} has over {_MAX_ANNOTATIONS} annotations {POLICY_PREFIX}…: others are left out"
        )
    if not rules and not faults:
        return NO_POLICY
    return WorkloadPolicy(ordered(rules), tuple(_first(faults)))


def _first(faults: list[str]) -> Iterator[str]:
    yield from faults[:_MAX_FAULTS]
    if (more := len(faults) - _MAX_FAULTS) > 0:
        yield f"{more} more"


@dataclass(slots=True)
class _Reader:
    """Reads the annotations of one object; `faults` has what is wrong with each."""

    source: PolicySource
    faults: dict[str, str] = field(default_factory=dict)

    def rule(self, name: str, text: str) -> PolicyRule | None:
        """The rule of an annotation; None if it has another meaning, or a fault."""
        word, _, container = name.partition(".")
        key = _KEYS.get(word)
        if key is None:
            self._note_unknown(name, word)
        elif container and not is_dns_label(container):
            self.faults[name] = f"names {container!r}, which no container can be called"
        elif container and key is PolicyKey.RISK:
            self.faults[name] = "names a container: a workload has one risk"
        elif (value := self._value(name, key, text)) is not None:
            return PolicyRule(key, value, self.source, container)
        return None

    def without_contradictions(self, rules: list[PolicyRule]) -> Iterator[PolicyRule]:
        """The rules without each minimum that is above the maximum of the same containers."""
        by_place = {(rule.key, rule.container): rule for rule in rules}
        contradictory = set()
        for least, most in BOUND_KEYS.values():
            for container in {rule.container for rule in rules}:
                lower, upper = by_place.get((least, container)), by_place.get((most, container))
                if lower and upper and contradicts(lower, upper):
                    self.faults[lower.annotation] = (
                        f"is {lower.value}, which is above {upper.annotation} {upper.value}: neither counts"
                    )
                    contradictory |= {lower, upper}
        return (rule for rule in rules if rule not in contradictory)

    def _value(self, name: str, key: PolicyKey, text: str) -> str | None:
        """The value in the form of a status; None if *text* is none of this key."""
        short = text.strip()[: _MAX_VALUE + 1]
        shown = repr(short if len(short) <= _MAX_VALUE else f"{short[:_MAX_VALUE]}…")
        match key:
            case PolicyKey.RISK:
                if short in frozenset(RiskLevel):
                    return short
                self.faults[name] = f"is {shown}: use low, normal or high"
            case PolicyKey.OFF:
                if short in {"true", "false"}:
                    return short
                self.faults[name] = f"is {shown}: use true or false"
            case _:
                return self._amount(name, key, short, shown)
        return None

    def _amount(self, name: str, key: PolicyKey, text: str, shown: str) -> str | None:
        resource, amount = RESOURCE_OF_KEY.get(key), amount_in(text) if len(text) <= _MAX_VALUE else None
        if resource is None:
            return None
        if amount is None:
            self.faults[name] = f"is {shown}: use a quantity such as {_EXAMPLES[resource]}"
        elif key is PolicyKey.MAX_CPU and not amount:
            self.faults[name] = f"is {shown}: a container gets more than nothing"
        elif key is PolicyKey.MAX_MEMORY and amount < _LEAST_MAXIMUM:
            self.faults[name] = f"is {shown}, which is less than 1Mi: use a quantity such as 512Mi"
        else:
            return format_quantity(resource, amount)
        return None

    def _note_unknown(self, name: str, word: str) -> None:
        if word in _LABELS:
            self.faults[name] = "is a label, and has no effect as an annotation"
        elif similar := _similar_key(word.casefold()[:_MAX_VALUE]):
            self.faults[name] = f"is not known: did you mean {similar}?"


@lru_cache(maxsize=1000)
def _similar_key(word: str) -> str:
    """The key that *word* looks like, also in the other order, such as `cpu-max`; empty if there is none."""
    first, dash, second = word.partition("-")
    spellings = (word, f"{second}{dash}{first}")
    similar = [key for spelled in spellings for key in get_close_matches(spelled, _KEYS, 1, _SIMILAR)]
    return max(similar, key=lambda key: max(_likeness(key, spelled) for spelled in spellings), default="")


def _likeness(key: str, spelled: str) -> float:
    return SequenceMatcher(None, key, spelled).ratio()
