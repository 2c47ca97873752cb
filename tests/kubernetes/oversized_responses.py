"""Responses of an API server that are huge as Python objects, and a client that reads them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from app.errors import ClusterError
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.kubernetes.reflectors import NameSink

MIB = 2**20
VALUES: Mapping[str, bytes] = {"lists": b"[],", "texts": b'"ab",'}
_METADATA = b'"metadata":{"name":"n","resourceVersion":"2"}'
PATH = "/api/v1/things"


async def respond(request: web.Request) -> web.StreamResponse:
    """60 MiB of the values that the path names, in one object; in a watch three lines of 15 MiB."""
    repeated = VALUES[request.path.rpartition("/")[2]]
    is_watch = "watch" in request.query
    values = repeated * ((15 if is_watch else 60) * MIB // len(repeated))
    item = b'{%b,"data":[%b0]}' % (_METADATA, values)
    if is_watch:
        return web.Response(body=b'{"type":"ADDED","object":%b}\n' % item * 3)
    return web.Response(body=b'{%b,"items":[%b]}' % (_METADATA, item), content_type="application/json")


async def read(url: str, kind: str, values: str) -> str:
    """The error of one request; empty without one."""
    server = FakeApiServer()
    server.url = url
    with tempfile.TemporaryDirectory() as folder:
        async with open_cluster(server.kubeconfig(Path(folder))) as client:
            try:
                await _read(client, kind, f"{PATH}/{values}")
            except ClusterError as error:
                return str(error)
    return ""


async def _read(client: ClusterClient, kind: str, path: str) -> None:
    selection = ListOptions(path)
    if kind == "object":
        await client.get(path)
    elif kind == "list":
        await client.list_all(selection)
    elif kind == "watched list":
        await Reflector(client, selection, NameSink())._list()
    else:
        async with client.watch(selection, "1", timeout_seconds=60) as events:
            faults = [event.fault async for event in events]
        raise ClusterError("; ".join(faults))
