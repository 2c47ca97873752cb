"""A release of the chart on a control plane, and the processes that run it."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.processes import free_ports
from tests.cluster.waiting import wait_until
from tests.e2e.product import REPOSITORY, ProductProcess

CHART = REPOSITORY / "charts" / "job-profiler"
KINDS = "cpuprofiles,memoryprofiles,connectionprofiles"
NAME = "job-profiler"


class Release:
    """Installed by `install`, run by `start`; the webhook is reached by URL: nothing plays a Service.

    The CRDs are those of the control plane, unless the release is to bring them.
    """

    brings_crds = False

    def __init__(
        self,
        helm: Helm,
        control_plane: ControlPlane,
        kubectl: Kubectl,
        namespace: str,
        directory: Path,
    ) -> None:
        self.helm = helm.against(control_plane.kubeconfig)
        self.kubectl = kubectl
        self.namespace = namespace
        self.processes: dict[str, ProductProcess] = {}
        self.version = control_plane.version
        self._control_plane = control_plane
        self._directory = directory
        [self.webhook_port] = free_ports(1)

    def values(self, prometheus_url: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values that suit a cluster without nodes: short times, and a webhook beside it."""
        values: dict[str, Any] = {
            "image": {"repository": "registry.example/job-profiler"},
            "prometheus": {"url": prometheus_url},
            "profiling": {"updateSeconds": 1},
            "crds": {"install": self.brings_crds},
            "webhook": {
                "url": f"https://127.0.0.1:{self.webhook_port}/mutate",
                "port": self.webhook_port,
                "shutdownDelaySeconds": 0,
            },
        }
        for key, value in (extra or {}).items():
            values[key] = {**values.get(key, {}), **value} if isinstance(value, Mapping) else value
        return values

    def install(self, values: Mapping[str, Any]) -> None:
        """`helm install`."""
        self.helm.install(NAME, CHART, self.namespace, values=values)

    def start(self) -> None:
        """Start one replica of each Deployment and wait until the cluster trusts the webhook."""
        self.processes = {}
        deployments = self.kubectl.api.list("deployments", self.namespace)
        for deployment in deployments:
            component = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
            process = ProductProcess(deployment, self._control_plane, self._directory)
            self.processes[component] = process
        for process in self.processes.values():
            process.launch()
        # The profiler issues the certificate without which no webhook is ready.
        for component in sorted(self.processes):
            self.processes[component].until_ready()
        wait_until(lambda: self.ca_bundle, 30, "the caBundle to be published")

    def replica(self, component: str, number: int, settings: Mapping[str, str]) -> ProductProcess:
        """One more replica of a Deployment, which the caller starts and ends."""
        deployment = self.kubectl.api.get("deployments", f"{NAME}-{component}", self.namespace)
        return ProductProcess(deployment, self._control_plane, self._directory, number, settings)

    def stop(self) -> None:
        """End every process; they end at the same time."""
        for process in self.processes.values():
            process.signal(signal.SIGTERM)
        for process in self.processes.values():
            process.stop()

    def restart(self) -> None:
        """What a roll-out after an upgrade does: the old processes end, new ones start."""
        self.stop()
        self.start()

    @property
    def ca_bundle(self) -> str:
        """The authority that the API server trusts, in base64."""
        configuration = self.kubectl.api.get("mutatingwebhookconfigurations", NAME)
        bundle: str = configuration["webhooks"][0]["clientConfig"].get("caBundle", "")
        return bundle

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Every profile by name."""
        found = [each for kind in KINDS.split(",") for each in self.kubectl.api.list(kind, self.namespace)]
        return {profile["metadata"]["name"]: profile for profile in found}
