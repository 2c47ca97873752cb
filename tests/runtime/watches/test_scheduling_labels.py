"""Namespaces that ask for requests, by their label: over the wire, and in the webhook's log."""

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from app.domain.catalogue import ProfileCatalogue
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.runtime.watches.scheduling_labels import SchedulingLabelWatches
from app.runtime.webhook_role import WebhookRole
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.kubernetes.labelled_namespaces import matching, namespace
from tests.kubernetes.polling import until

PATH = paths.namespaces()
ASKING = "job-profiler.liqo.io/scheduling=true"


def event(kind: str, name: str) -> dict[str, Any]:
    """An event of the watch."""
    return {"type": kind, "object": namespace(name)}


async def test_the_names_follow_the_labels(patient_client: ClusterClient, server: FakeApiServer) -> None:
    """Shop has the label, lab gets it, and shop loses it: each is new once."""
    new: list[str] = []
    server.on("GET", PATH, matching({ASKING: "shop"}))
    events = [
        event("ADDED", "lab"),
        event("DELETED", "shop"),
        event("ADDED", "shop"),
        event("DELETED", "shop"),
    ]
    server.on("WATCH", PATH, server.streams(*events, then_hangs=True))
    watches = SchedulingLabelWatches(patient_client, (), new.append)

    task = asyncio.create_task(watches.run())
    await until(lambda: watches.names == {"lab"})
    task.cancel()
    await asyncio.wait({task})

    assert new == ["shop", "lab"]
    [listing] = server.received("GET")
    assert listing.query["labelSelector"] == ASKING
    assert "PartialObjectMetadataList" in listing.headers["Accept"]


async def test_the_log_of_a_webhook_names_each_namespace_once(
    patient_client: ClusterClient, server: FakeApiServer
) -> None:
    """Shop asks twice, which is logged once; kube-system, which is excluded, is not named."""
    server.on("GET", PATH, matching({ASKING: "kube-system shop"}))
    steps = (("DELETED", "shop"), ("ADDED", "shop"), ("ADDED", "lab"))
    server.on("WATCH", PATH, server.streams(*(event(*step) for step in steps), then_hangs=True))
    role = WebhookRole(read_settings({}), ProfileCatalogue(), CollectorRegistry())

    with capture_logs() as lines:
        tasks = [asyncio.create_task(watch.run()) for watch in role._label_watches(patient_client).values()]
        await until(lambda: any(line.get("namespace") == "lab" for line in lines))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    named = [line["namespace"] for line in lines if line["event"] == "scheduling_is_off"]
    assert named == ["shop", "lab"]
