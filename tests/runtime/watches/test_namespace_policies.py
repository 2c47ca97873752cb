"""Policies on namespaces: the watch of their annotations, over the wire."""

import asyncio
from typing import Any

from app.domain.annotations import POLICY_PREFIX
from app.domain.workload_policy import WorkloadPolicy
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.runtime.watches.namespace_policies import NamespacePolicyWatches, list_policies
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.kubernetes.labelled_namespaces import namespace
from tests.kubernetes.polling import until

PATH = paths.namespaces()


def annotated(name: str, **annotations: str) -> dict[str, Any]:
    """A Namespace with these annotations of a policy, and one of another writer."""
    ours = {f"{POLICY_PREFIX}{key}": value for key, value in annotations.items()}
    return namespace(name, annotations={"example.org/note": "x", **ours})


def rules(policies: dict[str, WorkloadPolicy]) -> dict[str, list[str]]:
    """The annotations of each policy."""
    return {
        name: [f"{rule.annotation}={rule.value}" for rule in policy.rules]
        for name, policy in policies.items()
    }


async def test_policies_follow_the_annotations(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """Metadata alone is watched, of all namespaces; of those without a policy nothing is kept."""
    server.on("GET", PATH, listed(annotated("shop", risk="low"), annotated("lab")))
    events = [
        {"type": "MODIFIED", "object": annotated("lab", off="true")},
        {"type": "MODIFIED", "object": annotated("shop")},
        {"type": "ADDED", "object": annotated("bank", risk="lowest")},
    ]
    watches = NamespacePolicyWatches(patient_client, ())
    assert not watches.registry.known().covers("shop")
    server.on("WATCH", PATH, server.streams(*events, then_hangs=True))

    task = asyncio.create_task(watches.run())
    await until(lambda: "bank" in watches.registry.current())
    task.cancel()
    await asyncio.wait({task})

    assert rules(watches.registry.current()) == {"lab": ["off=true"], "bank": []}
    assert watches.registry.current()["bank"].faults
    assert watches.registry.known().covers("anywhere")
    [listing] = server.received("GET")
    assert "labelSelector" not in listing.query
    assert "PartialObjectMetadataList" in listing.headers["Accept"]


async def test_a_deleted_namespace_has_none(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """A new one of its name begins without the old policy."""
    shop = annotated("shop", risk="low")
    server.on("GET", PATH, listed(shop))
    server.on("WATCH", PATH, server.streams({"type": "DELETED", "object": shop}, then_hangs=True))
    watches = NamespacePolicyWatches(patient_client, ("shop",))

    task = asyncio.create_task(watches.run())
    await until(lambda: watches.registry.known().covers("shop") and not watches.registry.current())
    task.cancel()
    await asyncio.wait({task})

    assert not watches.registry.known().covers("lab")


async def test_a_single_run_lists_them(client: ClusterClient, server: FakeApiServer) -> None:
    """Each listed namespace by its name; what may not be listed is not known."""
    server.on("GET", PATH, listed(annotated("shop", risk="low")))

    sentences: list[str] = []
    found = await list_policies(client, ("shop",), sentences.append)
    server.on("GET", PATH, refuses(403))
    unknown = await list_policies(client, (), sentences.append)

    assert rules(found.current()) == {"shop": ["risk=low"]}
    assert found.known().covers("shop")
    assert not unknown.known().covers("shop")
    (sentence,) = sentences
    assert sentence.startswith("Namespaces can't be listed, so their annotations don't count: GET /api/v1/")
    assert server.received("GET")[0].query["fieldSelector"] == "metadata.name=shop"
