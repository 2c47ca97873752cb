"""`job-profiler serve` in the webhook role with scheduling, beside a fake API server; its memory."""

import asyncio
import base64
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain.custom_resources import KINDS
from app.kubernetes import paths
from app.kubernetes.webhook_entries import WEBHOOK
from app.tls.key_pairs import to_secret_data
from tests.cluster.loopback_http import answers as responds
from tests.cluster.processes import Process, free_ports
from tests.kubernetes.fake_api_server import FakeApiServer, answers
from tests.tls.issued import issue_authority, issue_serving_certificate
from tests.webhook.profiles import kind_of, web_profiles, with_containers

ROOT = Path(__file__).parents[2]
_READY_SECONDS = 60


@dataclass(frozen=True)
class ServedProduct:
    """The running process, and how to reach it."""

    process: Process
    port: int
    health_port: int
    trust: ssl.SSLContext

    @property
    def resident_megabytes(self) -> float:
        """The resident memory of the process now."""
        return self._status("VmRSS")

    @property
    def peak_megabytes(self) -> float:
        """The highest resident memory so far."""
        return self._status("VmHWM")

    @property
    def cpu_seconds(self) -> float:
        """The processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, field: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text()
        [kibibytes] = re.findall(rf"{field}:\s+(\d+) kB", lines)
        return int(kibibytes) * 1024 / 1e6


@asynccontextmanager
async def served_product(directory: Path, **settings: str) -> AsyncIterator[ServedProduct]:
    """Starts the process with the profiles of `web`; *settings* are more variables."""
    now = datetime.now(UTC)
    authority = issue_authority(now)
    secret = to_secret_data(issue_serving_certificate(authority, ("127.0.0.1",), now))
    server = FakeApiServer()
    for path, items in _collections(secret, authority.certificate).items():
        metadata = {"resourceVersion": "1"}
        server.on("GET", path, answers({"kind": "List", "metadata": metadata, "items": items}))
        server.on("WATCH", path, server.streams(then_hangs=True))
    port, health_port = free_ports(2)
    environment = _image_settings() | {
        "PYTHONPATH": str(ROOT),
        "ROLE": "webhook",
        "OPERATING_MODE": "PROFILING_SCHEDULING",
        "LOG_LEVEL": "warning",
        "OWN_NAMESPACE": "profiling",
        "BIND_ADDRESS": "127.0.0.1",
        "WEBHOOK_PORT": str(port),
        "HEALTH_PORT": str(health_port),
        "SHUTDOWN_DELAY": "0",
    }
    async with server:
        environment |= {"KUBECONFIG": server.kubeconfig(directory)} | settings
        variables = [f"{name}={value}" for name, value in environment.items()]
        process = Process("webhook", ["env", *variables, sys.executable, "-m", "app", "serve"], directory)
        process.launch()
        try:
            await _until_ready(process, f"http://127.0.0.1:{health_port}/readyz")
            trust = ssl.create_default_context(cadata=authority.certificate.decode())
            yield ServedProduct(process, port, health_port, trust)
        finally:
            process.stop()


async def _until_ready(process: Process, url: str) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while not await asyncio.to_thread(responds, url):
            assert process.pid, process.log.read_text()
            await asyncio.sleep(0.2)


def _with_container(manifest: dict[str, Any]) -> dict[str, Any]:
    """The profile with a need of the container `server`, if it is one of CPU or memory."""
    need = {"CPUProfile": "0.250", "MemoryProfile": "67108864"}.get(manifest["kind"])
    return with_containers(manifest, {"server": need}) if need else manifest


def _image_settings() -> dict[str, str]:
    """The malloc settings of the image."""
    return dict(re.findall(r"(MALLOC_\w+)=(\d+)", (ROOT / "Dockerfile").read_text()))


def _collections(secret: dict[str, bytes], authority: bytes) -> dict[str, list[dict[str, Any]]]:
    """All objects that the role lists, by path; the namespace emojivoto enables scheduling."""
    data = {key: base64.b64encode(value).decode() for key, value in secret.items()}
    entry = {"name": WEBHOOK, "clientConfig": {"caBundle": base64.b64encode(authority).decode()}}
    configuration = {"metadata": {"name": "job-profiler"}, "webhooks": [entry]}
    labels = {"job-profiler.liqo.io/scheduling": "true"}
    profiles = [_with_container(manifest) for manifest in web_profiles()]
    listed = {
        paths.profiles(kind.plural, "profiling"): [each for each in profiles if kind_of(each) is profile_kind]
        for profile_kind, kind in KINDS.items()
    }
    return listed | {
        paths.secrets("profiling"): [{"metadata": {"name": "job-profiler-tls"}, "data": data}],
        paths.mutating_webhook_configuration("").rstrip("/"): [configuration],
        paths.namespaces(): [{"metadata": {"name": "emojivoto", "labels": labels}}],
        paths.limit_ranges(): [],
        paths.resource_quotas(): [],
        paths.horizontal_pod_autoscalers(): [],
    }
