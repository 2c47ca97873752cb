"""A selection of namespaces: those that are included and not excluded."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamespaceSelection:
    """Namespaces by name; *included* None means all."""

    included: Collection[str] | None = None
    excluded: Collection[str] = frozenset()

    def covers(self, namespace: str) -> bool:
        """True if *namespace* is selected."""
        return namespace not in self.excluded and (self.included is None or namespace in self.included)
