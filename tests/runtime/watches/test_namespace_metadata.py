"""Policies and labels of namespaces: the one watch of their metadata, over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from app.domain.annotations import POLICY_PREFIX, VPA_LABEL
from app.domain.workload_policy import WorkloadPolicy
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.runtime.watches.namespace_metadata import NamespaceMetadataWatches, list_namespace_metadata
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.kubernetes.labelled_namespaces import namespace
from tests.kubernetes.polling import until

PATH = paths.namespaces()


def annotated(name: str, labels: Mapping[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    """A Namespace with these labels and annotations of a policy, and one of each by another writer."""
    ours = {f"{POLICY_PREFIX}{key}": value for key, value in annotations.items()}
    return namespace(
        name,
        labels={"team": "a", **(labels or {})},
        annotations={"example.org/note": "x", **ours},
    )


def rules(policies: dict[str, WorkloadPolicy]) -> dict[str, list[str]]:
    """The annotations of each policy."""
    return {
        name: [f"{rule.annotation}={rule.value}" for rule in policy.rules]
        for name, policy in policies.items()
    }


@asynccontextmanager
async def running(watches: NamespaceMetadataWatches, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
    """The watches run until they are ready, and during the block."""
    task = asyncio.create_task(watches.run())
    try:
        await until(is_ready)
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_policies_follow_the_annotations(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """Metadata alone is watched, of all namespaces; of those without a policy none is kept."""
    server.on("GET", PATH, listed(annotated("shop", risk="low"), annotated("lab")))
    events = [
        {"type": "MODIFIED", "object": annotated("lab", off="true")},
        {"type": "MODIFIED", "object": annotated("shop")},
        {"type": "ADDED", "object": annotated("bank", risk="lowest")},
    ]
    server.on("WATCH", PATH, server.streams(*events, then_hangs=True))
    watches = NamespaceMetadataWatches(patient_client, ())
    registry = watches.registry
    assert not registry.known().covers("shop")

    async with running(watches, lambda: "bank" in registry.policies()):
        assert rules(registry.policies()) == {"lab": ["off=true"], "bank": []}
        assert registry.policies()["bank"].faults
        assert registry.known().covers("anywhere")
    [listing] = server.received("GET")
    assert "labelSelector" not in listing.query
    assert "PartialObjectMetadataList" in listing.headers["Accept"]


async def test_labels_follow_the_namespaces(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """Namespaces without such labels are known, too; other labels are not kept, and deleted ones are gone.

    A namespace that no list and no event had is not among them.
    """
    shop, lab = annotated("shop", {VPA_LABEL: "Off"}), annotated("lab")
    server.on("GET", PATH, listed(shop, lab))
    events = [
        {"type": "MODIFIED", "object": annotated("lab", {VPA_LABEL: "Recreate"})},
        {"type": "DELETED", "object": shop},
        {"type": "ADDED", "object": annotated("bank")},
    ]
    server.on("WATCH", PATH, server.streams(*events, then_hangs=True))
    watches = NamespaceMetadataWatches(patient_client, ())

    async with running(watches, lambda: "bank" in watches.registry.vpa_labels()):
        assert watches.registry.vpa_labels() == {"lab": ((VPA_LABEL, "Recreate"),), "bank": ()}


async def test_one_watch_has_both(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """One list and one watch serve the policies and the labels of a namespace, and a change of either."""
    server.on("GET", PATH, listed(annotated("shop", {VPA_LABEL: "Off"}, risk="low")))
    modified = {"type": "MODIFIED", "object": annotated("shop", {VPA_LABEL: "Initial"}, risk="low")}
    server.on("WATCH", PATH, server.streams(modified, then_hangs=True))
    watches = NamespaceMetadataWatches(patient_client, ())
    registry = watches.registry

    async with running(watches, lambda: registry.vpa_labels() == {"shop": ((VPA_LABEL, "Initial"),)}):
        assert rules(registry.policies()) == {"shop": ["risk=low"]}
    assert (len(server.received("GET")), len(server.received("WATCH"))) == (1, 1)


async def test_a_deleted_namespace_has_none(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """A new one of its name begins without the old policy and labels; listed ones are watched by name."""
    shop = annotated("shop", {VPA_LABEL: "Off"}, risk="low")
    server.on("GET", PATH, listed(shop))
    server.on("WATCH", PATH, server.streams({"type": "DELETED", "object": shop}, then_hangs=True))
    watches = NamespaceMetadataWatches(patient_client, ("shop",))
    registry = watches.registry

    async with running(watches, lambda: registry.known().covers("shop") and not registry.policies()):
        assert registry.vpa_labels() == {}
        assert not registry.known().covers("lab")
    assert server.received("GET")[0].query["fieldSelector"] == "metadata.name=shop"


async def test_a_single_run_lists_them(client: ClusterClient, server: FakeApiServer) -> None:
    """Each listed namespace by its name; what may not be listed is not known."""
    server.on("GET", PATH, listed(annotated("shop", {VPA_LABEL: "Off"}, risk="low")))

    sentences: list[str] = []
    found = await list_namespace_metadata(client, ("shop",), sentences.append)
    server.on("GET", PATH, refuses(403))
    unknown = await list_namespace_metadata(client, (), sentences.append)

    assert rules(found.policies()) == {"shop": ["risk=low"]}
    assert found.known().covers("shop")
    assert not unknown.known().covers("shop")
    assert unknown.vpa_labels() == {}
    (sentence,) = sentences
    assert sentence.startswith("Namespaces can't be listed, so their annotations don't count: GET /api/v1/")
    assert server.received("GET")[0].query["fieldSelector"] == "metadata.name=shop"
