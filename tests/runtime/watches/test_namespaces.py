"""Labels of Namespaces over the wire: the requests, and the scope that follows the labels."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from app.domain.catalogue import ProfileCatalogue
from app.errors import ForbiddenError, SettingsError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.periodic import Backoff
from app.profiler.registries.namespaces import NamespaceScope
from app.runtime.profiler_role import ProfilerRole
from app.runtime.watches.namespaces import NamespaceWatches, check_selector, list_scope
from app.runtime.watches.profiles import ProfileWatches
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer, refuses
from tests.kubernetes.labelled_namespaces import OPTED_OUT, by_selector, matching, namespace
from tests.kubernetes.polling import until

PATH = paths.namespaces()
SELECTOR = "team in (web)"
SELECTING = read_settings({"profiling_namespace_selector": SELECTOR})
EVERYTHING = read_settings({})


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """An API server whose watches send nothing unless a test scripts them."""
    async with FakeApiServer() as running:
        running.on("WATCH", PATH, running.streams(then_hangs=True))
        yield running


def event(kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"type": kind, "object": namespace(name, **metadata)}


@asynccontextmanager
async def watching(namespaces: NamespaceWatches) -> AsyncIterator[NamespaceScope]:
    task = asyncio.create_task(namespaces.run())
    try:
        await until(lambda: namespaces.scope.is_listed)
        yield namespaces.scope
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_without_a_selector_one_watch_has_the_opted_out_namespaces(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The API server matches the label, and only metadata is requested."""
    server.on("GET", PATH, matching({OPTED_OUT: "legacy"}))

    async with watching(NamespaceWatches(patient_client, EVERYTHING)) as scope:
        await server.wait_for("WATCH", 1)

    assert (scope.covers("legacy"), scope.covers("shop")) == (False, True)
    [listing], [watch_request] = server.received("GET"), server.received("WATCH")
    assert listing.query["labelSelector"] == watch_request.query["labelSelector"] == OPTED_OUT
    assert "fieldSelector" not in listing.query
    assert "PartialObjectMetadataList" in listing.headers["Accept"]
    assert "PartialObjectMetadata;" in watch_request.headers["Accept"]


async def test_the_scope_follows_the_labels(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """At run time web gets the label, shop loses it, and legacy opts out.

    db is created with the label (its creation time is in the future), so it has no past; web has one.
    """
    server.on("GET", PATH, matching({SELECTOR: "shop legacy", OPTED_OUT: ""}))
    selected = (
        event("ADDED", "web"),
        event("ADDED", "db", creationTimestamp="2999-01-01T00:00:00Z"),
        event("DELETED", "shop"),
    )
    watches = {
        SELECTOR: server.streams(*selected, then_hangs=True),
        OPTED_OUT: server.streams(event("ADDED", "legacy"), then_hangs=True),
    }
    server.on("WATCH", PATH, by_selector(watches))

    async with watching(NamespaceWatches(patient_client, SELECTING)) as scope:
        await until(lambda: scope.covers("web") and not scope.covers("shop") and not scope.covers("legacy"))

    assert scope.covers("db")
    assert not scope.covers("other")
    assert scope.take_added() == {"web"}


async def test_listed_namespaces_are_watched_by_their_names(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """One field selector per namespace: RBAC on named objects allows no other kind of watch."""
    settings = read_settings({"profiling_namespace": "shop,web", "profiling_namespace_selector": SELECTOR})
    server.on("GET", PATH, matching({SELECTOR: "", OPTED_OUT: ""}))

    async with watching(NamespaceWatches(patient_client, settings)):
        await server.wait_for("WATCH", 4)

    for verb in ("GET", "WATCH"):
        selectors = {
            (request.query["labelSelector"], request.query["fieldSelector"])
            for request in server.received(verb)
        }
        assert selectors == {
            (selector, f"metadata.name={name}")
            for selector in (SELECTOR, OPTED_OUT)
            for name in ("shop", "web")
        }


async def test_a_watch_that_fails_leaves_the_scope_as_it_is(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """After the first list the API server returns only 500: shop stays in scope, web stays out."""
    server.on("GET", PATH, matching({SELECTOR: "shop", OPTED_OUT: ""}))
    server.on("WATCH", PATH, refuses(500))

    async with watching(NamespaceWatches(patient_client, SELECTING)) as scope:
        await server.wait_for("WATCH", 3)

        assert (scope.covers("shop"), scope.covers("web"), scope.is_listed) == (True, False, True)


async def test_one_list_gives_the_same_scope(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A single run opens no watch."""
    server.on("GET", PATH, matching({SELECTOR: "shop legacy", OPTED_OUT: "legacy"}))

    scope = await list_scope(patient_client, SELECTING)

    assert scope.is_listed
    assert [name for name in ("shop", "legacy", "web") if scope.covers(name)] == ["shop"]
    assert server.received("WATCH") == []


async def test_a_list_that_is_refused_is_an_error(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The caller decides what a missing permission means."""
    server.on("GET", PATH, refuses(403, "forbidden"))

    with pytest.raises(ForbiddenError):
        await list_scope(patient_client, EVERYTHING)


NOT_READABLE = (
    r"PROFILING_NAMESPACE_SELECTOR \(--profiling-namespace-selector\) is 'team in', which is not a valid"
    r" label selector: .*400 Bad Request: unable to parse requirement: team in"
)
WRONG = read_settings({"profiling_namespace_selector": "team in"})


async def test_a_selector_that_can_not_be_read_is_named(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The API server's 400 becomes an error with the setting, its value and the reason."""
    server.on("GET", PATH, matching({OPTED_OUT: ""}))

    for attempt in (check_selector(patient_client, WRONG), list_scope(patient_client, WRONG)):
        with pytest.raises(SettingsError, match=NOT_READABLE):
            await attempt


async def test_an_invalid_selector_ends_the_profiler_before_the_election(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The Lease is never requested: no replica leads with a selector that can never match."""
    server.on("GET", PATH, matching({OPTED_OUT: ""}))
    profiles = ProfileWatches(patient_client, "profiling", ProfileCatalogue())
    role = ProfilerRole(WRONG, patient_client, profiles, CollectorRegistry())

    with pytest.raises(SettingsError, match=NOT_READABLE):
        await role.run()

    assert {request.path for request in server.requests} == {PATH}


async def test_the_check_waits_for_an_api_server_that_is_away(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """503 twice, then a list: three requests, and one log line."""
    server.on("GET", PATH, refuses(503), refuses(503), matching({SELECTOR: ""}))

    with capture_logs() as lines:
        await check_selector(patient_client, SELECTING, Backoff(first_seconds=0.01))

    assert len(server.received("GET")) == 3
    assert [line["event"] for line in lines] == ["contact_lost"]


@pytest.mark.parametrize(
    ("settings", "requests"), [(EVERYTHING, 0), (SELECTING, 1)], ids=["none", "forbidden"]
)
async def test_the_check_is_about_the_selector_alone(
    server: FakeApiServer, patient_client: ClusterClient, settings: Any, requests: int
) -> None:
    """Without a selector nothing is requested; a missing right is logged by the watch."""
    server.on("GET", PATH, refuses(403, "forbidden"))

    await check_selector(patient_client, settings)

    assert len(server.requests) == requests
