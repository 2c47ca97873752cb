"""VPA's updater and admission controller as processes, with the CRD and the rights of their source tree."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.api_reader import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import answers, request
from tests.cluster.processes import Process, free_ports
from tests.tls.issued import issue_authority, issue_serving_certificate

NAMESPACE = "vpa-system"  # the audit log leaves out the accounts of kube-system
UPDATER, ADMISSION_CONTROLLER = "vpa-updater", "vpa-admission-controller"
# A loop takes 2 s in place of a minute, and the rule for Pods of 12 hours holds for those of a second.
UPDATER_FLAGS = ("--updater-interval=2s", "--in-recommendation-bounds-eviction-lifetime-threshold=1s")
CONFIGURATION = "vpa-webhook-config"
START_SECONDS = 60  # the admission controller registers itself 10 s after its start
_DEPLOYED_TO = re.compile(r"^(\s*namespace:) kube-system$", re.MULTILINE)
_LOOPS = re.compile(r'^vpa_updater_execution_latency_seconds_count\{step="EvictPods"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A `vertical-pod-autoscaler` tree, and the folder of the two programs that were built from it."""

    tree: Path
    binaries: Path

    def crd(self) -> str:
        """The manifests of the CRDs."""
        return (self.tree / "deploy" / "vpa-v1-crd-gen.yaml").read_text()

    def rights(self) -> str:
        """The manifests of accounts and roles, in `NAMESPACE`."""
        return _DEPLOYED_TO.sub(rf"\1 {NAMESPACE}", (self.tree / "deploy" / "vpa-rbac.yaml").read_text())


class VpaPrograms:
    """Context manager; the log files are in *directory*.

    The admission controller listens on all addresses, for which it has no setting.
    """

    def __init__(
        self, source: Source, control_plane: ControlPlane, kubectl: Kubectl, directory: Path
    ) -> None:
        self._source, self._control_plane, self._kubectl = source, control_plane, kubectl
        self._directory = directory
        self._webhook_port, webhook_metrics, updater_metrics = free_ports(3)
        self._webhook_url = f"http://127.0.0.1:{webhook_metrics}"
        self._updater_url = f"http://127.0.0.1:{updater_metrics}"
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        self._kubectl.run("apply", "--server-side", "--filename=-", input=self._source.crd())
        self._kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        self._kubectl.create_namespace(NAMESPACE)
        self._kubectl.apply(self._source.rights())
        self._write_certificates()
        try:
            self._start(
                ADMISSION_CONTROLLER,
                self._source.binaries / "admission-controller",
                self._webhook_url,
                *self._webhook_flags(),
            )
            self._start(UPDATER, self._source.binaries / "updater", self._updater_url, *UPDATER_FLAGS)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def loops(self) -> int:
        """The number of complete loops of the updater."""
        found = _LOOPS.search(request(f"{self._updater_url}/metrics").decode())
        return int(float(found[1])) if found else 0

    def log_of(self, name: str) -> str:
        """The log of a program so far."""
        return (self._directory / f"{name}.log").read_text()

    def _start(self, name: str, binary: Path, metrics_url: str, *flags: str) -> None:
        kubeconfig = self._control_plane.kubeconfig_of(name, NAMESPACE)
        environment = ("env", f"NAMESPACE={NAMESPACE}")
        common = (f"--kubeconfig={kubeconfig}", f"--address={metrics_url.removeprefix('http://')}", "--v=4")
        process = Process(name, [*environment, binary, *common, *flags], self._directory)
        self._processes.append(process)
        process.start(lambda: self._is_ready(name, metrics_url), START_SECONDS)

    def _is_ready(self, name: str, metrics_url: str) -> bool:
        if not answers(f"{metrics_url}/metrics"):
            return False
        if name == UPDATER:
            return True
        try:
            self._kubectl.api.get("mutatingwebhookconfigurations", CONFIGURATION)
        except ApiError:
            return False
        return True

    def _webhook_flags(self) -> tuple[str, ...]:
        return (
            f"--client-ca-file={self._directory / 'ca.crt'}",
            f"--tls-cert-file={self._directory / 'tls.crt'}",
            f"--tls-private-key={self._directory / 'tls.key'}",
            f"--port={self._webhook_port}",
            "--register-by-url",
            "--webhook-address=https://127.0.0.1",
            f"--webhook-port={self._webhook_port}",
        )

    def _write_certificates(self) -> None:
        now = datetime.now(UTC)
        authority = issue_authority(now)
        serving = issue_serving_certificate(authority, ("127.0.0.1",), now)
        (self._directory / "ca.crt").write_bytes(authority.certificate)
        (self._directory / "tls.crt").write_bytes(serving.certificate)
        (self._directory / "tls.key").write_bytes(serving.private_key)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
