"""Stands in for a cluster before its profiler's first cycle: an API server, and a Prometheus that replays.

The profiles of all workloads are stored, with values that the past does not bear out. Prometheus answers
nothing until `POST /release`; `GET /cluster` tells the URL of the API server. All of it gives way to whoever
measures on the same core.
"""

import argparse
import asyncio
import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from app.kubernetes.webhook_configuration import WEBHOOK
from benchmarks.cycle_pods import ObjectServer, fill
from benchmarks.replayed_answers import Population, ReplayedAnswers
from benchmarks.stored_profiles import NAMESPACE, manifests


class HeldPrometheus:
    """Range queries wait for their release; the first to ask for an answer waits until it is on disk."""

    def __init__(self, answers: ReplayedAnswers, api_server: str) -> None:
        self._answers, self._api_server = answers, api_server
        self._released = asyncio.Event()

    def application(self) -> web.Application:
        """Its HTTP form."""
        application = web.Application()
        application.router.add_get("/cluster", self._tell)
        application.router.add_post("/release", self._release)
        application.router.add_get("/api/v1/status/runtimeinfo", self._retention)
        application.router.add_post("/api/v1/query_range", self._answer)
        return application

    async def _tell(self, _request: web.Request) -> web.Response:
        return web.json_response(self._api_server)

    async def _release(self, _request: web.Request) -> web.Response:
        self._released.set()
        return web.json_response({})

    async def _retention(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": {"storageRetention": "15d"}})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        await self._released.wait()
        path = await asyncio.to_thread(
            self._answers.file_of, str(form["query"]), int(str(form["start"])), int(str(form["end"]))
        )
        return web.FileResponse(path, headers={"Content-Type": "application/json"})


def _objects(
    population: Population, certificate: bytes, key: bytes, authority: bytes
) -> Iterator[tuple[str, Any]]:
    """The profiles, and what makes a webhook ready."""
    for plural, profiles in manifests(population.workloads).items():
        yield from ((plural, profile) for profile in profiles)
    data = {
        name: base64.b64encode(pem).decode() for name, pem in (("tls.crt", certificate), ("tls.key", key))
    }
    yield "secrets", {"metadata": {"name": "job-profiler-tls", "namespace": NAMESPACE}, "data": data}
    trust = {"caBundle": base64.b64encode(authority).decode()}
    webhooks = [{"name": WEBHOOK, "clientConfig": trust}]
    yield "mutatingwebhookconfigurations", {"metadata": {"name": "job-profiler"}, "webhooks": webhooks}


def main() -> None:
    """Serve on loopback until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workloads", type=int, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    given = parser.parse_args()
    os.nice(19)
    population, server = Population(given.workloads), ObjectServer()
    fill(server, {(each.workload.namespace, each.pod): each.replica_set for each in population.replicas})
    pems = (each.read_bytes() for each in (given.certificate, given.key, given.authority))
    for plural, manifest in _objects(population, *pems):
        server.put(plural, manifest)
    prometheus = HeldPrometheus(ReplayedAnswers(population, given.answers), server.url)
    with server.served():
        web.run_app(prometheus.application(), host="127.0.0.1", port=given.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
