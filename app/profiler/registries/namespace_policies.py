"""Registry of the policies on namespaces, fed by watches of all of their annotations."""

from collections.abc import Iterable
from typing import NamedTuple

from app.domain.namespaces import NamespaceSelection
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy


class NamespacePolicy(NamedTuple):
    """The policy on one namespace."""

    namespace: str
    policy: WorkloadPolicy


class ListedPolicies:
    """The policies of one watch: of one *namespace* by its name, or of all if it is empty."""

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace
        self.policies: dict[str, WorkloadPolicy] = {}  # of the few namespaces that have one
        self.is_listed = False

    def replace(self, policies: Iterable[NamespacePolicy], /) -> None:
        """Replace all."""
        self.policies = {name: policy for name, policy in policies if policy is not NO_POLICY}
        self.is_listed = True

    def upsert(self, policy: NamespacePolicy, /) -> None:
        """Store the policy of a namespace that was added or modified."""
        self.policies.pop(policy.namespace, None)
        if policy.policy is not NO_POLICY:
            self.policies[policy.namespace] = policy.policy

    def delete(self, policy: NamespacePolicy, /) -> None:
        """Remove a deleted namespace."""
        self.policies.pop(policy.namespace, None)


class NamespacePolicies:
    """The policies of all watches."""

    def __init__(self) -> None:
        self._listed: list[ListedPolicies] = []

    def new_receiver(self, namespace: str = "") -> ListedPolicies:
        """A new receiver of the policies of one watch."""
        receiver = ListedPolicies(namespace)
        self._listed.append(receiver)
        return receiver

    def current(self) -> dict[str, WorkloadPolicy]:
        """The policies by namespace."""
        return {name: policy for listed in self._listed for name, policy in listed.policies.items()}

    def known(self) -> NamespaceSelection:
        """The namespaces of which it is known whether they have a policy."""
        listed = {receiver.namespace for receiver in self._listed if receiver.is_listed}
        return NamespaceSelection(None if "" in listed else frozenset(listed))
