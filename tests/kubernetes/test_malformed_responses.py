"""Single objects of other types than the API's: each reader raises ClusterError, which its caller retries."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.checkpoint_maps import KEY, LABEL, PREFIX, CheckpointMaps
from app.kubernetes.client import ClusterClient
from app.kubernetes.secrets import CachedSecret
from app.kubernetes.self_probe.probe import Probe, ProbePolicy
from app.kubernetes.status_map import NAME, StatusMap
from app.kubernetes.webhook_configuration import WebhookConfiguration
from app.kubernetes.webhook_entries import PROBE_WEBHOOK, WEBHOOK
from app.runtime.watches.namespaces import list_scope
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer, answers

_CLIENT_CONFIG = {"caBundle": "YQ==", "service": {"name": "s"}}
RIGHT: dict[str, Any] = {
    "metadata": {"name": f"{PREFIX}000000000000", "uid": "u", "resourceVersion": "1", "annotations": {}},
    "data": {"tls.crt": "YQ==", "probe.json": "{}"},
    "binaryData": {KEY: "YQ=="},
    "resources": [{"name": "cronjobs"}],
    "webhooks": [{"name": name, "clientConfig": _CLIENT_CONFIG} for name in (WEBHOOK, PROBE_WEBHOOK)],
}
RIGHT["items"] = [{"metadata": RIGHT["metadata"] | {"labels": {LABEL: "true"}}}]
WRONG: tuple[Any, ...] = (None, 5, "x", [], {}, [5])
READERS: dict[str, Callable[[ClusterClient], Awaitable[object]]] = {
    "checkpoint versions": lambda client: CheckpointMaps(client, "own").versions(),
    "checkpoint": lambda client: CheckpointMaps(client, "own").read("000000000000"),
    "written checkpoint": lambda client: CheckpointMaps(client, "own").write("000000000000", b"", None),
    "secret": lambda client: CachedSecret(client, "own", "tls").write({"tls.crt": b"a"}),
    "caBundle": lambda client: WebhookConfiguration(client, "hook").read_ca_bundle(),
    "new caBundle": lambda client: WebhookConfiguration(client, "hook").publish_ca_bundle(b"b"),
    "status": lambda client: StatusMap(client, "own").read_all(),
    "probe": lambda client: Probe(client, ProbePolicy("own", "hook", {})).run_once(),
    "scope": lambda client: list_scope(client, read_settings({})),
}


def variants(right: Any) -> list[Any]:
    """*right* with each of its fields replaced by each wrong value, or left out."""
    found: list[Any] = list(WRONG)
    if isinstance(right, dict):
        for key, value in right.items():
            found += [right | {key: variant} for variant in variants(value)]
            found.append({name: item for name, item in right.items() if name != key})
    if isinstance(right, list):
        found += [[variant, *right[1:]] for variant in variants(right[0])]
    return found


@pytest.mark.parametrize("reader", READERS)
async def test_a_wrong_object_is_a_fault_of_the_request(
    reader: str, server: FakeApiServer, client: ClusterClient
) -> None:
    """With 200 wrong objects none raises anything else, which would end the profiler for all."""
    collections = (paths.config_maps("own"), paths.namespaces())
    objects = (
        paths.config_map("own", NAME),
        paths.config_map("own", f"{PREFIX}000000000000"),
        paths.secret("own", "tls"),
        paths.mutating_webhook_configuration("hook"),
    )
    for variant in variants(RIGHT):
        for verb in ("GET", "PUT", "PATCH", "POST"):
            for path in (*collections, *objects):
                server.on(verb, path, answers(variant))
        async with asyncio.timeout(10):
            with suppress(ClusterError):
                await READERS[reader](client)


async def test_a_wrong_checkpoint_is_left_out_of_the_list(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Of two listed ones, the other is read."""
    metadata = RIGHT["metadata"]
    items = [{"metadata": metadata | {"resourceVersion": 5}}, {"metadata": metadata}, {"metadata": None}]
    server.on("GET", paths.config_maps("own"), answers({"metadata": {}, "items": items}))

    assert await CheckpointMaps(client, "own").versions() == {"000000000000": "1"}
