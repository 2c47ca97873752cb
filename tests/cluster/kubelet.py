"""A stand-in for scheduler and kubelet: one node, on which all Pods run without containers.

It binds Pods, writes their status, and completes their deletions, so roll-outs, Jobs, `helm install --wait`
and `helm test` end as in a cluster. Nodes' sizes, taints and affinities have no effect. `Containers` can run
processes in place of the containers of some Pods; `kubectl logs` shows the logs of those.
"""

import json
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Protocol, Self

from tests.cluster.api_account import STRATEGIC_PATCH, ApiAccount
from tests.cluster.api_reader import ApiError, ApiReader
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet_endpoint import KubeletEndpoint
from tests.cluster.pod_status import (
    Node,
    Run,
    is_being_deleted,
    is_final,
    run_without_processes,
    status_patch,
    timestamp,
)

LOOPBACK = "127.0.0.1"
FIRST_POD_IP = IPv4Address("10.244.0.2")  # nothing listens there
POLL_SECONDS = 0.3
LEASE_SECONDS = 40
RENEWAL_SECONDS = 10
PATIENCE_SECONDS = 40
MANAGER = "stand-in-kubelet"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

Object = dict[str, Any]


class Containers(Protocol):
    """Runs containers as processes of this machine; called from the kubelet's thread."""

    def has(self, pod: Object) -> bool:
        """True if the Pod's containers are run by this object."""

    def run(self, pod: Object, now: datetime) -> Run:
        """The state of the containers, which are started at the first call, and stopped for a deletion."""

    def log(self, namespace: str, pod: str) -> Path | None:
        """The log of the Pod's container."""

    def stop(self) -> None:
        """Ends all processes."""


class NoProcesses:
    """Containers of which nothing runs."""

    def has(self, pod: Object) -> bool:  # noqa: ARG002 - the protocol's argument
        """False."""
        return False

    def run(self, pod: Object, now: datetime) -> Run:
        """Ready at once."""
        return run_without_processes(pod, now)

    def log(self, namespace: str, pod: str) -> Path | None:  # noqa: ARG002 - the protocol's arguments
        """None: nothing runs."""
        return None

    def stop(self) -> None:
        """Nothing to end."""


class Kubelet:
    """Context manager that serves the Pods of all namespaces, or of *namespaces* only, from its own thread.

    On exit the node is deleted. Pods that are left get no further status, and can only be deleted by force.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        *,
        node: str = "node-1",
        namespaces: Collection[str] = (),
        containers: Containers | None = None,
    ) -> None:
        self._node = Node(node, LOOPBACK, int(control_plane.version.split(".")[1]))
        self._version = control_plane.version
        self._kubeconfig = control_plane.kubeconfig
        self._api = ApiAccount(control_plane)
        self._namespaces = frozenset(namespaces)
        self._containers = containers or NoProcesses()
        self._endpoint = KubeletEndpoint(self._containers.log)
        self._pod_ips = (str(FIRST_POD_IP + number) for number in count())
        self._stopped = Event()
        self._thread = Thread(target=self._serve, name="kubelet")

    @property
    def is_running(self) -> bool:
        """False after an unexpected error, the trace of which is on stderr."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._endpoint.start()
        self._register()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_SECONDS)
        self._endpoint.stop()
        with suppress(OSError):  # the API server may be gone
            self._api.send("DELETE", f"/api/v1/nodes/{self._node.name}")
        assert not self._thread.is_alive(), "the kubelet does not end"

    def _register(self) -> None:
        """Creates the node, ready and with room for every Pod."""
        now = timestamp(datetime.now(UTC))
        room = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._node.name, "labels": {"kubernetes.io/hostname": self._node.name}},
        }
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "a stand-in: Pods run without containers",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        status = {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "conditions": [ready],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._endpoint.port}},
            "nodeInfo": _node_info(f"v{self._version}"),
        }
        path = f"/api/v1/nodes/{self._node.name}"
        for answer in (
            self._api.apply(path, node, MANAGER),
            self._api.apply(f"{path}/status", {**node, "status": status}, MANAGER),
        ):
            assert not answer.is_refused, answer
        self._renew_lease()

    def _renew_lease(self) -> None:
        """Shows that the node lives; without it the Pods become unready after 40 s."""
        spec = {
            "holderIdentity": self._node.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._node.name, "namespace": "kube-node-lease"},
            "spec": spec,
        }
        self._api.apply(f"{NODE_LEASES}/{self._node.name}", lease, MANAGER)

    def _serve(self) -> None:
        reader = ApiReader(self._kubeconfig)
        next_renewal = 0.0
        try:
            while not self._stopped.wait(POLL_SECONDS):
                with suppress(ApiError, OSError, json.JSONDecodeError):  # while the API server restarts
                    if time.monotonic() >= next_renewal:
                        self._renew_lease()
                        next_renewal = time.monotonic() + RENEWAL_SECONDS
                    for pod in self._pods(reader):
                        self._attend(pod)
        finally:
            self._containers.stop()
            reader.close()

    def _pods(self, reader: ApiReader) -> Iterator[Object]:
        for pod in reader.list("pods"):
            if not self._namespaces or pod["metadata"]["namespace"] in self._namespaces:
                yield pod

    def _attend(self, pod: Object) -> None:
        """One step for one Pod. What a conflict prevents is done in the next round."""
        metadata, bound = pod["metadata"], pod["spec"].get("nodeName")
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if not bound:
            if not is_being_deleted(pod) and not pod["spec"].get("schedulingGates"):
                self._bind(pod, path)
        elif bound != self._node.name:
            return
        elif (is_final(pod) or self._has_ended(pod, path)) and _can_be_removed(pod):
            self._remove(pod, path)

    def _has_ended(self, pod: Object, path: str) -> bool:
        """Writes the status of the Pod's containers; True if they have ended."""
        now = datetime.now(UTC)
        run = self._containers_of(pod).run(pod, now)
        pod_ip = pod["status"].get("podIP") or next(self._pod_ips)
        if patch := status_patch(pod, run, self._node, pod_ip, now):
            self._api.patch(f"{path}/status", patch, STRATEGIC_PATCH)
        return run.ended is not None

    def _containers_of(self, pod: Object) -> Containers:
        return self._containers if self._containers.has(pod) else NoProcesses()

    def _bind(self, pod: Object, path: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node.name},
        }
        self._api.send("POST", f"{path}/binding", binding)

    def _remove(self, pod: Object, path: str) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod["metadata"]["uid"]},
        }
        self._api.send("DELETE", path, options)


def _can_be_removed(pod: Object) -> bool:
    """False also after the kubelet's own deletion, without a grace period, which waits for finalizers."""
    return is_being_deleted(pod) and bool(pod["metadata"].get("deletionGracePeriodSeconds"))


def _node_info(version: str) -> Object:
    unknown = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion")
    return {
        **dict.fromkeys(unknown, ""),
        "kubeletVersion": version,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
