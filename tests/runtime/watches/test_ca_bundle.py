"""A replica is ready while API servers would accept its certificate, as far as the bundle is readable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.http_server.listener import Listener
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.periodic import Backoff
from app.runtime.watches.ca_bundle import CaBundleWatch
from app.tls.self_dial import SelfDial
from app.tls.serving import ServingContext
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.kubernetes.polling import until
from tests.kubernetes.webhook_configurations import client_config, configuration
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC)
NAME = "job-profiler.profiling.svc"
AUTHORITY, SUCCESSOR = issue_authority(NOW), issue_authority(NOW)
LEAF, NEXT_LEAF = (issue_serving_certificate(each, (NAME,), NOW) for each in (AUTHORITY, SUCCESSOR))
BOTH = SUCCESSOR.certificate + AUTHORITY.certificate
CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")
COLLECTION = paths.mutating_webhook_configuration("").removesuffix("/")
REFUSED = f"API servers would refuse the certificate for {NAME}: "


def trusting(bundle: bytes, version: str = "7") -> dict[str, Any]:
    return configuration(pods={"clientConfig": client_config(bundle)}, version=version)


class Replica:
    """A listener with its self-dial, as in the webhook role."""

    def __init__(self) -> None:
        self.serving = ServingContext()
        self.listener = Listener(_rejects_requests, "127.0.0.1", 0, self.serving.context)
        self.self_dial = SelfDial(self.serving, lambda: self.listener.own_address)
        self.reasons: list[str | None] = []

    async def observe(self) -> None:
        """Record each change of the reason."""
        while True:
            if self.reasons[-1:] != [self.self_dial.reason]:
                self.reasons.append(self.self_dial.reason)
            await asyncio.sleep(0.001)


async def _rejects_requests(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("a self-dial sends no request")


@asynccontextmanager
async def running(server: FakeApiServer, directory: Path) -> AsyncIterator[tuple[Replica, CaBundleWatch]]:
    """A replica that serves its first certificate and watches the bundle."""
    replica = Replica()
    replica.serving.load(LEAF)
    async with open_cluster(server.kubeconfig(directory)) as client:
        trust = CaBundleWatch(client, "job-profiler", replica.self_dial)
        trust.watch.backoff = Backoff(first_seconds=0.02, limit_seconds=0.1)
        work = (
            replica.listener.run_until_cancelled(),
            replica.self_dial.run(),
            trust.watch.run(),
            replica.observe(),
        )
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        try:
            yield replica, trust
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """A cluster that trusts the first authority; its watch has no events."""
    async with FakeApiServer() as fake:
        fake.on("GET", COLLECTION, listed(trusting(AUTHORITY.certificate)))
        fake.on("WATCH", COLLECTION, fake.streams(then_hangs=True))
        yield fake


async def test_a_replica_that_is_trusted_is_ready(server: FakeApiServer, tmp_path: Path) -> None:
    """List and watch select a single configuration by name, so RBAC for that name is enough."""
    async with running(server, tmp_path) as (replica, trust):
        await until(lambda: replica.self_dial.reason is None)

        assert trust.matches is True
        await server.wait_for("WATCH", 1)
    assert {request.query["fieldSelector"] for request in server.requests} == {"metadata.name=job-profiler"}


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([trusting(b"")], "the caBundle of the webhook configuration holds no certificate"),
        ([trusting(SUCCESSOR.certificate)], REFUSED),
        ([], "the webhook configuration is missing"),
    ],
    ids=["empty", "foreign", "missing"],
)
async def test_a_replica_that_is_not_trusted_says_why(
    server: FakeApiServer, tmp_path: Path, items: list[Any], reason: str
) -> None:
    """An API server could not call this replica."""
    server.on("GET", COLLECTION, listed(*items))
    async with running(server, tmp_path) as (replica, trust):
        await until(lambda: str(replica.self_dial.reason).startswith(reason))

        assert trust.matches is False


async def test_a_missing_right_leaves_the_bundle_out(server: FakeApiServer, tmp_path: Path) -> None:
    """Several 403 responses give one log line; the replica is ready since its listener answers.

    A certificate of any authority is accepted, and the metric has no sample; once the permission is granted,
    the bundle is compared again.
    """
    server.on("GET", COLLECTION, refuses(403, "no"))
    with capture_logs() as logs:
        async with running(server, tmp_path) as (replica, trust):
            await until(lambda: replica.self_dial.reason is None)
            await server.wait_for("GET", 4)
            replica.serving.load(NEXT_LEAF)
            await asyncio.sleep(0.1)
            assert (replica.self_dial.reason, trust.matches) == (None, None)
            for path, script in ((COLLECTION, listed), (CONFIGURATION, answers)):
                server.on("GET", path, script(trusting(AUTHORITY.certificate)))
            await until(lambda: str(replica.self_dial.reason).startswith(REFUSED))
            assert trust.matches is False

    warnings = [line for line in logs if line["event"] == "ca_bundle_not_compared"]
    assert [line["path"] for line in warnings] == [CONFIGURATION]


async def test_a_right_that_is_taken_away_takes_no_replica_down(
    server: FakeApiServer, tmp_path: Path
) -> None:
    """A rollback of the chart may remove the permission first: the last bundle may then be out of date."""
    server.on("WATCH", COLLECTION, refuses(403, "no"))
    server.on("GET", COLLECTION, listed(trusting(AUTHORITY.certificate)), refuses(403, "no"))
    async with running(server, tmp_path) as (replica, trust):
        await until(lambda: trust.matches is None and replica.self_dial.reason is None)
        replica.serving.load(NEXT_LEAF)
        await asyncio.sleep(0.1)

        assert replica.self_dial.reason is None


async def test_a_rotation_that_is_watched_leaves_a_replica_ready(
    server: FakeApiServer, tmp_path: Path
) -> None:
    """The successor is published beside the authority, then signs, then is alone: the replica stays ready."""
    published = {"type": "MODIFIED", "object": trusting(BOTH, "8")}
    server.on("WATCH", COLLECTION, server.streams(published), server.streams(then_hangs=True))
    async with running(server, tmp_path) as (replica, _):
        await until(lambda: replica.self_dial.reason is None)
        await server.wait_for("WATCH", 2)
        replica.serving.load(NEXT_LEAF)
        await asyncio.sleep(0.1)
        replica.self_dial.trust(SUCCESSOR.certificate)
        await asyncio.sleep(0.1)

        assert replica.reasons[-1] is None
        assert replica.reasons.count(None) == 1


async def test_a_watch_that_lags_behind_leaves_a_replica_ready(server: FakeApiServer, tmp_path: Path) -> None:
    """The new certificate is seen before the new bundle, which is already in force: the replica reads it.

    One GET is enough; the same certificate with a bundle without its authority is rejected.
    """
    server.on("GET", CONFIGURATION, answers(trusting(BOTH)), answers(trusting(AUTHORITY.certificate)))
    async with running(server, tmp_path) as (replica, trust):
        await until(lambda: replica.self_dial.reason is None)
        replica.serving.load(NEXT_LEAF)
        await asyncio.sleep(0.2)

        assert replica.reasons[-1] is None
        assert replica.reasons.count(None) == 1
        assert [request.path for request in server.received("GET")].count(CONFIGURATION) == 1
        replica.self_dial.trust(AUTHORITY.certificate)
        await until(lambda: str(replica.self_dial.reason).startswith(REFUSED))
        assert trust.matches is False


@pytest.mark.parametrize("answer", [refuses(503), refuses(404)], ids=["away", "deleted"])
async def test_without_a_newer_bundle_that_of_the_watch_counts(
    server: FakeApiServer, tmp_path: Path, answer: Any
) -> None:
    """An API server that fails, or has no configuration, makes no certificate acceptable."""
    server.on("GET", CONFIGURATION, answer)
    async with running(server, tmp_path) as (replica, _):
        await until(lambda: replica.self_dial.reason is None)
        replica.serving.load(NEXT_LEAF)

        await until(lambda: replica.self_dial.reason is not None)
