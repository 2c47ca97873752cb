"""The probe's entry is trusted as that for Pods is, and its report lies beside that of the sources."""

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
    """The entries of the last apply, with their bundles."""
    [*_, apply] = server.received("PATCH")
    return [
        (entry["name"], base64.b64decode(entry["clientConfig"]["caBundle"]))
        for entry in apply.json["webhooks"]
    ]


async def test_both_entries_get_the_bundle_in_one_write(server: FakeApiServer, client: ClusterClient) -> None:
    """A probe between two writes would find one entry trusted otherwise than the other."""
    server.on("GET", CONFIGURATION, answers(configuration()))
    server.on("PATCH", CONFIGURATION, answers(configuration()))

    await WebhookConfiguration(client, "job-profiler").publish_ca_bundle(b"new")

    assert len(server.received("PATCH")) == 1
    assert published(server) == [(PODS, b"new"), (PROBE, b"new")]


@pytest.mark.parametrize("bundle", [None, b"foreign"], ids=["none-yet", "a-foreign-one"])
async def test_a_probe_entry_that_is_trusted_otherwise_is_set_right(
    server: FakeApiServer, client: ClusterClient, bundle: bytes | None
) -> None:
    """After an upgrade or an edit, one read leads to one write."""
    differing = {"url": "https://127.0.0.1"} if bundle is None else client_config(bundle)
    server.on("GET", CONFIGURATION, answers(configuration(probe={"clientConfig": differing})))
    server.on("PATCH", CONFIGURATION, answers(configuration()))

    assert await WebhookConfiguration(client, "job-profiler").read_ca_bundle() == b"authority"

    assert published(server) == [(PODS, b"authority"), (PROBE, b"authority")]


async def test_a_look_at_entries_that_agree_writes_nothing(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Also where neither has a bundle yet, and where there is no probe's entry."""
    bare: Object = {"clientConfig": {"url": "https://127.0.0.1"}}
    alone = configuration()
    del alone["webhooks"][1]
    looks = [configuration(), configuration(pods=bare, probe=bare), alone]
    server.on("GET", CONFIGURATION, *map(answers, looks))
    webhook = WebhookConfiguration(client, "job-profiler")

    assert [await webhook.read_ca_bundle() for _ in looks] == [b"authority", b"", b"authority"]
    assert server.received("PATCH") == []


async def test_who_looks_and_is_too_late_reads_again(server: FakeApiServer, client: ClusterClient) -> None:
    """The entry changed between the look and the write: a conflict, as with any write."""
    server.on("GET", CONFIGURATION, answers(configuration(probe={"clientConfig": client_config(b"x")})))
    server.on("PATCH", CONFIGURATION, refuses(409))

    with pytest.raises(ConflictError):
        await WebhookConfiguration(client, "job-profiler").read_ca_bundle()


async def test_the_two_reports_lie_side_by_side(server: FakeApiServer, client: ClusterClient) -> None:
    """Each is written alone; both are read at once, without what is no report."""
    data = {"status.json": '{"signals":[]}', "probe.json": '{"state":"Ok"}', "note": "by hand"}
    server.on("GET", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}, "data": data}))
    server.on("PATCH", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}}))
    probe = StatusMap(client, "profiling", PROBE_KEY)

    await probe.write({"state": "Failing"})

    [patch] = server.received("PATCH")
    assert patch.json == {"data": {"probe.json": json.dumps({"state": "Failing"}, separators=(",", ":"))}}
    assert await probe.read() == {"state": "Ok"}
    assert await probe.read_all() == {"status.json": {"signals": []}, "probe.json": {"state": "Ok"}}
