"""Watch of the annotations of namespaces, of which only a policy is kept.

An annotation can't be selected as a label can: the watch is of all namespaces, or of each listed one by its
name, because the account has no right to watch others.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import msgspec

from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicySource
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import LeftOut, readable
from app.kubernetes.reflector import Reflector, run_reflectors
from app.profiler.registries.namespace_policies import NamespacePolicies, NamespacePolicy


class NamespacePolicyWatches:
    """Keeps `registry` in sync while `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Collection[str]) -> None:
        self.registry = NamespacePolicies()
        self.reflectors = [
            Reflector(
                client, selection, self.registry.new_receiver(selection.namespace), transform=_read_namespace
            )
            for selection in _selections(namespaces)
        ]

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)


async def list_policies(
    client: ClusterClient, namespaces: Collection[str], report: Callable[[str], None]
) -> NamespacePolicies:
    """The policies now, from one list per selection.

    Those that may not be listed are not known; *report* gets a sentence on them.
    """
    registry = NamespacePolicies()
    for selection in _selections(namespaces):
        receiver = registry.new_receiver(selection.namespace)
        left_out, policies = LeftOut(selection), list[NamespacePolicy]()
        try:
            async for page in client.pages(selection, msgspec.Raw):
                if page.is_first:
                    policies.clear()
                    left_out.clear()
                policies += readable(page.items, _read_namespace, left_out.add)
        except (ForbiddenError, NotFoundError) as error:
            report(f"Namespaces can't be listed, so their annotations don't count: {error}")
        else:
            receiver.replace(policies)
            left_out.log()
    return registry


def _selections(namespaces: Collection[str]) -> Iterator[ListOptions]:
    of_all = ListOptions(paths.namespaces(), metadata_only=True)
    if not namespaces:
        yield of_all
    for name in namespaces:
        yield replace(of_all, field_selector=f"metadata.name={name}")


def _read_namespace(manifest: Object) -> NamespacePolicy:
    metadata = manifest["metadata"]
    policy = read_policy(metadata.get("annotations") or {}, PolicySource.NAMESPACE)
    return NamespacePolicy(metadata["name"], policy)
