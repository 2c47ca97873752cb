"""Requests for Secrets, status map, webhook configuration, profiles and Events."""

import base64
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from app.errors import ClusterError, ConflictError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder, InvolvedObject
from app.kubernetes.list_options import Object
from app.kubernetes.profiles import ProfileWriter
from app.kubernetes.secrets import SecretStore
from app.kubernetes.status_map import StatusMap
from app.kubernetes.webhook_configuration import (
    CaBundleSink,
    WebhookConfiguration,
    ca_bundle_of,
    configuration_selection,
)
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses, thing

SECRET = paths.secret("profiling", "job-profiler-ca")
STATUS_MAP = paths.config_map("profiling", "job-profiler-status")
CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def encoded(data: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(data).decode()


def configuration(ca_bundle: str | None) -> Object:
    """A configuration with another program's webhook before the profiler's."""
    ours: Object = {"name": "pods.job-profiler.liqo.io", "clientConfig": {"url": "https://127.0.0.1"}}
    if ca_bundle is not None:
        ours["clientConfig"]["caBundle"] = ca_bundle
    other = {"name": "other", "clientConfig": {"caBundle": encoded(b"other")}}
    metadata = {"name": "job-profiler", "uid": "u1", "resourceVersion": "7", "labels": {"a": "b"}}
    return {"metadata": metadata, "webhooks": [other, ours]}


async def test_a_secret_is_replaced_in_its_version(server: FakeApiServer, client: ClusterClient) -> None:
    """A write replaces the whole Secret with its resourceVersion: the API server detects conflicts."""
    stored = thing("job-profiler-ca", "7") | {"type": "Opaque", "data": {"old": encoded(b"key")}}
    server.on("GET", SECRET, answers(stored))
    server.on("PUT", SECRET, answers(stored))
    store = SecretStore(client, "profiling", "job-profiler-ca")

    snapshot = await store.read()
    await store.write(snapshot, {"ca.crt": PEM, "ca.key": b"\x00\xff"})

    assert snapshot.data == {"old": b"key"}
    assert server.requests[-1].json == stored | {"data": {"ca.crt": encoded(PEM), "ca.key": "AP8="}}


async def test_a_secret_that_changed_is_a_conflict(server: FakeApiServer, client: ClusterClient) -> None:
    """A 409 is a ConflictError, without a second write."""
    server.on("GET", SECRET, answers(thing("job-profiler-ca")))
    server.on("PUT", SECRET, refuses(409))
    store = SecretStore(client, "profiling", "job-profiler-ca")

    with pytest.raises(ConflictError):
        await store.write(await store.read(), {})

    assert len(server.received("PUT")) == 1


async def test_a_secret_without_data(server: FakeApiServer, client: ClusterClient) -> None:
    """The Secret has no data as the chart renders it: an empty mapping."""
    server.on("GET", SECRET, answers(thing("job-profiler-ca")))

    assert (await SecretStore(client, "profiling", "job-profiler-ca").read()).data == {}


async def test_a_secret_never_shows_its_keys(server: FakeApiServer, client: ClusterClient) -> None:
    """No data is in the repr of a snapshot, or in the error for data that is not base64."""
    secret_text = encoded(b"private")
    server.on(
        "GET",
        SECRET,
        answers(thing("job-profiler-ca") | {"data": {"key": secret_text}}),
        answers(thing("job-profiler-ca") | {"data": {"key": secret_text[:-1]}}),
    )
    store = SecretStore(client, "profiling", "job-profiler-ca")

    assert secret_text not in repr(await store.read())
    with pytest.raises(ClusterError, match="not base64") as caught:
        await store.read()
    assert secret_text[:-2] not in str(caught.value)


async def test_the_status_map_is_patched(server: FakeApiServer, client: ClusterClient) -> None:
    """A write merges one key: other keys stay, and a missing ConfigMap is not created."""
    server.on("PATCH", STATUS_MAP, answers(thing("job-profiler-status")))

    await StatusMap(client, "profiling").write({"sources": {"cpu": "ok"}})

    assert server.requests[0].headers["Content-Type"] == "application/merge-patch+json"
    assert server.requests[0].json == {"data": {"status.json": '{"sources":{"cpu":"ok"}}'}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"data": {"status.json": '{"sources":{}}'}}, {"sources": {}}),
        ({"data": {"status.json": "[]"}}, None),
        ({"data": {"status.json": "{"}}, None),
        ({"data": {"other": "{}"}}, None),
        ({}, None),
    ],
    ids=["written", "no object", "no JSON", "other key", "as rendered"],
)
async def test_reading_the_status_map(
    server: FakeApiServer, client: ClusterClient, data: Object, expected: Object | None
) -> None:
    """The report as it was written; None if there is none, or if a user replaced it."""
    server.on("GET", STATUS_MAP, answers(thing("job-profiler-status") | data))

    assert await StatusMap(client, "profiling").read() == expected


@pytest.mark.parametrize(
    ("live", "expected"),
    [(None, b""), ("", b""), (encoded(PEM), PEM), ("x", b"")],
    ids=["none", "empty", "published", "not base64"],
)
async def test_reading_the_ca_bundle(
    server: FakeApiServer, client: ClusterClient, live: str | None, expected: bytes
) -> None:
    """The bundle of the profiler's webhook, not of the other one."""
    server.on("GET", CONFIGURATION, answers(configuration(live)))

    assert await WebhookConfiguration(client, "job-profiler").read_ca_bundle() == expected


async def test_publishing_touches_one_field(server: FakeApiServer, client: ClusterClient) -> None:
    """The apply contains uid and resourceVersion, and the name and caBundle of the profiler's webhook."""
    server.on("GET", CONFIGURATION, answers(configuration(encoded(b"old"))))
    server.on("PATCH", CONFIGURATION, answers(configuration(encoded(PEM))))

    await WebhookConfiguration(client, "job-profiler").publish_ca_bundle(PEM)

    request = server.requests[-1]
    assert request.query == {"fieldManager": "job-profiler-ca-bundle", "force": "true"}
    assert request.json["metadata"] == {"name": "job-profiler", "uid": "u1", "resourceVersion": "7"}
    assert request.json["webhooks"] == [
        {"name": "pods.job-profiler.liqo.io", "clientConfig": {"caBundle": encoded(PEM)}}
    ]


async def test_publishing_sends_the_entries_in_stored_order(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """The probe's entry may be stored before the one for Pods, with entries of others between them."""
    stored = configuration(encoded(b"old"))
    stored["webhooks"].insert(0, {"name": "probe.job-profiler.liqo.io", "clientConfig": {}})
    server.on("GET", CONFIGURATION, answers(stored))
    server.on("PATCH", CONFIGURATION, answers(stored))

    await WebhookConfiguration(client, "job-profiler").publish_ca_bundle(PEM)

    sent = [entry["name"] for entry in server.requests[-1].json["webhooks"]]
    assert sent == ["probe.job-profiler.liqo.io", "pods.job-profiler.liqo.io"]


async def test_publishing_replaces_the_version_that_was_read(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """A write after a read needs no second read; a write after a write or a conflict reads first."""
    server.on("GET", CONFIGURATION, answers(configuration(encoded(b"old"))))
    server.on("PATCH", CONFIGURATION, refuses(409), answers(configuration(encoded(PEM))))
    webhook = WebhookConfiguration(client, "job-profiler")
    await webhook.read_ca_bundle()
    with pytest.raises(ConflictError):
        await webhook.publish_ca_bundle(PEM)

    await webhook.publish_ca_bundle(PEM)

    assert [request.verb for request in server.requests] == ["GET", "PATCH", "GET", "PATCH"]


async def test_publishing_an_equal_bundle_writes_nothing(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """If the bundle is already published, there is one read and no write."""
    server.on("GET", CONFIGURATION, answers(configuration(encoded(PEM))))

    await WebhookConfiguration(client, "job-profiler").publish_ca_bundle(PEM)

    assert [request.verb for request in server.requests] == ["GET"]


async def test_a_missing_webhook_is_not_created(server: FakeApiServer, client: ClusterClient) -> None:
    """Without the configuration, or without its entry, publishing is an error, and nothing is written."""
    foreign = configuration(None)
    del foreign["webhooks"][1]
    server.on("GET", CONFIGURATION, refuses(404), answers(foreign))
    webhook = WebhookConfiguration(client, "job-profiler")

    with pytest.raises(NotFoundError, match=r"MutatingWebhookConfiguration job-profiler is missing.*chart"):
        await webhook.publish_ca_bundle(PEM)
    with pytest.raises(NotFoundError, match=r"has no webhook pods\.job-profiler\.liqo\.io.*chart"):
        await webhook.publish_ca_bundle(PEM)

    assert server.received("PATCH") == []


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (configuration(encoded(PEM)), PEM),
        (configuration(None), b""),
        ({"metadata": {"name": "job-profiler"}, "webhooks": [{"name": "other"}]}, b""),
        ({"metadata": {"name": "job-profiler"}, "webhooks": None}, b""),
    ],
    ids=["published", "none", "another webhook alone", "no webhook"],
)
def test_the_bundle_of_a_manifest(manifest: Object, expected: bytes) -> None:
    """Empty if the profiler's webhook has no bundle, or if the configuration lacks it."""
    assert ca_bundle_of(manifest) == expected


def test_a_watch_of_the_bundle_reports_each_change() -> None:
    """The listed bundle, the changed one, and None if the configuration is missing or deleted."""
    bundles: list[bytes | None] = []
    sink = CaBundleSink(bundles.append)
    sink.replace([])
    sink.replace([b"listed"])
    sink.upsert(b"changed")
    sink.delete(b"changed")

    assert bundles == [None, b"listed", b"changed", None]
    assert configuration_selection("job-profiler").query == {"fieldSelector": "metadata.name=job-profiler"}


async def test_errors_for_missing_objects_of_the_chart(server: FakeApiServer, client: ClusterClient) -> None:
    """The error for a missing Secret or status map names it and says how to restore it."""
    with pytest.raises(NotFoundError, match=r"Secret profiling/job-profiler-ca is missing.*chart"):
        await SecretStore(client, "profiling", "job-profiler-ca").read()
    for operation in (StatusMap(client, "profiling").read(), StatusMap(client, "profiling").write({})):
        with pytest.raises(NotFoundError, match=r"ConfigMap profiling/job-profiler-status is missing"):
            await operation


async def test_a_profile_is_applied(server: FakeApiServer, client: ClusterClient) -> None:
    """Profile and status are applied to their own paths; the status names its kind."""
    path = "/apis/webapp.liqo.io.profiling/v1/namespaces/profiling/cpuprofiles/cpuprofile-1"
    for patched_path in (path, f"{path}/status"):
        server.on("PATCH", patched_path, answers(thing("cpuprofile-1")))
    writer = ProfileWriter(client, "profiling")

    await writer.apply("cpuprofiles", {"metadata": {"name": "cpuprofile-1"}, "spec": {}})
    await writer.apply_status("cpuprofiles", "cpuprofile-1", {"samples": 12})

    assert [request.path for request in server.requests] == [path, f"{path}/status"]
    managers = [request.query["fieldManager"] for request in server.requests]
    assert managers == ["job-profiler", "job-profiler-status"]
    assert server.requests[1].json == {
        "apiVersion": "webapp.liqo.io.profiling/v1",
        "kind": "CPUProfile",
        "metadata": {"name": "cpuprofile-1", "namespace": "profiling"},
        "status": {"samples": 12},
    }


async def test_an_event_is_about_an_object(server: FakeApiServer, client: ClusterClient) -> None:
    """An Event is in its object's namespace, with source, reason, time and a unique name."""
    path = "/api/v1/namespaces/shop/events"
    server.on("POST", path, answers(thing("event"), status=201))
    about = InvolvedObject("apps/v1", "Deployment", "shop", "web")
    recorder = EventRecorder(client, "profiler-0")

    for _ in range(2):
        await recorder.record(about, "SourceFailed", "no samples" + 2000 * "!", now=NOON, kind="Warning")

    first, second = (request.json for request in server.requests)
    assert first["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
    }
    assert (first["type"], first["reason"], len(first["message"])) == ("Warning", "SourceFailed", 1024)
    assert first["source"] == {"component": "job-profiler", "host": "profiler-0"}
    assert first["firstTimestamp"] == first["lastTimestamp"] == "2026-03-01T12:00:00Z"
    assert first["metadata"]["name"] != second["metadata"]["name"]


async def test_an_event_that_fails_is_only_logged(server: FakeApiServer, client: ClusterClient) -> None:
    """If Events are forbidden, recording one raises nothing and logs a line."""
    server.on("POST", "/api/v1/namespaces/shop/events", refuses(403, "no"))
    about = InvolvedObject("v1", "ConfigMap", "shop", "map", uid="u1")

    with capture_logs() as lines:
        await EventRecorder(client, "profiler-0").record(about, "Reason", "message", now=NOON)

    assert [line["event"] for line in lines] == ["event_not_recorded"]
    assert server.requests[0].json["involvedObject"]["uid"] == "u1"


async def test_events_that_fail_are_logged_once(server: FakeApiServer, client: ClusterClient) -> None:
    """Three refusals are one line, until an Event succeeds; each namespace is counted alone."""
    refused, accepted = refuses(403, "no"), answers(thing("event"), status=201)
    server.on("POST", "/api/v1/namespaces/shop/events", refused, refused, refused, accepted, refused)
    server.on("POST", "/api/v1/namespaces/bank/events", refused)
    recorder = EventRecorder(client, "profiler-0")

    with capture_logs() as lines:
        for namespace in ("shop", "bank", "shop", "bank", "shop", "shop", "shop"):
            about = InvolvedObject("apps/v1", "Deployment", namespace, "web")
            await recorder.record(about, "Reason", "message", now=NOON)

    warned = [line["error"] for line in lines if line["log_level"] == "warning"]
    assert [error.split("/")[4] for error in warned] == ["shop", "bank", "shop"]


async def test_a_deleted_namespace_is_no_fault(server: FakeApiServer, client: ClusterClient) -> None:
    """An Event in a deleted namespace is not logged as a warning."""
    server.on("POST", "/api/v1/namespaces/shop/events", refuses(404, 'namespaces "shop" not found'))
    about = InvolvedObject("apps/v1", "Deployment", "shop", "web")

    with capture_logs() as lines:
        await EventRecorder(client, "profiler-0").record(about, "Reason", "message", now=NOON)

    assert [line["log_level"] for line in lines] == ["debug"]
