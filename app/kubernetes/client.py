"""API client: get, create, replace, patch, apply, delete, list and watch by URL path, as decoded JSON."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import aiohttp
import msgspec

from app.errors import ExpiredError
from app.kubernetes.connection import (
    ApiConnection,
    ApiRequest,
    OversizedResponseError,
    Timeouts,
    open_connection,
)
from app.kubernetes.failures import map_exceptions
from app.kubernetes.json_values import TooManyValuesError, check_values
from app.kubernetes.list_options import (
    Listing,
    ListOptions,
    ListResponse,
    Object,
    Page,
    WatchEvent,
    read_event,
    unreadable_event,
)
from app.kubernetes.object_types import LeftOut, readable
from app.kubernetes.overrides import NO_OVERRIDES, Overrides
from app.kubernetes.server_clock import ServerClock

T = TypeVar("T")

PAGE_SIZE = 500
_LIST_ATTEMPTS = 3
_MAX_LINE_BYTES = 16 * 1024 * 1024  # etcd stores at most 1.5 MiB per object; its JSON may be larger


@asynccontextmanager
async def open_cluster(
    kubeconfig: str | None, timeouts: Timeouts | None = None, overrides: Overrides = NO_OVERRIDES
) -> AsyncIterator["ClusterClient"]:
    """A client for the cluster of *kubeconfig* or, without it, for the cluster that this Pod runs in.

    Raises:
        SettingsError: no usable credentials; the text says what to do.
    """
    async with open_connection(kubeconfig, timeouts or Timeouts(), overrides) as connection:
        yield ClusterClient(connection)


class ClusterClient:
    """One method per verb; each subclass of `ClusterError` that it raises calls for another reaction."""

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    @property
    def server_clock(self) -> ServerClock:
        """The comparison of this process's clock with the API server's."""
        return self._connection.server_clock

    @property
    def connection(self) -> ApiConnection:
        """The connection, for what is no object: requests that the API server passes on to a Service."""
        return self._connection

    def with_write_fence(self, may_write: Callable[[], bool]) -> "ClusterClient":
        """A client on the same connections that raises ClusterError for each write if *may_write* is False.

        *may_write* is called directly before the request is sent: a stalled process that resumes must not
        send writes that it decided on before.
        """
        return ClusterClient(self._connection.with_write_fence(may_write))

    async def get(self, path: str) -> Object:
        """One object."""
        return await self._object(ApiRequest("GET", path))

    async def create(self, path: str, manifest: Object, *, dry_run: bool = False) -> Object:
        """Create an object in the collection *path*; ConflictError if its name is taken.

        With *dry_run* the API server admits the object (webhooks included), but does not store it.
        """
        query = {"dryRun": "All"} if dry_run else {}
        return await self._object(ApiRequest("POST", path, query, manifest))

    async def replace(self, path: str, manifest: Object) -> Object:
        """Replace the object by *manifest*; ConflictError if *manifest* has an outdated resourceVersion."""
        return await self._object(ApiRequest("PUT", path, body=manifest))

    async def patch(self, path: str, patch: Object) -> Object:
        """Merge *patch* into an existing object (JSON merge patch, RFC 7386)."""
        content_type = "application/merge-patch+json"
        return await self._object(ApiRequest("PATCH", path, body=patch, content_type=content_type))

    async def apply(self, path: str, manifest: Object, *, field_manager: str, force: bool = True) -> Object:
        """Server-side apply: *field_manager* owns exactly these fields; a missing object is created."""
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        content_type = "application/apply-patch+yaml"  # every JSON document is YAML
        return await self._object(ApiRequest("PATCH", path, query, manifest, content_type))

    async def delete(self, path: str, *, resource_version: str | None = None) -> None:
        """Delete an object; ConflictError if *resource_version* is given and outdated."""
        preconditions = {"preconditions": {"resourceVersion": resource_version}}
        options = {"apiVersion": "v1", "kind": "DeleteOptions"} | (preconditions if resource_version else {})
        await self._connection.read(ApiRequest("DELETE", path, body=options if resource_version else None))

    async def list_all(self, selection: ListOptions) -> Listing:
        """All selected objects, at one resourceVersion; those that can't be read are left out and logged."""
        left_out = LeftOut(selection)
        items: list[Object] = []
        resource_version = ""
        async for page in self.pages(selection, msgspec.Raw):
            if page.is_first:
                items.clear()
                left_out.clear()
            items += readable(page.items, _itself, left_out.add)
            resource_version = page.resource_version
        left_out.log()
        return Listing(items, resource_version)

    async def pages(self, selection: ListOptions, item_type: type[T]) -> AsyncIterator[Page[T]]:
        """The selected objects, page by page, decoded as *item_type*, which skips undeclared fields.

        If the continue token expires, the list starts again, with a page that `is_first`. A list from the
        API server's memory is one page, unless it is too large for one response.
        """
        decoder = msgspec.json.Decoder(ListResponse[item_type])  # type: ignore[valid-type]  # made at run time
        continuation, attempts, limit = "", 1, PAGE_SIZE
        while True:
            try:
                response: ListResponse[T] = await self._page(selection, continuation, limit, decoder)
            except OversizedResponseError:
                if selection.may_be_cached:
                    selection = replace(selection, may_be_cached=False)
                    continue
                if limit == 1:
                    raise
                limit = max(limit // 4, 1)
                continue
            except ExpiredError:
                if not continuation or attempts == _LIST_ATTEMPTS:
                    raise
                continuation, attempts = "", attempts + 1
                continue
            yield Page(response.items or [], response.metadata.resource_version, is_first=not continuation)
            continuation = response.metadata.continuation
            if not continuation:
                return

    @asynccontextmanager
    async def watch(
        self, selection: ListOptions, resource_version: str, *, timeout_seconds: float
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """The changes since *resource_version*; the context is entered when the response has started.

        The iterator ends when the API server ends the watch, or sends nothing for too long. It raises
        ExpiredError if the stream has an error event: list again. A line that is no event is an event without
        an object: what it would have changed is unknown.
        """
        query = selection.query | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(timeout_seconds)),
            "resourceVersion": resource_version,
        }
        request = ApiRequest("GET", selection.path, query, accept=selection.watch_accept)
        response = await self._connection.stream(request)
        try:
            yield _events(response.content, f"watch of {selection.path}")
        finally:
            response.close()

    async def _object(self, request: ApiRequest) -> Object:
        body = await self._connection.read(request)
        with map_exceptions(str(request)):
            check_values(body)
            return msgspec.json.decode(body, type=Object)

    async def _page(
        self,
        selection: ListOptions,
        continuation: str,
        limit: int,
        decoder: msgspec.json.Decoder[ListResponse[T]],
    ) -> ListResponse[T]:
        query = selection.query | {"limit": str(limit)}
        if continuation:
            query["continue"] = continuation
        elif selection.may_be_cached:
            query["resourceVersion"] = "0"
        request = ApiRequest("GET", selection.path, query, accept=selection.list_accept)
        body = await self._connection.read(request)
        with map_exceptions(str(request)):
            try:
                check_values(body)
            except TooManyValuesError as error:
                raise OversizedResponseError(f"{request}: {error}") from error
            return decoder.decode(body)


def _itself(manifest: Object) -> Object:
    return manifest


async def _events(stream: aiohttp.StreamReader, watch: str) -> AsyncIterator[WatchEvent]:
    async for line in _lines(stream, watch):
        if line is None:
            yield unreadable_event(f"a line of more than {_MAX_LINE_BYTES // 2**20} MiB")
        else:
            yield read_event(line, watch)


async def _lines(stream: aiohttp.StreamReader, watch: str) -> AsyncIterator[bytes | None]:
    """The lines until the stream ends; None for one that is too long, which is not kept."""
    held, is_too_long = bytearray(), False
    while received := await _received(stream, watch):
        *ends, rest = received.split(b"\n")
        for end in ends:
            held += end
            yield None if is_too_long else bytes(held)
            is_too_long = False
            held.clear()
        held += rest
        if len(held) > _MAX_LINE_BYTES:
            is_too_long = True
            held.clear()
    if held and not is_too_long:
        yield bytes(held)


async def _received(stream: aiohttp.StreamReader, watch: str) -> bytes:
    """The next bytes; none at the end of the stream, and after the inactivity time-out."""
    with map_exceptions(watch):
        try:
            return await stream.readany()
        except aiohttp.SocketTimeoutError:
            return b""
