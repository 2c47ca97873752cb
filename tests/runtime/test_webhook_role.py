"""What the webhook waits for before it is ready, the certificate that it takes from a Secret, its leaving."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.domain.catalogue import ProfileCatalogue
from app.domain.resources import KINDS
from app.runtime.webhook_role import ServedCertificate, WebhookRole
from app.tls.issuing import KeyPair, issue_authority, issue_serving_certificate
from app.tls.secret_data import data_of
from app.tls.serving import ServingContext
from tests.kubernetes.polling import until
from tests.tls.handshakes import strict_client
from tests.webhook.profiles import WEB_ANNOTATIONS, resource_of, web_profiles
from tests.webhook.reviews import applied, encoded, review, web_pod
from tests.webhook.webhooks import SETTINGS

NOW = datetime.now(UTC)
AUTHORITY = issue_authority(NOW)
FIRST = issue_serving_certificate(AUTHORITY, ("127.0.0.1",), NOW)
SECOND = issue_serving_certificate(AUTHORITY, ("127.0.0.1",), NOW)


def secret(data: Mapping[str, bytes]) -> dict[str, Any]:
    encoded_data = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": "job-profiler-tls"}, "data": encoded_data}


def test_the_certificate_of_the_secret_is_served() -> None:
    """As it was listed, and as it changes; a Secret that vanishes leaves what is served."""
    serving = ServingContext()
    served = ServedCertificate(serving)
    served.replace([])
    assert serving.loaded is None
    served.replace([secret(data_of(FIRST))])
    assert serving.loaded == FIRST
    served.upsert(secret(data_of(SECOND)))
    served.delete(secret(data_of(SECOND)))

    assert serving.loaded == SECOND


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"metadata": {"name": "job-profiler-tls"}}, id="emptied"),
        pytest.param({"metadata": {"name": "job-profiler-tls"}, "data": None}, id="null"),
        pytest.param({"metadata": {"name": "job-profiler-tls"}, "data": {"tls.crt": "a"}}, id="not-base64"),
        pytest.param(secret({"tls.crt": FIRST.certificate}), id="half-a-pair"),
        pytest.param(secret(data_of(KeyPair(SECOND.certificate, FIRST.private_key))), id="mismatch"),
        pytest.param(secret(data_of(KeyPair(b"hello", b"world"))), id="nonsense"),
    ],
)
def test_a_secret_that_can_not_be_served_leaves_the_certificate_before(manifest: dict[str, Any]) -> None:
    """Nothing is raised: the watch goes on, and takes the next change."""
    serving = ServingContext()
    served = ServedCertificate(serving)
    served.upsert(secret(data_of(FIRST)))
    served.upsert(manifest)
    assert serving.loaded == FIRST

    served.upsert(secret(data_of(SECOND)))
    assert serving.loaded == SECOND


async def test_it_becomes_ready_step_by_step_and_drains_before_it_ends() -> None:
    """It waits for the profiles, then for a certificate, then for its listener; then it answers.

    While it drains it still answers, and each answer ends its connection.
    """
    catalogue = ProfileCatalogue()
    settings = SETTINGS.model_copy(update={"bind_address": "127.0.0.1", "shutdown_delay": 0})
    role = WebhookRole(settings, catalogue, CollectorRegistry())
    role.listener.config.port = 0
    assert role.not_ready() == "the profiles have not been listed yet"
    for resource in KINDS:
        catalogue.replace(
            resource, [manifest for manifest in web_profiles() if resource_of(manifest) == resource]
        )
    assert role.not_ready() == "there is no serving certificate yet: the profiler issues it, or cert-manager"
    role.serving.load(FIRST)
    assert role.not_ready() == "the listener has not started yet"
    serving = asyncio.create_task(role.listener.run_until_cancelled())
    try:
        await until(lambda: role.not_ready() is None)
        url = f"https://127.0.0.1:{role.listener.servers[0].sockets[0].getsockname()[1]}/mutate"
        async with httpx.AsyncClient(verify=strict_client(AUTHORITY.certificate), trust_env=False) as client:
            before = await client.post(url, content=encoded(review(web_pod())))
            await role.drain()
            after = await client.post(url, content=encoded(review(web_pod())))
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    for answer in (before, after):
        assert applied(answer.content, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert ("connection" in before.headers, after.headers["connection"]) == (False, "close")
