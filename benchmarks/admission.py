"""What the webhook adds to the creation of a Pod, beside what the limit server adds: `make bench-admission`.

Pods are created by server-side dry run through a real API server, at a fixed pace whatever the answers take
(open loop): with no webhook, with the limit server and with the product in turn, round after round.
"""

import argparse
import asyncio
import base64
import itertools
import json
import os
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp

from benchmarks.rig import CLIENT_CORE, REVIEW, Rig, Server
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

_NAMESPACE = "emojivoto"
_CONFIGURATION = "benchmark"
_WARM_UP_SECONDS = 3
_CPU_PROFILE = "liqo.io/cpuProfile"


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one run, in milliseconds."""

    p50_ms: float
    p99_ms: float


class PodCreations:
    """Dry-run creations of the Pod that the recorded review holds."""

    def __init__(self, control_plane: ControlPlane, rate: float) -> None:
        self._url = f"{control_plane.server_url}/api/v1/namespaces/{_NAMESPACE}/pods?dryRun=All"
        self._tls = ssl.create_default_context(cafile=control_plane.ca_file)
        self._rate = rate
        self._body = json.dumps(_pod())

    def run(self, seconds: float) -> Latency:
        """Create for *seconds*; raises where a creation fails."""
        times = asyncio.run(self._run(seconds))
        return Latency(median(times), quantiles(times, n=100)[98])

    def once(self) -> dict[str, str]:
        """The annotations that a Pod is given now."""

        async def create() -> dict[str, str]:
            async with self._session() as session, session.post(self._url, data=self._body) as answer:
                answer.raise_for_status()
                annotations: dict[str, str] = (await answer.json())["metadata"]["annotations"]
                return annotations

        return asyncio.run(create())

    def _session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        return aiohttp.ClientSession(headers=headers, connector=connector)

    async def _run(self, seconds: float) -> list[float]:
        times: list[float] = []
        async with self._session() as session, asyncio.TaskGroup() as group:
            started = time.perf_counter()
            for number in range(int(seconds * self._rate)):
                due = started + number / self._rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(self._create(session, due, times))
        return times

    async def _create(self, session: aiohttp.ClientSession, due: float, times: list[float]) -> None:
        """The time counts from the moment at which the Pod was due: a client that lags is no excuse."""
        async with session.post(self._url, data=self._body) as answer:
            answer.raise_for_status()
            await answer.read()
        times.append((time.perf_counter() - due) * 1000)


def _pod() -> dict[str, Any]:
    """The recorded Pod as a controller sends it: without what the API server fills in."""
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


class Admission:
    """Which webhook, if any, the API server calls for Pods."""

    def __init__(self, kubectl: Kubectl, authority: Path, creations: PodCreations) -> None:
        self._kubectl = kubectl
        self._authority = authority
        self._creations = creations

    def through(self, server: Server | None) -> None:
        """Wait until every Pod goes through *server*, or through none."""
        delete = ("delete", "mutatingwebhookconfiguration", _CONFIGURATION, "--ignore-not-found")
        self._kubectl.run(*delete)
        self._wait(annotated=False)
        if server is not None:
            self._kubectl.apply(self._configuration(server))
            self._wait(annotated=True)

    def _wait(self, *, annotated: bool) -> None:
        wait_until(
            lambda: (_CPU_PROFILE in self._creations.once()) is annotated, 30, "the API server to follow"
        )

    def _configuration(self, server: Server) -> dict[str, Any]:
        bundle = base64.b64encode(self._authority.read_bytes()).decode()
        webhook = {
            "name": "pods.benchmark.example.org",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 3,
            "clientConfig": {"url": server.url, "caBundle": bundle},
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": _CONFIGURATION},
            "webhooks": [webhook],
        }


def main() -> None:
    """Print one line per run, and what both add, medians of the rounds, as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--workloads", type=int, default=10_000)
    given = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory(prefix="bench-admission-") as name:
        directory = Path(name)
        with ControlPlane(directory / "cluster") as control_plane, Rig(directory) as rig:
            kubectl = Kubectl(control_plane.kubeconfig)
            kubectl.create_namespace(_NAMESPACE)
            _wait_for_default_account(kubectl)
            creations = PodCreations(control_plane, given.rate)
            admission = Admission(kubectl, rig.authority, creations)
            webhook = rig.webhook(rig.profile_server(given.workloads))
            servers = {"none": None, "limit": rig.limit_server(), "webhook": webhook}
            print(f"Kubernetes {control_plane.version}, {given.rate:g} Pods/s, {given.workloads} workloads")
            rounds = [
                _round(number, servers, admission, creations, given.seconds)
                for number in range(1, given.rounds + 1)
            ]
    print(_summary(rounds))


def _wait_for_default_account(kubectl: Kubectl) -> None:
    wait_until(
        lambda: (
            "default" in kubectl.run("get", "serviceaccounts", f"--namespace={_NAMESPACE}", "--output=name")
        ),
        30,
        "the default service account",
    )


def _round(
    number: int,
    servers: dict[str, Server | None],
    admission: Admission,
    creations: PodCreations,
    seconds: float,
) -> dict[str, Latency]:
    measured = {}
    for name, server in servers.items():
        admission.through(server)
        creations.run(_WARM_UP_SECONDS)
        measured[name] = creations.run(seconds)
        figures = f"p50 {measured[name].p50_ms:6.2f} ms   p99 {measured[name].p99_ms:6.2f} ms"
        print(f"round {number}   {name:<8} {figures}", flush=True)
    return measured


def _summary(rounds: list[dict[str, Latency]]) -> str:
    added = {
        (name, percentile): median(
            getattr(each[name], percentile) - getattr(each["none"], percentile) for each in rounds
        )
        for name, percentile in itertools.product(("webhook", "limit"), ("p50_ms", "p99_ms"))
    }
    parts = (
        f"added {title}: {added['webhook', key]:.2f} ms (limit {added['limit', key]:.2f})"
        for title, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
    )
    return ", ".join(parts)


if __name__ == "__main__":
    main()
