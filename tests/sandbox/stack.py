"""The product on a control plane with a stand-in kubelet, and the shell of a user of it."""

import shlex
import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.kubelet import Kubelet
from tests.cluster.service_forwarder import ServiceForwarder
from tests.cluster.waiting import wait_until
from tests.e2e.product import REPOSITORY
from tests.e2e.product_pods import ProductPods
from tests.e2e.release import CHART, NAME, Release
from tests.histories.emojivoto.description import DEPLOYMENTS
from tests.histories.emojivoto.description import NAMESPACE as EMOJIVOTO
from tests.parts.locate import Part, require
from tests.sandbox.emojivoto import emojivoto

NAMESPACE = "profiling"
ROLLOUT_SECONDS = 300
PROFILE_SECONDS = 120
# The history has the kubelet of one node twice, for tests of that; here it would be an endless warning.
KUBELETS = 'job="kubelet"'
VALUES = {
    "profiling": {"updateSeconds": 10},
    "prometheus": {"containerMetricsMatcher": KUBELETS},
}


class Sandbox:
    """Context manager: the installed release, emojivoto's Pods, and `activate`, which a shell can source.

    The namespace emojivoto exists. The Pods of all namespaces run, or those of *namespaces* only.
    """

    def __init__(
        self,
        directory: Path,
        control_plane: ControlPlane,
        kubectl: Kubectl,
        prometheus_url: str,
        namespaces: Collection[str] = (),
    ) -> None:
        self.directory = directory
        self.activate = directory / "activate"
        self.prometheus_url = prometheus_url
        self.version = control_plane.version
        self.api_url = control_plane.server_url
        self._kubectl = kubectl
        (directory / "helm").mkdir()
        helm = Helm(require(Part.HELM_4), directory / "helm")
        self.release = Release(helm, control_plane, kubectl, NAMESPACE, directory)
        self.release.brings_crds = True
        self._values = self.release.values(prometheus_url, VALUES)
        self.webhook_url: str = self._values["webhook"]["url"]
        self._service = ServiceForwarder(self.release.webhook_port)
        self._kubelet = Kubelet(
            control_plane,
            namespaces=namespaces,
            containers=ProductPods(
                control_plane, self._values["image"]["repository"], self._service, directory
            ),
        )
        self._running = ExitStack()

    @property
    def is_running(self) -> bool:
        """False after an unexpected error of the kubelet, the trace of which is on stderr."""
        return self._kubelet.is_running

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self._service)
            undo.enter_context(self._kubelet)
            self._kubectl.create_namespace(NAMESPACE)
            self._install()
            self._write_activate()
            self._running = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _install(self) -> None:
        wait = ("--wait", f"--timeout={ROLLOUT_SECONDS}s")
        self.release.helm.install(NAME, CHART, NAMESPACE, *wait, values=self._values)
        wait_until(
            lambda: len(self.release.profiles()) >= 2 * len(DEPLOYMENTS), PROFILE_SECONDS, "the profiles"
        )
        self._kubectl.apply(*emojivoto())
        for name in DEPLOYMENTS:
            self._kubectl.run(
                *("rollout", "status", f"deployment/{name}", f"--namespace={EMOJIVOTO}"),
                f"--timeout={ROLLOUT_SECONDS}s",
            )

    def _write_activate(self) -> None:
        """Commands without flags: each finds the cluster, the namespace and Prometheus in the environment."""
        programs = self.directory / "bin"
        programs.mkdir()
        for name, part in (("kubectl", Part.KUBECTL), ("helm", Part.HELM_4)):
            (programs / name).symlink_to(require(part))
        command = programs / NAME
        command.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m app "$@"\n')
        command.chmod(0o755)
        variables = {
            "KUBECONFIG": self._kubectl.kubeconfig,
            "OWN_NAMESPACE": NAMESPACE,
            "PROMETHEUS_URL": self.prometheus_url,
            "CONTAINER_METRICS_MATCHER": KUBELETS,
            "CHART": CHART,
        }
        exports = [f"export {name}={shlex.quote(str(value))}" for name, value in variables.items()]
        path = f'export PATH={shlex.quote(str(programs))}:"$PATH"'
        self.activate.write_text("\n".join([*exports, path, ""]))
