"""The reflector against a real API server."""

import asyncio

import pytest

from app.errors import ExpiredError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, WatchEvent
from app.kubernetes.reflector import Reflector
from app.periodic import Backoff
from tests.cluster.control_plane import ControlPlane
from tests.kubernetes.labelled_config_maps import LABEL_SELECTOR, config_map
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import NameSink, running

pytestmark = pytest.mark.cluster


async def first_event(client: ClusterClient, selection: ListOptions, resource_version: str) -> WatchEvent:
    """The first event of a watch."""
    async with client.watch(selection, resource_version, timeout_seconds=5) as events:
        return await anext(events)


async def test_a_reflector_follows_changes(cluster: ClusterClient, namespace: str) -> None:
    """The sink gets existing, created and deleted objects from one list and one watch."""
    collection = paths.config_maps(namespace)
    await cluster.create(collection, config_map("before"))
    sink = NameSink()
    selection = ListOptions(collection, label_selector=LABEL_SELECTOR, metadata_only=True)

    async with running(Reflector(cluster, selection, sink)):
        await until(lambda: sink.names == {"before"})
        await cluster.create(collection, config_map("after"))
        await until(lambda: sink.names == {"before", "after"})
        await cluster.delete(paths.config_map(namespace, "before"))
        await until(lambda: sink.names == {"after"})

    assert sink.calls == ["replace", "upsert", "delete"]


async def test_a_reflector_survives_a_restart_of_the_api_server(
    cluster: ClusterClient, control_plane: ControlPlane, namespace: str
) -> None:
    """While the API server restarts, the sink keeps its objects; objects created later reach it.

    A restarted API server has no events from before its start: a watch from resourceVersion 1 has expired.
    """
    collection = paths.config_maps(namespace)
    sink = NameSink()
    backoff = Backoff(first_seconds=0.2, limit_seconds=1)
    selection = ListOptions(collection, label_selector=LABEL_SELECTOR)

    async with running(Reflector(cluster, selection, sink, backoff=backoff)):
        await cluster.create(collection, config_map("before"))
        await until(lambda: sink.names == {"before"})
        await asyncio.to_thread(control_plane.stop_api_server)
        assert sink.names == {"before"}
        # In this thread, although it blocks the loop: the process ends with the thread that starts it.
        control_plane.start_api_server()
        await cluster.create(collection, config_map("after"))
        await until(lambda: sink.names == {"before", "after"}, within_seconds=30)
        with pytest.raises(ExpiredError):
            await first_event(cluster, ListOptions(collection), "1")
