"""The client: its requests, and the result or error for each kind of response."""

import asyncio
from pathlib import Path

import pytest

from app.errors import (
    ClusterError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import (
    Answer,
    FakeApiServer,
    answers,
    breaks_off,
    listed,
    refuses,
    sends,
    thing,
)

THINGS = "/api/v1/namespaces/shop/things"
THING = f"{THINGS}/web"


async def test_a_request_carries_token_and_name(server: FakeApiServer, client: ClusterClient) -> None:
    """A request has the kubeconfig's bearer token, and the program's name for the audit log."""
    server.on("GET", THING, answers(thing("web")))

    assert await client.get(THING) == thing("web")

    [request] = server.requests
    assert request.headers["Authorization"] == "Bearer fake-token"
    assert request.headers["User-Agent"] == "kubernetes-job-profiler"


async def test_apply_is_a_server_side_apply(server: FakeApiServer, client: ClusterClient) -> None:
    """An apply is a PATCH with the media type of applies, a field manager, force, and a JSON body."""
    server.on("PATCH", THING, answers(thing("web"), status=201))

    assert await client.apply(THING, thing("web"), field_manager="tester") == thing("web")

    [request] = server.requests
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "tester", "force": "true"}
    assert request.json == thing("web")


async def test_the_other_verbs(server: FakeApiServer, client: ClusterClient) -> None:
    """Create posts to the collection, replace puts, patch merges, and delete deletes: one request each."""
    server.on("POST", THINGS, answers(thing("web"), status=201))
    for verb in ("PUT", "PATCH", "DELETE"):
        server.on(verb, THING, answers(thing("web")))

    await client.create(THINGS, thing("web"))
    await client.replace(THING, thing("web"))
    await client.patch(THING, {"data": {"key": "value"}})
    await client.delete(THING)

    sent = [(request.verb, request.path, request.headers["Content-Type"]) for request in server.requests]
    assert sent == [
        ("POST", THINGS, "application/json"),
        ("PUT", THING, "application/json"),
        ("PATCH", THING, "application/merge-patch+json"),
        ("DELETE", THING, "application/json"),
    ]
    assert server.requests[2].json == {"data": {"key": "value"}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ExpiredError),
        (422, ClusterError),
        (429, UnavailableError),
        (500, UnavailableError),
        (504, UnavailableError),
        (599, UnavailableError),
    ],
)
async def test_each_status_has_its_error_class(
    server: FakeApiServer, client: ClusterClient, status: int, expected: type[ClusterError]
) -> None:
    """The error has exactly the class of the HTTP status; its text has verb, path, status and message."""
    server.on("GET", THING, refuses(status, "the reason"))

    with pytest.raises(ClusterError) as caught:
        await client.get(THING)

    assert type(caught.value) is expected
    assert str(caught.value).startswith(f"GET {THING}: {status} ")
    assert str(caught.value).endswith(": the reason")


async def test_retry_after_reaches_the_caller(server: FakeApiServer, client: ClusterClient) -> None:
    """`Retry-After: 7` of a 429 is 7 s; a date, which no API server sends, is ignored."""
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    server.on("GET", THING, *(refuses(429, headers={"Retry-After": after}) for after in ("7", date)))

    seconds = []
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            await client.get(THING)
        seconds.append(caught.value.retry_after_seconds)

    assert seconds == [7, None]


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>Bad gateway</h1></html>",
        b"",
        b"\xff\xfe",
        b'"text"',
        b'{"message": 5}',
        b'{"message": "blocked"}',
        b"null",
    ],
    ids=["html", "empty", "not text", "string", "wrong type", "not of its kind", "null"],
)
async def test_an_error_body_that_is_no_status(
    server: FakeApiServer, client: ClusterClient, body: bytes
) -> None:
    """A 502 with any body is an UnavailableError, without the body in its text."""
    server.on("GET", THING, sends(body, status=502))

    with pytest.raises(UnavailableError, match=r"^GET .*/web: 502 Bad Gateway$"):
        await client.get(THING)


async def test_a_long_message_is_cut(server: FakeApiServer, client: ClusterClient) -> None:
    """A message of 10,000 characters in many lines becomes one line of at most 500."""
    server.on("GET", THING, refuses(422, "wrong\n" * 2000))

    with pytest.raises(ClusterError) as caught:
        await client.get(THING)

    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


async def test_a_response_that_never_comes(server: FakeApiServer, client: ClusterClient) -> None:
    """A request on a half-open connection ends after its time-out of 2 s."""
    server.on("GET", THING, server.hangs())

    async with asyncio.timeout(10):
        with pytest.raises(UnavailableError):
            await client.get(THING)


async def test_a_response_that_stops_halfway(server: FakeApiServer, client: ClusterClient) -> None:
    """A response with an incomplete body times out after 2 s as well."""
    server.on("GET", THING, server.streams(b'{"metadata":', then_hangs=True))

    async with asyncio.timeout(10):
        with pytest.raises(UnavailableError):
            await client.get(THING)


@pytest.mark.parametrize("answer", [breaks_off(b'{"metadata"'), sends(b"<html>"), sends(b"[1]")])
async def test_a_response_that_is_no_object(
    server: FakeApiServer, client: ClusterClient, answer: Answer
) -> None:
    """A 200 with an incomplete or foreign body is an UnavailableError, not an exception of a library."""
    server.on("GET", THING, answer)

    with pytest.raises(UnavailableError, match=f"GET {THING}"):
        await client.get(THING)


async def test_a_refused_connection(server: FakeApiServer, client: ClusterClient) -> None:
    """If nothing listens, the error is an UnavailableError with the address and the reason in plain words."""
    await server.stop()

    with pytest.raises(UnavailableError) as caught:
        await client.get(THING)

    address = server.url.removeprefix("http://")
    assert str(caught.value) == f"GET {THING}: can't connect to {address}: Connection refused"


async def test_a_cancellation_passes(server: FakeApiServer, client: ClusterClient) -> None:
    """A cancelled request raises CancelledError, and no error of the client."""
    server.on("GET", THING, server.hangs())
    task = asyncio.create_task(client.get(THING))
    await server.wait_for("GET", 1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_list_is_read_page_by_page(server: FakeApiServer, client: ClusterClient) -> None:
    """Requests ask for pages of 500, each with the continuation of the page before."""
    server.on("GET", THINGS, listed(thing("a"), continuation="rest"), listed(thing("b")))

    listing = await client.list_all(ListOptions(THINGS, field_selector="a=b", label_selector="c"))

    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "10"
    selectors = {"fieldSelector": "a=b", "labelSelector": "c", "limit": "500"}
    assert [dict(request.query) for request in server.requests] == [
        selectors,
        selectors | {"continue": "rest"},
    ]


async def test_a_list_from_memory_is_asked_for_at_any_version(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """resourceVersion=0 on the first page only; after a response that is too large, without it, in pages."""
    monkeypatch.setattr("app.kubernetes.connection.MAX_RESPONSE_BYTES", 200)
    many = listed(*(thing(f"thing-{number}") for number in range(10)))
    server.on("GET", THINGS, listed(thing("a"), continuation="rest"), listed(thing("b")), many, listed())
    selection = ListOptions(THINGS, may_be_cached=True)

    await client.list_all(selection)
    await client.list_all(selection)

    assert [
        (request.query.get("resourceVersion"), request.query["limit"]) for request in server.requests
    ] == [
        ("0", "500"),
        (None, "500"),
        ("0", "500"),
        (None, "500"),
    ]


async def test_an_expired_continuation_restarts_the_list(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """After a 410 for the second page, the new first page replaces the old one."""
    server.on(
        "GET",
        THINGS,
        listed(thing("old"), continuation="rest"),
        refuses(410),
        listed(thing("new"), resource_version="20", continuation="rest"),
        listed(thing("newer"), resource_version="20"),
    )

    listing = await client.list_all(ListOptions(THINGS))

    assert [item["metadata"]["name"] for item in listing.items] == ["new", "newer"]
    assert listing.resource_version == "20"


async def test_a_list_that_expires_three_times_is_an_error(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Three lists expire at their second page: 3 first pages and 3 refusals are 6 requests."""
    first = listed(thing("a"), continuation="rest")
    server.on("GET", THINGS, first, refuses(410), first, refuses(410), first, refuses(410))

    with pytest.raises(ExpiredError):
        await client.list_all(ListOptions(THINGS))

    assert len(server.requests) == 6


async def test_an_empty_list_may_be_null(server: FakeApiServer, client: ClusterClient) -> None:
    """Go writes an empty list as `"items": null`."""
    server.on("GET", THINGS, answers({"metadata": {"resourceVersion": "5"}, "items": None}))

    assert await client.list_all(ListOptions(THINGS)) == ([], "5")


async def test_metadata_only_names_group_and_version(server: FakeApiServer, client: ClusterClient) -> None:
    """Lists and watches request their kind of partial object; without `g` and `v` it is a 406."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams())
    selection = ListOptions(THINGS, metadata_only=True)

    await client.list_all(selection)
    async with client.watch(selection, "10", timeout_seconds=300):
        pass

    assert [request.headers["Accept"] for request in server.requests] == [
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    ]


async def test_without_any_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a Pod and without a kubeconfig, the error names the setting."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(SettingsError, match="set KUBECONFIG"):
        async with open_cluster(None):
            pass


@pytest.mark.parametrize(
    "content", [None, "", "just text", "{", "clusters: []", "current-context: none"], ids=str
)
async def test_an_unusable_kubeconfig(tmp_path: Path, content: str | None) -> None:
    """The error for a missing or malformed kubeconfig names the file."""
    path = tmp_path / "wrong.kubeconfig"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SettingsError, match=r"wrong\.kubeconfig"):
        async with open_cluster(str(path), SHORT):
            pass
