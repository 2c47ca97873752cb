"""A fake cluster before the profiler's first cycle: an API server, and a Prometheus with generated results.

The profiles of all workloads are stored, with values that differ from the usage. Prometheus returns no query
result before `POST /release`; `GET /cluster` returns the URL of the API server. The process has low priority,
because the client of the benchmark runs on the same core.
"""

import argparse
import asyncio
import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from app.kubernetes.webhook_entries import WEBHOOK
from benchmarks.cycle_pods import ObjectServer, fill
from benchmarks.replayed_answers import Population, ReplayedAnswers
from benchmarks.stored_profiles import NAMESPACE, manifests


class HeldPrometheus:
    """A fake Prometheus: range queries wait for the release, and for their result to be written to disk."""

    def __init__(self, answers: ReplayedAnswers, api_server: str) -> None:
        self._answers, self._api_server = answers, api_server
        self._released = asyncio.Event()

    def application(self) -> web.Application:
        """The HTTP application."""
        application = web.Application()
        application.router.add_get("/cluster", self._cluster)
        application.router.add_post("/release", self._release)
        application.router.add_get("/api/v1/status/runtimeinfo", self._retention)
        application.router.add_post("/api/v1/query_range", self._answer)
        return application

    async def _cluster(self, _request: web.Request) -> web.Response:
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
    """Yields the profiles, and the objects that a webhook needs to be ready."""
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
    """Serves on loopback until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workloads", type=int, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    options = parser.parse_args()
    os.nice(19)
    population, server = Population(options.workloads), ObjectServer()
    fill(
        server,
        {(replica.workload.namespace, replica.pod): replica.replica_set for replica in population.replicas},
    )
    pems = (path.read_bytes() for path in (options.certificate, options.key, options.authority))
    for plural, manifest in _objects(population, *pems):
        server.put(plural, manifest)
    prometheus = HeldPrometheus(ReplayedAnswers(population, options.answers), server.url)
    with server.served():
        web.run_app(
            prometheus.application(), host="127.0.0.1", port=options.port, print=None, access_log=None
        )


if __name__ == "__main__":
    main()
