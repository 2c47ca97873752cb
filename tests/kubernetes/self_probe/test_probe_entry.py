"""The webhook configuration's entry for the probe, and the probe's report in the status map."""

import base64
import json

import pytest

from app.errors import ConflictError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import Object
from app.kubernetes.status_map import PROBE as PROBE_KEY
from app.kubernetes.status_map import StatusMap
from app.kubernetes.webhook_configuration import WebhookConfiguration
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses
from tests.kubernetes.webhook_configurations import PODS, PROBE, client_config, configuration

CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")
STATUS_MAP = paths.config_map("profiling", "job-profiler-status")


def published(server: FakeApiServer) -> list[tuple[str, bytes]]:
    """Name and CA bundle of each entry in the last apply."""
    [*_, apply] = server.received("PATCH")
    return [
        (entry["name"], base64.b64decode(entry["clientConfig"]["caBundle"]))
        for entry in apply.json["webhooks"]
    ]


async def test_both_entries_get_the_bundle_in_one_write(server: FakeApiServer, client: ClusterClient) -> None:
    """Pods' and probe's entries change in one write, so that no probe sees them with different CA bundles."""
    server.on("GET", CONFIGURATION, answers(configuration()))
    server.on("PATCH", CONFIGURATION, answers(configuration()))

    await WebhookConfiguration(client, "job-profiler").publish_ca_bundle(b"new")

    assert len(server.received("PATCH")) == 1
    assert published(server) == [(PODS, b"new"), (PROBE, b"new")]


@pytest.mark.parametrize("bundle", [None, b"foreign"], ids=["none-yet", "a-foreign-one"])
async def test_a_differing_bundle_of_the_probe_is_repaired(
    server: FakeApiServer, client: ClusterClient, bundle: bytes | None
) -> None:
    """After an upgrade or an edit, one read finds the difference and leads to one write."""
    differing = {"url": "https://127.0.0.1"} if bundle is None else client_config(bundle)
    server.on("GET", CONFIGURATION, answers(configuration(probe={"clientConfig": differing})))
    server.on("PATCH", CONFIGURATION, answers(configuration()))

    assert await WebhookConfiguration(client, "job-profiler").read_ca_bundle() == b"authority"

    assert published(server) == [(PODS, b"authority"), (PROBE, b"authority")]


async def test_equal_bundles_cause_no_write(server: FakeApiServer, client: ClusterClient) -> None:
    """No write if both entries have the same bundle or none, or if there is no entry for the probe."""
    bare: Object = {"clientConfig": {"url": "https://127.0.0.1"}}
    alone = configuration()
    del alone["webhooks"][1]
    configurations = [configuration(), configuration(pods=bare, probe=bare), alone]
    server.on("GET", CONFIGURATION, *map(answers, configurations))
    webhook = WebhookConfiguration(client, "job-profiler")

    assert [await webhook.read_ca_bundle() for _ in configurations] == [b"authority", b"", b"authority"]
    assert server.received("PATCH") == []


async def test_a_repair_of_a_changed_configuration_is_a_conflict(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """If the configuration changes between read and write, the repair raises a ConflictError."""
    server.on("GET", CONFIGURATION, answers(configuration(probe={"clientConfig": client_config(b"x")})))
    server.on("PATCH", CONFIGURATION, refuses(409))

    with pytest.raises(ConflictError):
        await WebhookConfiguration(client, "job-profiler").read_ca_bundle()


async def test_the_two_reports_have_separate_keys(server: FakeApiServer, client: ClusterClient) -> None:
    """Each report is written alone; one read returns both, without keys that are no report."""
    data = {"status.json": '{"signals":[]}', "probe.json": '{"state":"Ok"}', "note": "by hand"}
    server.on("GET", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}, "data": data}))
    server.on("PATCH", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}}))
    probe = StatusMap(client, "profiling", PROBE_KEY)

    await probe.write({"state": "Failing"})

    [patch] = server.received("PATCH")
    assert patch.json == {"data": {"probe.json": json.dumps({"state": "Failing"}, separators=(",", ":"))}}
    assert await probe.read() == {"state": "Ok"}
    assert await probe.read_all() == {"status.json": {"signals": []}, "probe.json": {"state": "Ok"}}
