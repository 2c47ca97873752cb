"""A replica that API servers could not call is not ready, and reports the reason."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from app.http_server.listener import Listener
from app.tls.key_pairs import KeyPair
from app.tls.self_dial import SelfDial, dial
from app.tls.serving import ServingContext
from tests.kubernetes.polling import until
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
NAME = "job-profiler.profiling.svc"
AUTHORITY, OTHER = issue_authority(NOW), issue_authority(NOW)
SERVED = issue_serving_certificate(AUTHORITY, (NAME, "127.0.0.1"), NOW)
NO_BUNDLE = "the caBundle of the webhook configuration holds no certificate: the profiler publishes it"
REFUSED = f"API servers would refuse the certificate for {NAME}: "


async def never_asked(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("a self-dial sends no request")


@asynccontextmanager
async def served(pair: KeyPair | None, client_authorities: bytes | None = None) -> AsyncIterator[Listener]:
    """A listener in this event loop."""
    serving = ServingContext(client_authorities)
    if pair:
        serving.load(pair)
    listener = Listener(never_asked, "127.0.0.1", 0, serving.context)
    task = asyncio.create_task(listener.run_until_cancelled())
    try:
        await until(lambda: listener.started)
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reason_of(
    pair: KeyPair | None, bundle: bytes, name: str = NAME, client_authorities: bytes | None = None
) -> str | None:
    async with served(pair, client_authorities) as listener:
        assert listener.own_address
        return await dial(listener.own_address, bundle, name)


@pytest.mark.parametrize(
    "bundle",
    [AUTHORITY.certificate, OTHER.certificate + AUTHORITY.certificate],
    ids=["one-authority", "two"],
)
@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
async def test_a_certificate_that_api_servers_would_accept_has_no_reason(bundle: bytes, name: str) -> None:
    """For a DNS name or an address, signed by any authority in the bundle."""
    assert await reason_of(SERVED, bundle, name) is None


@pytest.mark.parametrize(
    ("pair", "bundle", "reason"),
    [
        pytest.param(SERVED, b"", NO_BUNDLE, id="empty-bundle"),
        pytest.param(SERVED, b"hello", NO_BUNDLE, id="nonsense"),
        pytest.param(SERVED, b"\xff", NO_BUNDLE, id="no-text"),
        pytest.param(SERVED, OTHER.certificate, REFUSED + "unable to get local issuer", id="not-trusted"),
        pytest.param(
            issue_serving_certificate(AUTHORITY, (NAME,), NOW - timedelta(days=8)),
            AUTHORITY.certificate,
            REFUSED + "certificate has expired",
            id="expired",
        ),
        pytest.param(
            issue_serving_certificate(AUTHORITY, ("other.profiling.svc",), NOW),
            AUTHORITY.certificate,
            REFUSED + "Hostname mismatch",
            id="another-name",
        ),
        pytest.param(
            None, AUTHORITY.certificate, "the webhook's listener does not respond: ", id="no-certificate"
        ),
    ],
)
async def test_a_certificate_that_api_servers_would_refuse_has_a_reason(
    pair: KeyPair | None, bundle: bytes, reason: str
) -> None:
    """The reason states the fault and its place."""
    actual = await reason_of(pair, bundle)

    assert actual is not None
    assert actual.startswith(reason)


async def test_a_listener_that_is_gone_has_a_reason() -> None:
    """The port is closed."""
    async with served(SERVED) as listener:
        address = listener.own_address
    assert address

    reason = await dial(address, AUTHORITY.certificate, NAME)

    assert reason is not None
    assert reason.startswith("the webhook's listener does not respond: ")


def test_a_required_client_certificate_is_not_needed_to_find_out(caplog: pytest.LogCaptureFixture) -> None:
    """The server proves its identity before it rejects the client; the rejection is not logged.

    An untrusted authority is a reason in this case too.
    """
    caplog.set_level(logging.DEBUG)
    reasons = [
        uvloop.run(reason_of(SERVED, bundle, client_authorities=OTHER.certificate))
        for bundle in (AUTHORITY.certificate, OTHER.certificate)
    ]

    assert reasons[0] is None
    assert str(reasons[1]).startswith(REFUSED)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_certificate_that_is_its_own_authority_is_accepted_as_api_servers_do(tmp_path: Path) -> None:
    """Go accepts each certificate in a bundle as a root, even the served certificate itself."""
    assert await reason_of(SERVED, SERVED.certificate) is None


@asynccontextmanager
async def dialling(period_seconds: float = 60) -> AsyncIterator[tuple[SelfDial, ServingContext]]:
    """A listener without a certificate, and its self-dial."""
    serving = ServingContext()
    listener = Listener(never_asked, "127.0.0.1", 0, serving.context)
    self_dial = SelfDial(serving, lambda: listener.own_address, period_seconds)
    tasks = [asyncio.create_task(work) for work in (listener.run_until_cancelled(), self_dial.run())]
    try:
        yield self_dial, serving
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_reason_changes_step_by_step() -> None:
    """Certificate, configuration, bundle, trust; each change is noticed at once, long before the period."""
    async with dialling() as (self_dial, serving):
        await until(lambda: str(self_dial.reason).startswith("there is no serving certificate yet"))
        serving.load(SERVED)
        await until(lambda: str(self_dial.reason).startswith("the webhook configuration is missing"))
        self_dial.trust(b"")
        await until(lambda: self_dial.reason == NO_BUNDLE)
        self_dial.trust(OTHER.certificate)
        await until(lambda: str(self_dial.reason).startswith(REFUSED))
        self_dial.trust(OTHER.certificate + AUTHORITY.certificate)
        await until(lambda: self_dial.reason is None)
        serving.load(issue_serving_certificate(issue_authority(NOW), (NAME,), NOW))
        await until(lambda: str(self_dial.reason).startswith(REFUSED))
        serving.load(SERVED)
        await until(lambda: self_dial.reason is None)
        self_dial.trust(None)
        await until(lambda: str(self_dial.reason).startswith("the webhook configuration is missing"))


async def test_expiry_is_noticed_in_the_next_period() -> None:
    """A certificate of 1 s is accepted, and rejected after its expiry, without another load or bundle."""
    async with dialling(period_seconds=0.1) as (self_dial, serving):
        now = datetime.now(UTC)
        serving.load(issue_serving_certificate(AUTHORITY, (NAME,), now, timedelta(seconds=2)))
        self_dial.trust(AUTHORITY.certificate)
        await until(lambda: self_dial.reason is None)

        await until(lambda: self_dial.reason == REFUSED + "certificate has expired")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("*.profiling.svc", NAME), None),
        (("*.profiling.svc",), "the serving certificate has no name without a wildcard: add one"),
    ],
    ids=["a-wildcard-before-it", "a-wildcard-alone"],
)
async def test_the_name_is_the_first_that_can_be_dialled(names: tuple[str, ...], reason: str | None) -> None:
    """A client can't use a wildcard as a server name."""
    async with dialling() as (self_dial, serving):
        serving.load(issue_serving_certificate(AUTHORITY, names, NOW))
        self_dial.trust(AUTHORITY.certificate)

        await until(lambda: self_dial.reason == reason)
