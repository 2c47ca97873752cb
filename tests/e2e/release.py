"""A release of the chart on a control plane, and the processes that run it."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.processes import free_ports
from tests.cluster.waiting import wait_until
from tests.e2e.product import REPOSITORY, ProductProcess, Program, from_this_tree

CHART = REPOSITORY / "charts" / "job-profiler"
KINDS = "cpuprofiles,memoryprofiles,connectionprofiles"
NAME = "job-profiler"
IDENTITY = "job-profiler.liqo.io"  # of annotations


class Release:
    """A release, installed by `install` and run by `start`; the API server calls the webhook by URL.

    The CRDs of the control plane are used, unless the release `brings_crds`.
    """

    brings_crds = False

    def __init__(
        self,
        helm: Helm,
        control_plane: ControlPlane,
        kubectl: Kubectl,
        namespace: str,
        directory: Path,
        program: Program = from_this_tree,
    ) -> None:
        self.helm = helm.against(control_plane.kubeconfig)
        self.kubectl = kubectl
        self.namespace = namespace
        self.processes: dict[str, ProductProcess] = {}
        self.version = control_plane.version
        self._control_plane = control_plane
        self._directory = directory
        self.program = program
        [self.webhook_port] = free_ports(1)

    def values(self, prometheus_url: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values for a cluster without nodes: short periods, and a webhook outside the cluster."""
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
        """Runs `helm install`."""
        self.helm.install(NAME, CHART, self.namespace, values=values)

    @property
    def is_installed(self) -> bool:
        """Whether Helm lists the release."""
        return NAME in self.helm.run("list", "--short", f"--namespace={self.namespace}").split()

    def start(self) -> None:
        """Starts one replica of each Deployment and waits until the caBundle is published."""
        self.processes = {}
        deployments = self.kubectl.api.list("deployments", self.namespace)
        for deployment in deployments:
            component = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
            self.processes[component] = self._process(deployment, 0, {})
        for process in self.processes.values():
            process.launch()
        # The webhook is ready only with the certificate that the profiler issues.
        for component in sorted(self.processes):
            self.processes[component].until_ready()
        wait_until(lambda: self.ca_bundle, 30, "the caBundle to be published")

    def replica(self, component: str, number: int, settings: Mapping[str, str]) -> ProductProcess:
        """Another replica of a Deployment; the caller starts and stops it."""
        deployment = self.kubectl.api.get("deployments", f"{NAME}-{component}", self.namespace)
        return self._process(deployment, number, settings)

    def _process(
        self, deployment: dict[str, Any], number: int, settings: Mapping[str, str]
    ) -> ProductProcess:
        name, pod = f"{deployment['metadata']['name']}-{number}", deployment["spec"]["template"]["spec"]
        return ProductProcess(
            name, self.namespace, pod, self._control_plane, self._directory, settings, self.program
        )

    def stop(self) -> None:
        """Stops all processes at the same time."""
        for process in self.processes.values():
            process.signal(signal.SIGTERM)
        for process in self.processes.values():
            process.stop()

    def restart(self) -> None:
        """Stops all processes and starts new ones, like the roll-out after an upgrade."""
        self.stop()
        self.start()

    @property
    def ca_bundle(self) -> str:
        """The CA bundle that the API server trusts, in base64."""
        configuration = self.kubectl.api.get("mutatingwebhookconfigurations", NAME)
        bundle: str = configuration["webhooks"][0]["clientConfig"].get("caBundle", "")
        return bundle

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Every profile by name."""
        return {
            profile["metadata"]["name"]: profile
            for kind in KINDS.split(",")
            for profile in self.kubectl.api.list(kind, self.namespace)
        }

    def connections(self) -> dict[str, dict[str, Any]]:
        """Every connection profile by its edge, in the notation of the histories."""
        by_edge = {}
        for profile in self.kubectl.api.list("connectionprofiles", self.namespace):
            spec, annotations = profile["spec"], profile["metadata"]["annotations"]
            ends = [
                (annotations[f"{IDENTITY}/{end}-kind"], spec[f"{end}_namespace"], spec[f"{end}_job"])
                for end in ("source", "destination")
            ]
            by_edge[" → ".join("/".join(end).removeprefix("Deployment/") for end in ends)] = profile
        return by_edge


def job_profiler(
    release: Release, command: str, *arguments: str, component: str = "profiler"
) -> subprocess.CompletedProcess[str]:
    """Runs a command with the settings and the account of a component's Pods."""
    environment = release.processes[component].environment
    return subprocess.run(
        [sys.executable, "-m", "app", command, *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
