"""The webhook role: readiness, the serving certificate from a Secret, and draining."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.kubernetes.client import open_cluster
from app.runtime.health_metrics import HealthMetrics
from app.runtime.watches.serving_certificate import ServingCertificateSink
from app.runtime.webhook_role import WebhookRole
from app.tls.key_pairs import KeyPair, certificate_of, to_secret_data
from app.tls.serving import ServingContext
from app.webhook.constraint_index import ConstraintIndex
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.kubernetes.polling import until
from tests.tls.handshakes import strict_client
from tests.tls.issued import issue_authority, issue_serving_certificate
from tests.webhook.profiles import (
    WEB,
    WEB_ANNOTATIONS,
    cpu,
    kind_of,
    synced_catalogue,
    web_profiles,
    with_containers,
)
from tests.webhook.reviews import applied, encoded, review, web_pod
from tests.webhook.webhooks import SETTINGS, constraint_index

NOW = datetime.now(UTC)
AUTHORITY = issue_authority(NOW)
FIRST = issue_serving_certificate(AUTHORITY, ("127.0.0.1",), NOW)
SECOND = issue_serving_certificate(AUTHORITY, ("127.0.0.1",), NOW)
LOCAL = SETTINGS.model_copy(update={"bind_address": "127.0.0.1", "shutdown_delay": 0})


def secret(data: Mapping[str, bytes]) -> dict[str, Any]:
    encoded_data = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": "job-profiler-tls"}, "data": encoded_data}


def test_the_certificate_of_the_secret_is_served() -> None:
    """The listed certificate, then the changed one; after a deletion the last one stays in use."""
    serving = ServingContext()
    served = ServingCertificateSink(serving)
    served.replace([])
    assert serving.loaded is None
    served.replace([secret(to_secret_data(FIRST))])
    assert serving.loaded == FIRST
    served.upsert(secret(to_secret_data(SECOND)))
    served.delete(secret(to_secret_data(SECOND)))

    assert serving.loaded == SECOND


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"metadata": {"name": "job-profiler-tls"}}, id="emptied"),
        pytest.param({"metadata": {"name": "job-profiler-tls"}, "data": None}, id="null"),
        pytest.param({"metadata": {"name": "job-profiler-tls"}, "data": {"tls.crt": "a"}}, id="not-base64"),
        pytest.param(secret({"tls.crt": FIRST.certificate}), id="half-a-pair"),
        pytest.param(secret(to_secret_data(KeyPair(SECOND.certificate, FIRST.private_key))), id="mismatch"),
        pytest.param(secret(to_secret_data(KeyPair(b"hello", b"world"))), id="nonsense"),
    ],
)
def test_a_secret_that_can_not_be_served_leaves_the_certificate_before(manifest: dict[str, Any]) -> None:
    """Nothing is raised, so the watch continues and the next change loads."""
    serving = ServingContext()
    served = ServingCertificateSink(serving)
    served.upsert(secret(to_secret_data(FIRST)))
    served.upsert(manifest)
    assert serving.loaded == FIRST

    served.upsert(secret(to_secret_data(SECOND)))
    assert serving.loaded == SECOND


@asynccontextmanager
async def listening(role: WebhookRole) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Runs the role on a free port; yields a client that trusts it once the role is ready."""
    role.listener.config.port = 0
    role.self_dial.trust(AUTHORITY.certificate)
    serving = asyncio.create_task(role.listener.run_until_cancelled())
    dialling = asyncio.create_task(role.self_dial.run())
    try:
        await until(lambda: role.unready_reason() is None)
        url = f"https://127.0.0.1:{role.listener.servers[0].sockets[0].getsockname()[1]}/mutate"
        async with httpx.AsyncClient(verify=strict_client(AUTHORITY.certificate), trust_env=False) as client:
            yield client, url
    finally:
        for task in (serving, dialling):
            task.cancel()
        await asyncio.gather(serving, dialling, return_exceptions=True)


async def test_it_becomes_ready_step_by_step_and_drains_before_it_ends() -> None:
    """It waits for the profiles, then for a certificate, then for its listener; then it serves.

    While it drains it still answers, and each answer closes its connection.
    """
    catalogue = ProfileCatalogue()
    role = WebhookRole(LOCAL, catalogue, CollectorRegistry())
    assert role.unready_reason() == "waiting for the initial list of profiles"
    for resource in KINDS:
        catalogue.replace(
            resource, [manifest for manifest in web_profiles() if kind_of(manifest) == resource]
        )
    assert (
        role.unready_reason() == "there is no serving certificate yet: the profiler or cert-manager issues it"
    )
    role.serving.load(FIRST)
    assert role.unready_reason() == "waiting for the listener to start"
    async with listening(role) as (client, url):
        before = await client.post(url, content=encoded(review(web_pod())))
        await role.drain()
        after = await client.post(url, content=encoded(review(web_pod())))

    for answer in (before, after):
        assert applied(answer.content, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert ("connection" in before.headers, after.headers["connection"]) == (False, "close")


async def test_with_constraints_it_sets_requests() -> None:
    """A Pod in a namespace with scheduling gets its profile's request; without constraints nothing is set."""
    needs = with_containers(cpu(WEB, "0.250"), {"server": "0.250"})
    catalogue = synced_catalogue(needs, with_containers=True)
    resources = list[object]()
    for constraints in (constraint_index(), None):
        role = WebhookRole(LOCAL, catalogue, CollectorRegistry(), constraints)
        role.serving.load(FIRST)
        async with listening(role) as (client, url):
            answer = await client.post(url, content=encoded(review(web_pod())))
        [container] = applied(answer.content, web_pod())["spec"]["containers"]
        resources.append(container.get("resources"))

    assert resources == [{"requests": {"cpu": "250m"}}, None]


def test_a_webhook_that_sets_requests_waits_for_constraints() -> None:
    """It waits for them after the profiles; then its reason is that of a webhook without constraints."""
    constraints, catalogue = ConstraintIndex(), synced_catalogue()
    role = WebhookRole(SETTINGS, catalogue, CollectorRegistry(), constraints)
    plain = WebhookRole(SETTINGS, catalogue, CollectorRegistry())
    for collection in (
        constraints.namespaces,
        constraints.limit_ranges,
        constraints.quotas,
        constraints.horizontal_autoscalers,
        constraints.vertical_autoscalers,
    ):
        assert role.unready_reason() == (
            "waiting for the initial lists of LimitRanges, ResourceQuotas and autoscalers"
        )
        collection.replace([])

    assert (
        role.unready_reason()
        == plain.unready_reason()
        == ("there is no serving certificate yet: the profiler or cert-manager issues it")
    )


async def test_a_webhook_is_ready_without_the_constraints_of_a_namespace_that_is_gone(tmp_path: Path) -> None:
    """Every list of constraints is refused in `gone`, and empty in `shop`: it waits for nothing more."""
    constraints, health = ConstraintIndex(("shop", "gone")), HealthMetrics(CollectorRegistry())
    role = WebhookRole(SETTINGS, synced_catalogue(), CollectorRegistry(), constraints)
    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        server.on("GET", "/api/v1/namespaces", listed())
        for path in (
            "/api/v1/namespaces/shop/limitranges",
            "/api/v1/namespaces/shop/resourcequotas",
            "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers",
            "/apis/autoscaling.k8s.io/v1/namespaces/shop/verticalpodautoscalers",
        ):
            server.on("GET", path, listed())
            server.on("GET", path.replace("shop", "gone"), refuses(403, "forbidden"))
            server.on("WATCH", path, server.streams(then_hangs=True))
        server.on("WATCH", "/api/v1/namespaces", server.streams(then_hangs=True))
        tasks = role.tasks(client, health)
        watches = [
            asyncio.create_task(work) if " of " in name else work.close() for name, work in tasks.items()
        ]
        await until(lambda: (role.unready_reason() or "").startswith("there is no serving certificate"))

        assert (constraints.covers("shop"), constraints.covers("gone")) == (True, False)
        assert {subject for subject in health.faults() if "gone" in subject} == {
            f"watch of {kind} of namespace gone"
            for kind in ("limitranges", "resourcequotas", "horizontalpodautoscalers")
        }
        running = [task for task in watches if task]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_only_a_webhook_that_sets_requests_watches_constraints(tmp_path: Path) -> None:
    """It has five watches; the other one has that of namespaces that ask for requests in vain."""
    listed = list[set[str]]()
    server = FakeApiServer()
    async with server, open_cluster(server.kubeconfig(tmp_path)) as client:
        for constraints in (None, ConstraintIndex()):
            role = WebhookRole(SETTINGS, synced_catalogue(), CollectorRegistry(), constraints)
            tasks = role.tasks(client, HealthMetrics(CollectorRegistry()))
            listed.append(set(tasks))
            for work in tasks.values():
                work.close()

    asking = {name for name in listed[0] if name.startswith("watch of scheduling labels ")}
    assert len(asking) == 1
    assert listed[0] - asking == {
        "webhook",
        "watch of the serving certificate",
        "watch of the caBundle",
        "self-dial",
        "garbage collection",
        "memory",
    }
    assert listed[1] - listed[0] == {
        f"watch of {plural}"
        for plural in (
            *("namespaces", "limitranges", "resourcequotas"),
            *("horizontalpodautoscalers", "verticalpodautoscalers"),
        )
    }


async def test_its_health_metrics(tmp_path: Path) -> None:
    """The expiry of its certificate, and for each watched resource whether it was listed."""
    server = FakeApiServer()
    async with server, open_cluster(server.kubeconfig(tmp_path)) as client:
        registry = CollectorRegistry()
        role = WebhookRole(SETTINGS, synced_catalogue(), registry, ConstraintIndex())
        tasks = role.tasks(client, HealthMetrics(registry))
        for work in tasks.values():
            work.close()
        role.serving.load(FIRST)

        expiry = registry.get_sample_value("job_profiler_cert_expiry_timestamp_seconds", {"kind": "leaf"})
        watched = {
            resource: registry.get_sample_value("job_profiler_cache_synced", {"resource": resource})
            for resource in ("secrets", "mutatingwebhookconfigurations", "namespaces", "limitranges", "pods")
        }

    certificate = certificate_of(FIRST)
    assert certificate
    assert expiry == certificate.not_valid_after_utc.timestamp()
    assert watched.pop("pods") is None
    assert set(watched.values()) == {0}
    assert registry.get_sample_value("job_profiler_ca_bundle_match") == 0
