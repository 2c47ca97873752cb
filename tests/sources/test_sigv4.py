"""Requests to Amazon's Prometheus are signed with the credentials of the environment."""

import builtins
import re
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from app.errors import SourceError
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus_api import PrometheusApi
from tests.sources.wire import FIRST, STEPS, ScriptedPrometheus, answer, row

URL = "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1"
KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token"


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


async def sent(monkeypatch: pytest.MonkeyPatch) -> httpx.Request:
    """A query as it went over the wire."""
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", SECRET), ("SESSION_TOKEN", TOKEN)):
        monkeypatch.setenv(f"AWS_{name}", value)
    wire = ScriptedPrometheus(answer(row({"pod": "web-1"}, [(FIRST, "1")])))
    access = PrometheusCredentials(sigv4_region="eu-west-1")
    async with PrometheusApi(URL, timeout_seconds=60, credentials=access, transport=wire) as api:
        await api.query_range("up", ("pod",), STEPS)
    return wire.requests[0]


async def test_a_query_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the service `aps` in the region, over host, type, body and session token.

    Signed again with the same key at the same time, the request has the same signature.
    """
    request = await sent(monkeypatch)

    authorization = request.headers["authorization"]
    moment = request.headers["x-amz-date"]
    scope = f"{KEY}/{moment[:8]}/eu-west-1/aps/aws4_request"
    signed = "content-type;host;x-amz-date;x-amz-security-token"
    pattern = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature=[0-9a-f]{{64}}"
    assert re.fullmatch(pattern, authorization)
    assert request.headers["x-amz-security-token"] == TOKEN
    again: Any = AWSRequest(
        "POST",
        str(request.url),
        data=request.content,
        headers={name: request.headers[name] for name in signed.split(";")},
    )
    again.context["timestamp"] = moment
    signer = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "aps", "eu-west-1")
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    assert authorization.endswith(f"Signature={signature}")


async def test_missing_credentials_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment, no file, no role: the query fails with this reason."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    wire = ScriptedPrometheus(answer())
    access = PrometheusCredentials(sigv4_region="eu-west-1")
    async with PrometheusApi(URL, timeout_seconds=60, credentials=access, transport=wire) as api:
        with pytest.raises(SourceError, match="no AWS credentials were found") as caught:
            await api.query_range("up", ("pod",), STEPS)

    assert caught.value.reason == "NoCredentials"
    assert wire.requests == []


def test_without_the_extra_the_setting_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the extra `aws` installs botocore."""
    imported = builtins.__import__

    def missing(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("botocore"):
            raise ImportError(name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(SourceError, match="PROMETHEUS_SIGV4_REGION needs botocore") as caught:
        PrometheusCredentials(sigv4_region="eu-west-1").authentication()
    assert caught.value.reason == "ExtraMissing"
