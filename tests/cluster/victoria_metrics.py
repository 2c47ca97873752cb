"""A real VictoriaMetrics with the history of an OpenMetrics file, imported by its API."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.loopback_http import answers, request
from tests.cluster.processes import Process, free_ports
from tests.parts.locate import Part, require

START_SECONDS = 60
RETENTION = "100y"  # counted from today, so the history may be old


class VictoriaMetrics:
    """Context manager; without an OpenMetrics file the server has no series."""

    def __init__(
        self, directory: Path, openmetrics_file: Path | None = None, *, flags: Sequence[str] = ()
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._history = openmetrics_file
        command: list[str | Path] = [
            require(Part.VICTORIA_METRICS),
            f"-storageDataPath={directory / 'data'}",
            f"-retentionPeriod={RETENTION}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-memory.allowedBytes=256MB",
            *flags,
        ]
        self._process = Process("victoria-metrics", command, directory)

    def __enter__(self) -> Self:
        self._process.start(lambda: answers(f"{self.url}/health"), START_SECONDS)
        if self._history:
            # The text differs from Prometheus' format in the unit of times, which VictoriaMetrics detects.
            request(f"{self.url}/api/v1/import/prometheus", content=self._history.read_bytes())
            request(f"{self.url}/internal/force_flush")  # else new samples are found a second later
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
