"""Registry of what the annotations and labels of namespaces say, fed by watches."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.domain.annotations import Labels
from app.domain.namespaces import NamespaceSelection
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy


class NamespaceMetadata(NamedTuple):
    """One namespace: its policy, and its labels that decide on VerticalPodAutoscalers; it may lack both."""

    name: str
    policy: WorkloadPolicy = NO_POLICY
    vpa_labels: Labels = ()


class ListedNamespaces:
    """The namespaces of one watch: the one called *name*, or all if it is empty."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.policies: dict[str, WorkloadPolicy] = {}  # of the few namespaces that have one
        self.vpa_labels: dict[str, Labels] = {}  # of all: one without labels is not an unknown one
        self.is_listed = False

    def replace(self, namespaces: Iterable[NamespaceMetadata], /) -> None:
        """Replace all."""
        self.policies, self.vpa_labels = {}, {}
        for namespace in namespaces:
            self.upsert(namespace)
        self.is_listed = True

    def upsert(self, namespace: NamespaceMetadata, /) -> None:
        """Store a namespace that was added or modified."""
        self.vpa_labels[namespace.name] = namespace.vpa_labels
        if namespace.policy is NO_POLICY:
            self.policies.pop(namespace.name, None)
        else:
            self.policies[namespace.name] = namespace.policy

    def delete(self, namespace: NamespaceMetadata, /) -> None:
        """Remove a deleted namespace."""
        self.vpa_labels.pop(namespace.name, None)
        self.policies.pop(namespace.name, None)


class NamespaceMetadataRegistry:
    """The namespaces of all watches."""

    def __init__(self) -> None:
        self._listed: list[ListedNamespaces] = []

    def new_receiver(self, name: str = "") -> ListedNamespaces:
        """The receiver of another watch: of the namespace called *name*, or of all if it is empty."""
        self._listed.append(ListedNamespaces(name))
        return self._listed[-1]

    def policies(self) -> dict[str, WorkloadPolicy]:
        """The policy of each namespace that has one."""
        return {name: policy for listed in self._listed for name, policy in listed.policies.items()}

    def vpa_labels(self) -> Mapping[str, Labels]:
        """The labels of each known namespace, also if it has none."""
        return {name: labels for listed in self._listed for name, labels in listed.vpa_labels.items()}

    def known(self) -> NamespaceSelection:
        """The namespaces of which it is known whether they have a policy."""
        listed = {receiver.name for receiver in self._listed if receiver.is_listed}
        return NamespaceSelection(None if "" in listed else frozenset(listed))
