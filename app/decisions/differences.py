"""The difference between two JSON outputs of `savings`, `plan` or `profile`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.decisions.figures import ZERO, read_workloads
from app.domain.profiles import Resource
from app.domain.untyped import list_in, mapping_in, text_in

SAVINGS, PLAN, PROFILES = "Savings", "Plan", "List"
_KEY = ("cluster", "namespace", "kind", "name")


class UnknownDocumentError(ValueError):
    """A document is no JSON output of `savings`, `plan` or `profile`."""


@dataclass(frozen=True, slots=True)
class AmountDifference:
    """One amount of one workload in both documents, in cores or bytes; None where it is missing.

    The amount is what the document is about: the requests of all replicas beyond their need (`savings`), the
    planned requests of all replicas (`plan`), the need of one replica (`profile`).
    """

    cluster: str
    namespace: str
    kind: str
    name: str
    resource: Resource
    before: Decimal | None
    after: Decimal | None

    @property
    def change(self) -> Decimal:
        """The amount after minus that before; a missing one counts as 0."""
        return (self.after or ZERO) - (self.before or ZERO)


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, the largest change first, and the sums of both documents."""

    document: str
    amounts: Sequence[AmountDifference]
    before: Mapping[Resource, Decimal]
    after: Mapping[Resource, Decimal]

    def growth(self, resource: Resource) -> Decimal:
        """The share by which the sum grew; infinite from nothing to something."""
        before, after = self.before[resource], self.after[resource]
        if not before:
            return Decimal("Infinity") if after else ZERO
        return (after - before) / before


def difference(before: Any, after: Any) -> Difference:
    """The difference from *before* to *after*, two decoded documents of one command.

    Raises:
        UnknownDocumentError: one is of no such command, or they are of two commands.
    """
    kinds = {kind_of(before), kind_of(after)}
    if len(kinds) != 1:
        raise UnknownDocumentError(f"one is of kind {min(kinds)}, and the other of kind {max(kinds)}")
    (kind,) = kinds
    first, second = dict(_amounts(kind, before)), dict(_amounts(kind, after))
    found = [AmountDifference(*key, first.get(key), second.get(key)) for key in sorted({*first, *second})]
    changed = [one for one in found if one.before != one.after]
    return Difference(
        kind,
        sorted(changed, key=lambda one: (list(Resource).index(one.resource), -abs(one.change))),
        _sums(first),
        _sums(second),
    )


def kind_of(document: Any) -> str:
    """The kind of a document.

    Raises:
        UnknownDocumentError: it is of none of the three commands.
    """
    kind = text_in(mapping_in(document).get("kind"))
    if kind not in {SAVINGS, PLAN, PROFILES}:
        raise UnknownDocumentError("it is no output of savings, plan or profile with -o json")
    return kind


def _amounts(kind: str, document: Any) -> Iterator[tuple[tuple[str, str, str, str, Resource], Decimal]]:
    if kind == PROFILES:
        yield from _of_profiles(list_in(mapping_in(document).get("items")))
        return
    for item in map(mapping_in, list_in(mapping_in(document).get("workloads"))):
        cluster, namespace, workload_kind, name = (text_in(item.get(key)) for key in _KEY)
        for resource in Resource:
            amount = mapping_in(item.get(resource.value)).get("amount")
            if isinstance(amount, int | float) and not isinstance(amount, bool):
                key = (cluster, namespace, workload_kind, name, resource)
                yield key, Decimal(str(amount))


def _of_profiles(
    items: Sequence[Any],
) -> Iterator[tuple[tuple[str, str, str, str, Resource], Decimal]]:
    for each in read_workloads(map(mapping_in, items)):
        workload = each.workload
        for resource, amounts in each.amounts.items():
            yield ("", workload.namespace, workload.kind, workload.name, resource), amounts.need


def _sums(amounts: Mapping[Any, Decimal]) -> dict[Resource, Decimal]:
    return {
        resource: sum((amount for key, amount in amounts.items() if key[-1] is resource), ZERO)
        for resource in Resource
    }
