"""Latency that the webhook adds to Pod creation, compared with the limit server: `make bench-admission`.

Pods are created with server-side dry run through a real API server, at a fixed rate that does not depend on
the response times (open loop): without a webhook, with the limit server and with the product. Each case has
its own namespace. The cases alternate in random order, so that all meet the same state of the API server.
"""

import argparse
import asyncio
import base64
import gc
import itertools
import json
import os
import random
import ssl
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import uvloop

from benchmarks.rig import CLIENT_CORE, REVIEW, Rig, Server
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

# The namespace of each case; profiles exist for the workloads of emojivoto.
_NAMESPACES = {"none": "nobody", "limit": "limited", "webhook": "emojivoto"}
_LABEL = "benchmark.example.org/called"
_WARM_UP_SECONDS, _SEED = 5, 1
_MAX_RATIO = 1.15
_CPU_PROFILE = "liqo.io/cpuProfile"


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of the latency of one run."""

    p50_ms: float
    p99_ms: float


class PodCreations:
    """Dry-run creations of the Pod in the recorded review."""

    def __init__(self, control_plane: ControlPlane, rate: float) -> None:
        self._collections = f"{control_plane.server_url}/api/v1/namespaces"
        self._tls = ssl.create_default_context(cafile=control_plane.ca_file)
        self._rate = rate
        self._body = json.dumps(_pod())

    def run(self, seconds: float) -> dict[str, Latency]:
        """Creates Pods for *seconds*; raises if a creation fails."""
        gc.collect()
        gc.freeze()
        times = uvloop.run(self._run(seconds))
        return {name: Latency(median(ms), quantiles(ms, n=100)[98]) for name, ms in times.items()}

    def once(self, namespace: str) -> dict[str, str]:
        """The annotations that a new Pod has."""

        async def create() -> dict[str, str]:
            async with self._session() as session, self._post(session, namespace) as answer:
                answer.raise_for_status()
                annotations: dict[str, str] = (await answer.json())["metadata"]["annotations"]
                return annotations

        return asyncio.run(create())

    def _session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        return aiohttp.ClientSession(headers=headers, connector=connector)

    def _post(
        self, session: aiohttp.ClientSession, namespace: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return session.post(f"{self._collections}/{namespace}/pods?dryRun=All", data=self._body)

    async def _run(self, seconds: float) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in _NAMESPACES}
        turns = [
            name
            for _ in range(int(seconds * self._rate / len(times)))
            for name in random.sample([*times], len(times))
        ]
        async with self._session() as session, asyncio.TaskGroup() as group:
            started = time.perf_counter()
            for number, name in enumerate(turns):
                due = started + number / self._rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(self._create(session, _NAMESPACES[name], due, times[name]))
        return times

    async def _create(
        self, session: aiohttp.ClientSession, namespace: str, due: float, times: list[float]
    ) -> None:
        """Adds the time since the Pod was due, so that a delay of the client counts too."""
        async with self._post(session, namespace) as answer:
            answer.raise_for_status()
            await answer.read()
        times.append((time.perf_counter() - due) * 1000)


def _pod() -> dict[str, Any]:
    """The recorded Pod as a controller sends it, without the fields that the API server adds."""
    recorded: dict[str, Any] = json.loads(REVIEW.read_bytes())["request"]["object"]
    metadata, spec = recorded["metadata"], recorded["spec"]
    kept = ("generateName", "labels", "annotations", "ownerReferences")
    containers = [
        {key: value for key, value in container.items() if key != "volumeMounts"}
        for container in spec["containers"]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {key: metadata[key] for key in kept},
        "spec": {"containers": containers},
    }


def _configuration(name: str, server: Server, authority: Path) -> dict[str, Any]:
    """A webhook configuration that calls *server* only for Pods of its namespace."""
    bundle = base64.b64encode(authority.read_bytes()).decode()
    webhook = {
        "name": "pods.benchmark.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 3,
        "clientConfig": {"url": server.url, "caBundle": bundle},
        "namespaceSelector": {"matchLabels": {_LABEL: name}},
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        ],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


def main() -> None:
    """Prints one line per run and the added latency; fails if the webhook exceeds `_MAX_RATIO`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--workloads", type=int, default=10_000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    random.seed(_SEED)
    with tempfile.TemporaryDirectory(prefix="bench-admission-") as name:
        directory = Path(name)
        with ControlPlane(directory / "cluster", fairness=False) as control_plane, Rig(directory) as rig:
            creations = PodCreations(control_plane, options.rate)
            servers = {
                "limit": rig.limit_server(),
                "webhook": rig.webhook(rig.profile_server(options.workloads)),
            }
            _set_up(Kubectl(control_plane.kubeconfig), servers, rig.authority, creations)
            print(
                f"Kubernetes {control_plane.version}, {options.rate:g} Pods/s, {options.workloads} workloads"
            )
            creations.run(_WARM_UP_SECONDS)
            rounds = [_round(number, creations, options.seconds) for number in range(1, options.rounds + 1)]
    if not _print_added_latency(rounds):
        sys.exit(1)


def _set_up(kubectl: Kubectl, servers: dict[str, Server], authority: Path, creations: PodCreations) -> None:
    for name, namespace in _NAMESPACES.items():
        kubectl.create_namespace(namespace)
        kubectl.run("label", "namespace", namespace, f"{_LABEL}={name}")
        _wait_for_default_account(kubectl, namespace)
    for name, server in servers.items():
        kubectl.apply(_configuration(name, server, authority))
    for name, namespace in _NAMESPACES.items():
        _wait_until_annotated(creations, namespace, is_wanted=name in servers)


def _wait_for_default_account(kubectl: Kubectl, namespace: str) -> None:
    command = ("get", "serviceaccounts", f"--namespace={namespace}", "--output=name")
    wait_until(lambda: "default" in kubectl.run(*command), 30, "the default service account")


def _wait_until_annotated(creations: PodCreations, namespace: str, *, is_wanted: bool) -> None:
    wait_until(
        lambda: (_CPU_PROFILE in creations.once(namespace)) is is_wanted, 30, "the API server to follow"
    )


def _round(number: int, creations: PodCreations, seconds: float) -> dict[str, Latency]:
    measured = creations.run(seconds)
    for name, latency in measured.items():
        figures = f"p50 {latency.p50_ms:6.2f} ms   p99 {latency.p99_ms:6.2f} ms"
        print(f"round {number}   {name:<8} {figures}", flush=True)
    return measured


def _print_added_latency(rounds: list[dict[str, Latency]]) -> bool:
    """Prints the added latency, medians of the rounds; True if the webhook is within `_MAX_RATIO`."""
    added = {
        (name, percentile): median(
            getattr(latencies[name], percentile) - getattr(latencies["none"], percentile)
            for latencies in rounds
        )
        for name, percentile in itertools.product(("webhook", "limit"), ("p50_ms", "p99_ms"))
    }
    parts = (
        f"added {title}: {added['webhook', key]:.2f} ms (limit {added['limit', key]:.2f})"
        for title, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
    )
    print(", ".join(parts))
    return all(added["webhook", key] <= _MAX_RATIO * added["limit", key] for key in ("p50_ms", "p99_ms"))


if __name__ == "__main__":
    main()
