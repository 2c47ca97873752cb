"""Labels of namespaces that decide on VerticalPodAutoscalers: the watch, over the wire."""

import asyncio

from app.domain.annotations import VPA_LABEL
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.runtime.watches.namespace_labels import NamespaceLabelWatches
from tests.kubernetes.fake_api_server import FakeApiServer, listed
from tests.kubernetes.labelled_namespaces import namespace
from tests.kubernetes.polling import until

PATH = paths.namespaces()


async def test_labels_follow_the_namespaces(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """Namespaces without such labels are known, too; other labels are not kept, and deleted ones are gone."""
    shop, lab = (
        namespace("shop", labels={VPA_LABEL: "Off", "team": "a"}),
        namespace("lab", labels={"team": "b"}),
    )
    server.on("GET", PATH, listed(shop, lab))
    events = [
        {"type": "MODIFIED", "object": namespace("lab", labels={VPA_LABEL: "Recreate"})},
        {"type": "DELETED", "object": shop},
        {"type": "ADDED", "object": namespace("bank")},
    ]
    server.on("WATCH", PATH, server.streams(*events, then_hangs=True))
    watches = NamespaceLabelWatches(patient_client, ())

    task = asyncio.create_task(watches.run())
    await until(lambda: "bank" in watches.registry.current())
    task.cancel()
    await asyncio.wait({task})

    assert watches.registry.current() == {"lab": ((VPA_LABEL, "Recreate"),), "bank": ()}
    [listing] = server.received("GET")
    assert "PartialObjectMetadataList" in listing.headers["Accept"]


async def test_listed_namespaces_are_watched_by_name(
    patient_client: ClusterClient, server: FakeApiServer
) -> None:
    """The account has no right to list others."""
    server.on("GET", PATH, listed(namespace("shop", labels={VPA_LABEL: "Off"})))
    watches = NamespaceLabelWatches(patient_client, ("shop",))

    task = asyncio.create_task(watches.run())
    await until(lambda: "shop" in watches.registry.current())
    task.cancel()
    await asyncio.wait({task})

    assert server.received("GET")[0].query["fieldSelector"] == "metadata.name=shop"
