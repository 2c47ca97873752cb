"""A real API server calls a webhook with certificates that expire within seconds: no call fails."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector
from app.kubernetes.webhook_configuration import CaBundleSink, ca_bundle_of, configuration_selection
from app.kubernetes.webhook_entries import WEBHOOK
from app.runtime.certificates import certificate_keeper
from app.runtime.watches.serving_certificate import ServingCertificateSink
from app.settings.environment import read_settings
from app.tls.key_pairs import parse_certificates
from app.tls.self_dial import SelfDial
from app.tls.serving import ServingContext
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.open_connections import cut_connections
from tests.http_server.background_listener import BackgroundListener
from tests.kubernetes.polling import until

NAMESPACE, NAME = "rotates", "rotates"
SECONDS = 38
pytestmark = pytest.mark.cluster


class AllowsAll:
    """Admits each review and closes the connection, so that the next review needs a new handshake."""

    def __init__(self) -> None:
        self.reviews = 0

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Answer one review."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        review = msgspec.json.decode(body)
        response = {"uid": review["request"]["uid"], "allowed": True}
        answer = msgspec.json.encode(
            {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
            (b"connection", b"close"),
        ]
        self.reviews += 1
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def objects(port: int) -> list[dict[str, Any]]:
    """The objects as the chart renders them; with failurePolicy Fail, a failed call fails the request."""
    metadata = {"name": NAMESPACE, "labels": {"rotates": "yes"}}
    secrets: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in ("job-profiler-ca", "job-profiler-tls")
    ]
    webhook = {
        "name": WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": f"https://127.0.0.1:{port}/mutate"},
        "namespaceSelector": {"matchLabels": {"rotates": "yes"}},
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        ],
        "objectSelector": {"matchLabels": {"asks": "webhook"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 3,
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [webhook],
    }
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, *secrets, configuration]


async def refusals(cluster: ClusterClient, seconds: float) -> list[str]:
    """Create objects in dry-run one after the other; returns the errors of the failed requests."""
    path = f"{paths.config_maps(NAMESPACE)}?dryRun=All"
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"generateName": "asks-", "labels": {"asks": "webhook"}},
    }
    errors, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await cluster.create(path, manifest)
        except ClusterError as error:
            errors.append(f"{end - time.monotonic():.1f} s before the end: {error}")
        await asyncio.sleep(0.02)
    return errors


async def test_authorities_rotate_without_one_failed_admission(
    control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    """Certificates live 10 s and authorities 30 s: in 38 s there are 2 or 3 authorities, at most 2 trusted.

    Each call is a new handshake. The self-dial succeeds all the time after its first success: a replica stays
    ready through every rotation.
    """
    application, serving, bundles = AllowsAll(), ServingContext(), list[bytes | None]()
    settings = read_settings(
        {
            "own_namespace": NAMESPACE,
            "webhook_configuration": NAME,
            "certificate_names": "127.0.0.1",
            "serving_certificate_lifetime": 10,
            "authority_lifetime": 30,
            "trust_lag": 2,
            "certificate_check_period": 0.5,
        }
    )
    with BackgroundListener(application, serving.context) as listener:
        for manifest in objects(listener.port):
            kubectl.apply(manifest)
        self_dial = SelfDial(serving, lambda: ("127.0.0.1", listener.port), period_seconds=0.2)
        reasons: set[str | None] = set()

        def take(bundle: bytes | None) -> None:
            bundles.append(bundle)
            self_dial.trust(bundle)

        async with open_cluster(str(control_plane.kubeconfig)) as cluster:
            secret = ListOptions(paths.secrets(NAMESPACE), field_selector="metadata.name=job-profiler-tls")
            tasks = [
                asyncio.create_task(work)
                for work in (
                    Reflector(cluster, secret, ServingCertificateSink(serving)).run(),
                    Reflector(
                        cluster, configuration_selection(NAME), CaBundleSink(take), transform=ca_bundle_of
                    ).run(),
                    self_dial.run(),
                    certificate_keeper(cluster, settings).run(settings.certificate_check_period),
                )
            ]
            try:
                await until(lambda: self_dial.reason is None, within_seconds=15)
                await asyncio.sleep(settings.trust_lag)
                failed = asyncio.create_task(refusals(cluster, SECONDS))
                while not failed.done():
                    reasons.add(self_dial.reason)
                    await asyncio.sleep(0.05)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with suppress(Exception):
                    kubectl.run("delete", "mutatingwebhookconfiguration", NAME)

    await cut_connections()
    assert failed.result() == []
    assert reasons == {None}
    assert application.reviews > 100
    authorities = {found for bundle in bundles for found in parse_certificates(bundle or b"")}
    assert len(authorities) in {2, 3}
    assert max(len(parse_certificates(bundle or b"")) for bundle in bundles) == 2
