"""A selection of namespaces: those that are included and not excluded."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamespaceSelection:
    """Namespaces by name; *included* None means all."""

    included: Collection[str] | None = None
    excluded: Collection[str] = frozenset()

    def covers(self, namespace: str) -> bool:
        """True if *namespace* is selected."""
        return namespace not in self.excluded and (self.included is None or namespace in self.included)

    def without(self, namespaces: Iterable[str]) -> "NamespaceSelection":
        """The same selection without *namespaces*."""
        return NamespaceSelection(self.included, frozenset(self.excluded).union(namespaces))

    def intersection(self, other: "NamespaceSelection") -> "NamespaceSelection":
        """The namespaces that both select."""
        included = self.included
        if other.included is not None:
            included = frozenset(other.included)
            included = included if self.included is None else included.intersection(self.included)
        return NamespaceSelection(included, frozenset(self.excluded).union(other.excluded))


EVERY_NAMESPACE = NamespaceSelection()
