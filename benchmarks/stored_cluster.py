"""A real control plane with the stored profiles of many workloads, and with their Deployments.

The objects are written to etcd as the API server stores them: that takes seconds instead of many minutes.
Each profile has what a learned one has: requests, replicas, explanation, changes of the value and risk.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.domain.custom_resources import GROUP, KINDS
from app.kubernetes import paths
from benchmarks.stored_profiles import NAMESPACE, manifests, workload
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds
from tests.cluster.waiting import wait_until

CREATED = "2026-03-01T12:00:00Z"
_SEEN_SECONDS = 120
OPERATIONS = 100  # of a transaction; etcd takes 128
_NEEDS = {"cpuprofiles": "cpuProfiling", "memoryprofiles": "memoryProfiling"}
_EXPLANATION = (
    "From 4,032 five-minute samples of 1 container over 14 days (coverage 1.00): main {value} (covers 97.3 % "
    "of the time of 13 days, recent ones counting most, plus 1.9 % for a short past). At normal risk, usage "
    "is expected to exceed the value for 4.5 % of the next day, and for at most 5.4 % on 9 of 10 days."
)


@contextmanager
def stored_cluster(workloads: int, directory: Path) -> Iterator[ControlPlane]:
    """A running control plane with the objects of *workloads* workloads."""
    with ControlPlane(directory) as running:
        kubectl = Kubectl(running.kubeconfig)
        ensure_crds(kubectl)
        kubectl.create_namespace(NAMESPACE)
        running.stop_controllers()
        _store(running.etcd_url, _objects(workloads))
        kubectl.api.close()
        _wait_for_cache(running, workloads)
        yield running


def _store(etcd: str, objects: Iterator[tuple[str, dict[str, Any]]]) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        puts = [
            {"requestPut": {"key": _base64(f"/registry/{key}"), "value": _base64(json.dumps(value))}}
            for key, value in objects
        ]
        for begin in range(0, len(puts), OPERATIONS):
            transaction = {"success": puts[begin : begin + OPERATIONS]}
            client.post(f"{etcd}/v3/kv/txn", json=transaction).raise_for_status()


def _wait_for_cache(control_plane: ControlPlane, workloads: int) -> None:
    """Waits until the API server's memory has all objects, as it has in a cluster that runs."""
    trust = ssl.create_default_context(cafile=control_plane.ca_file)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    profiles = [paths.profiles(kind.plural, NAMESPACE) for kind in KINDS.values()]
    with httpx.Client(trust_env=False, timeout=60, verify=trust, headers=headers) as client:
        for path in (*profiles, paths.deployments()):
            url = f"{control_plane.server_url}{path}?resourceVersion=0"
            wait_until(
                partial(_has, client, url, workloads), _SEEN_SECONDS, f"all of {path}", every_seconds=1
            )


def _has(client: httpx.Client, url: str, count: int) -> bool:
    return len(client.get(url).raise_for_status().json()["items"]) >= count


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _objects(workloads: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The key below `/registry/` and the object of each profile and Deployment."""
    random = np.random.default_rng(1)
    for plural, listed in manifests(workloads).items():
        for number, manifest in enumerate(listed):
            metadata = manifest["metadata"]
            del metadata["resourceVersion"]
            metadata |= {"uid": f"{plural}-{number}", "creationTimestamp": CREATED, "generation": 1}
            if plural in _NEEDS:
                _learn(manifest, _NEEDS[plural], float(random.lognormal(0, 1)))
            yield f"{GROUP}/{plural}/{NAMESPACE}/{metadata['name']}", manifest
    for number in range(workloads):
        subject = workload(number)
        yield f"deployments/{subject.namespace}/{subject.name}", _deployment(number)


def _learn(manifest: dict[str, Any], field: str, size: float) -> None:
    """Gives the profile a need of its own, a request of four times that, three replicas and a past."""
    is_cpu = field == "cpuProfiling"
    amount = 0.12 * size if is_cpu else int(170_106_488 * size)
    value = f"{amount:.3f}" if is_cpu else str(amount)
    request = f"{int(amount * 4000)}m" if is_cpu else f"{amount * 2 // 1024**2}Mi"
    status = manifest["status"]
    manifest["spec"][field]["value"] = value
    changes = [
        {"time": f"2026-02-{day:02d}T12:00:00Z", "old": value, "new": value, "reason": "UsageFell"}
        for day in (27, 25, 21)
    ]
    status |= {
        "need": f"{int(amount * 1000) + 1}m" if is_cpu else f"{amount // 1024**2 + 1}Mi",
        "request": request,
        "replicas": {"desired": 3, "ready": 3},
        "explanation": _EXPLANATION.format(value=value),
        "history": changes,
        "risk": {"level": "normal"} | ({"timeAbove": "0.045"} if is_cpu else {"dayAboveChance": "0.070"}),
    }
    status["slots"] = [slot | {"value": value} for slot in status["slots"]]
    values = {"low": value, "normal": value, "high": value}
    status["containers"] = [
        {"name": "main", "value": value, "samples": 4032, "values": values, "request": request}
    ]


def _deployment(number: int) -> dict[str, Any]:
    """The Deployment of that number."""
    subject = workload(number)
    labels = {"app": subject.name}
    resources = {"requests": {"cpu": "500m", "memory": "512Mi"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": f"deployment-{number}",
            "creationTimestamp": CREATED,
            "generation": 1,
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "x", "resources": resources}]},
            },
        },
    }
