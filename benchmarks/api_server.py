"""A fake API server with many profiles: serves lists in pages, and watches.

`POST /changes?count=N&seconds=S` changes N profiles, evenly over S seconds.
"""

import argparse
import asyncio
import base64
import json
import time
from itertools import count, cycle
from pathlib import Path
from typing import Any

from aiohttp import web

from app.domain.custom_resources import GROUP, VERSION
from app.kubernetes.webhook_entries import WEBHOOK
from benchmarks.stored_profiles import NAMESPACE, manifests

_PROFILES = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}"
_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_TICK_SECONDS = 0.05
_NEEDS = {"cpuprofiles": "cpuProfiling", "memoryprofiles": "memoryProfiling"}


class ProfileServer:
    """Collections by path, and the open watches of each."""

    def __init__(self, workloads: int, secret: dict[str, Any], authority: bytes) -> None:
        listed = {f"{_PROFILES}/{plural}": items for plural, items in manifests(workloads).items()}
        self._collections = listed | {_SECRETS: [secret], _CONFIGURATIONS: [_configuration(authority)]}
        self._watches: dict[str, set[asyncio.Queue[bytes]]] = {path: set() for path in self._collections}
        self._version = count(start=10_000_000)
        self._changing: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """The HTTP application."""
        application = web.Application()
        application.router.add_post("/changes", self._change)
        application.router.add_get("/{path:.*}", self._get)
        return application

    async def _get(self, request: web.Request) -> web.StreamResponse:
        items = self._collections.get(request.path)
        if items is None:
            return web.json_response({"kind": "Status", "code": 404, "message": "not found"}, status=404)
        if request.query.get("watch"):
            return await self._watch(request)
        begin = int(request.query.get("continue") or 0)
        end = begin + int(request.query.get("limit") or len(items))
        more = str(end) if end < len(items) else ""
        metadata = {"resourceVersion": str(next(self._version)), "continue": more}
        return web.json_response({"kind": "List", "metadata": metadata, "items": items[begin:end]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watches[request.path].add(queue)
        try:
            while True:
                await response.write(await queue.get())
        finally:
            self._watches[request.path].discard(queue)

    async def _change(self, request: web.Request) -> web.Response:
        changing = asyncio.create_task(
            self._change_evenly(int(request.query["count"]), float(request.query["seconds"]))
        )
        self._changing.add(changing)
        changing.add_done_callback(self._changing.discard)
        return web.json_response({})

    async def _change_evenly(self, total: int, seconds: float) -> None:
        """Changes the values of CPU and memory profiles in turn."""
        turns = cycle(
            (f"{_PROFILES}/{plural}", item)
            for pair in zip(*(self._collections[f"{_PROFILES}/{plural}"] for plural in _NEEDS), strict=True)
            for plural, item in zip(_NEEDS, pair, strict=True)
        )
        started, changed = time.monotonic(), 0
        while changed < total:
            due = min(int((time.monotonic() - started) / seconds * total), total)
            for path, item in (next(turns) for _ in range(due - changed)):
                self._change_value(path, item)
            changed = due
            await asyncio.sleep(_TICK_SECONDS)

    def _change_value(self, path: str, item: dict[str, Any]) -> None:
        version = str(next(self._version))
        need = item["spec"][_NEEDS[path.rsplit("/", 1)[1]]]
        need["value"] = f"0.{version[-3:]}" if "." in need["value"] else version
        item["metadata"]["resourceVersion"] = version
        line = json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n"
        for queue in self._watches[path]:
            queue.put_nowait(line)


def _secret(certificate: bytes, key: bytes) -> dict[str, Any]:
    data = {
        "tls.crt": base64.b64encode(certificate).decode(),
        "tls.key": base64.b64encode(key).decode(),
    }
    return {"metadata": {"name": "job-profiler-tls", "resourceVersion": "1", "uid": "secret"}, "data": data}


def _configuration(authority: bytes) -> dict[str, Any]:
    """A configuration with the CA of the served certificate, which a webhook needs to be ready."""
    bundle = base64.b64encode(authority).decode()
    return {
        "metadata": {"name": "job-profiler", "resourceVersion": "1", "uid": "configuration"},
        "webhooks": [{"name": WEBHOOK, "clientConfig": {"caBundle": bundle}}],
    }


def main() -> None:
    """Serves on loopback until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workloads", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    options = parser.parse_args()
    secret = _secret(options.certificate.read_bytes(), options.key.read_bytes())
    server = ProfileServer(options.workloads, secret, options.authority.read_bytes())
    web.run_app(server.application(), host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
