"""Registry of the labels of namespaces that decide on VerticalPodAutoscalers, fed by watches."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.domain.annotations import Labels


class LabelledNamespace(NamedTuple):
    """One namespace, also without such labels."""

    name: str
    labels: Labels


class ListedLabels:
    """The namespaces of one watch."""

    def __init__(self) -> None:
        self.labels: dict[str, Labels] = {}

    def replace(self, namespaces: Iterable[LabelledNamespace], /) -> None:
        """Replace all."""
        self.labels = dict(namespaces)

    def upsert(self, namespace: LabelledNamespace, /) -> None:
        """Store a namespace that was added or modified."""
        self.labels[namespace.name] = namespace.labels

    def delete(self, namespace: LabelledNamespace, /) -> None:
        """Remove a deleted namespace."""
        self.labels.pop(namespace.name, None)


class NamespaceLabels:
    """The labels of all watches."""

    def __init__(self) -> None:
        self._listed: list[ListedLabels] = []

    def new_receiver(self) -> ListedLabels:
        """The sink for another watch."""
        self._listed.append(ListedLabels())
        return self._listed[-1]

    def current(self) -> Mapping[str, Labels]:
        """The labels of each known namespace."""
        return {name: labels for listed in self._listed for name, labels in listed.labels.items()}
