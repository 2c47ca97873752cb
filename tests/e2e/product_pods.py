"""Runs the product's Pods as processes of this machine, for the stand-in kubelet.

A webhook's Pod gets connections of the API server, through a forwarder in place of the Service, from the
moment it is ready until it is deleted.
"""

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.pod_status import Run, is_being_deleted
from tests.cluster.processes import free_ports
from tests.cluster.service_forwarder import Endpoint, ServiceForwarder
from tests.e2e.product import ProductProcess

RESTART_DELAY = timedelta(seconds=5)
EXITED_BY_SIGNAL = 128

Object = dict[str, Any]


@dataclass
class _Replica:
    """The process of one Pod."""

    process: ProductProcess
    run: Run


class ProductPods:
    """The containers of Pods whose image is of *repository*; the kubelet calls from one thread."""

    def __init__(
        self, control_plane: ControlPlane, repository: str, service: ServiceForwarder, directory: Path
    ) -> None:
        self._control_plane = control_plane
        self._image_prefix = f"{repository}:"
        self._service = service
        self._directory = directory
        self._replicas: dict[str, _Replica] = {}

    def has(self, pod: Object) -> bool:
        """True for the product's own image."""
        return any(item["image"].startswith(self._image_prefix) for item in pod["spec"]["containers"])

    def run(self, pod: Object, now: datetime) -> Run:
        """The state of the Pod's process: started at the first call, restarted after it has failed."""
        uid = pod["metadata"]["uid"]
        replica = self._replicas.get(uid)
        if replica is None:
            replica = self._replicas[uid] = _Replica(self._start(pod), Run(now, is_ready=False))
        if is_being_deleted(pod):
            self._service.remove(replica.process.name)
            is_late = now >= datetime.fromisoformat(pod["metadata"]["deletionTimestamp"])
            replica.process.signal(signal.SIGKILL if is_late else signal.SIGTERM)
        replica.run = self._observed(pod, replica, now)
        return replica.run

    def log(self, namespace: str, pod: str) -> Path | None:  # noqa: ARG002 - the product has one namespace
        """The log of the process, also after its end."""
        found = self._directory / f"{pod}.log"
        return found if found.exists() else None

    def stop(self) -> None:
        """Ends all processes, at the same time."""
        for replica in self._replicas.values():
            replica.process.signal(signal.SIGTERM)
        for replica in self._replicas.values():
            replica.process.stop()

    def _start(self, pod: Object) -> ProductProcess:
        metadata, [port] = pod["metadata"], free_ports(1)
        process = ProductProcess(
            metadata["name"],
            metadata["namespace"],
            pod["spec"],
            self._control_plane,
            self._directory,
            {"WEBHOOK_PORT": str(port)},
        )
        process.launch()
        if metadata["labels"]["app.kubernetes.io/component"] in {"webhook", "combined"}:
            self._service.add(Endpoint(process.name, port, f"{process.health_url}/readyz"))
        return process

    def _observed(self, pod: Object, replica: _Replica, now: datetime) -> Run:
        before, code = replica.run, replica.process.exit_code
        if code is None:
            has_probe = "readinessProbe" in pod["spec"]["containers"][0]
            return Run(before.started, not has_probe or replica.process.is_ready, before.restarts)
        exit_code = EXITED_BY_SIGNAL - code if code < 0 else code
        if is_being_deleted(pod) or pod["spec"]["restartPolicy"] != "Always":
            return before if before.ended else before.end(now, exit_code)
        if now < before.started + RESTART_DELAY:
            return Run(before.started, is_ready=False, restarts=before.restarts)
        replica.process.launch()
        return Run(now, is_ready=False, restarts=before.restarts + 1)
