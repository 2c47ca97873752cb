"""The verbs of the API server: paths in, decoded JSON out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from app.errors import ExpiredError
from app.kubernetes.connection import ApiConnection, ApiRequest, Timeouts, open_connection
from app.kubernetes.failures import translated
from app.kubernetes.list_options import ListAnswer, Listing, ListOptions, Object, Page, WatchEvent, read_event

T = TypeVar("T")

PAGE_SIZE = 500
_LIST_ATTEMPTS = 3
_LONGEST_LINE_BYTES = 16 * 1024 * 1024  # etcd stores at most 1.5 MiB an object, JSON may be larger than that


@asynccontextmanager
async def open_cluster(
    kubeconfig: str | None, timeouts: Timeouts | None = None
) -> AsyncIterator["ClusterClient"]:
    """A client for the cluster of *kubeconfig* or, without one, for the cluster that this Pod runs in.

    Raises:
        ClusterError: there are no credentials that could be used; says what to do.
    """
    async with open_connection(kubeconfig, timeouts or Timeouts()) as connection:
        yield ClusterClient(connection)


class ClusterClient:
    """One method per verb; each raises the kind of `ClusterError` that tells the caller what to do."""

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    def only_while(self, may_write: Callable[[], bool]) -> "ClusterClient":
        """The same client, which raises ClusterError instead of a write once *may_write* says no.

        It is asked as late as can be: a process that was held up must not act on what it decided before.
        """
        return ClusterClient(self._connection.only_while(may_write))

    async def get(self, path: str) -> Object:
        """One object."""
        return await self._object(ApiRequest("GET", path))

    async def create(self, path: str, manifest: Object, *, dry_run: bool = False) -> Object:
        """Add an object to the collection *path*; ConflictError where its name is taken.

        A *dry_run* takes the object all the way, admission included, and stores nothing.
        """
        query = {"dryRun": "All"} if dry_run else {}
        return await self._object(ApiRequest("POST", path, query, manifest))

    async def replace(self, path: str, manifest: Object) -> Object:
        """Put *manifest* in the object's place; with a resourceVersion only where nobody was faster."""
        return await self._object(ApiRequest("PUT", path, body=manifest))

    async def patch(self, path: str, patch: Object) -> Object:
        """Merge *patch* into an object that exists (RFC 7386)."""
        content_type = "application/merge-patch+json"
        return await self._object(ApiRequest("PATCH", path, body=patch, content_type=content_type))

    async def apply(self, path: str, manifest: Object, *, field_manager: str, force: bool = True) -> Object:
        """Own exactly the fields of *manifest*; an object that is missing is created."""
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        content_type = "application/apply-patch+yaml"  # every JSON document is YAML
        return await self._object(ApiRequest("PATCH", path, query, manifest, content_type))

    async def delete(self, path: str, *, resource_version: str | None = None) -> None:
        """Remove an object, with a *resource_version* only where nobody was faster."""
        preconditions = {"preconditions": {"resourceVersion": resource_version}}
        options = {"apiVersion": "v1", "kind": "DeleteOptions"} | (preconditions if resource_version else {})
        await self._connection.read(ApiRequest("DELETE", path, body=options if resource_version else None))

    async def list_all(self, selection: ListOptions) -> Listing:
        """Every object of the selection, at one resourceVersion."""
        items: list[Object] = []
        resource_version = ""
        async for page in self.pages(selection, Object):
            if page.is_first:
                items.clear()
            items += page.items
            resource_version = page.resource_version
        return Listing(items, resource_version)

    async def pages(self, selection: ListOptions, item_type: type[T]) -> AsyncIterator[Page[T]]:
        """The selection page by page, each item decoded as *item_type*, which skips what it does not name.

        A list whose continuation expired begins anew, with a page that `is_first`.
        """
        decoder = msgspec.json.Decoder(ListAnswer[item_type])  # type: ignore[valid-type]  # made at run time
        continuation, attempts = "", 1
        while True:
            try:
                answer: ListAnswer[T] = await self._page(selection, continuation, decoder)
            except ExpiredError:
                if not continuation or attempts == _LIST_ATTEMPTS:
                    raise
                continuation, attempts = "", attempts + 1
                continue
            yield Page(answer.items or [], answer.metadata.resource_version, is_first=not continuation)
            continuation = answer.metadata.continuation
            if not continuation:
                return

    @asynccontextmanager
    async def watch(
        self, selection: ListOptions, resource_version: str, *, timeout_seconds: float
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """The changes since *resource_version*; entered when the API server has begun to answer.

        The iterator ends when the API server ended the watch or was silent for too long. It raises
        ExpiredError where the stream holds an error or what can't be read: list again.
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
        with translated(str(request)):
            return msgspec.json.decode(body, type=Object)

    async def _page(
        self, selection: ListOptions, continuation: str, decoder: msgspec.json.Decoder[ListAnswer[T]]
    ) -> ListAnswer[T]:
        query = selection.query | {"limit": str(PAGE_SIZE)}
        if continuation:
            query["continue"] = continuation
        request = ApiRequest("GET", selection.path, query, accept=selection.list_accept)
        body = await self._connection.read(request)
        with translated(str(request)):
            return decoder.decode(body)


async def _events(stream: aiohttp.StreamReader, watch: str) -> AsyncIterator[WatchEvent]:
    while line := await _line(stream, watch):
        yield read_event(line, watch)


async def _line(stream: aiohttp.StreamReader, watch: str) -> bytes:
    """The next line; nothing at the end of the stream, and nothing after a silence that was too long."""
    with translated(watch):
        try:
            return await stream.readuntil(b"\n", max_size=_LONGEST_LINE_BYTES)
        except aiohttp.SocketTimeoutError:
            return b""
        except HttpProcessingError as error:  # also a line that is too long
            raise ExpiredError(f"{watch}: {error}") from error
