"""A real Prometheus: its history comes from an OpenMetrics file, or it scrapes by a configuration file."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.back_fill import back_fill
from tests.cluster.loopback_http import answers
from tests.cluster.processes import Process, free_ports
from tests.parts.locate import Part, require

RETENTION = "60d"  # counted from the newest sample, so the history may be old
START_SECONDS = 60


class Prometheus:
    """Context manager; without an OpenMetrics file the server has no series."""

    def __init__(
        self,
        directory: Path,
        openmetrics_file: Path | None = None,
        *,
        configuration: Path | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._history = openmetrics_file
        self.data = directory / "data"
        command: list[str | Path] = [
            require(Part.PROMETHEUS),
            f"--config.file={configuration or '/dev/null'}",
            f"--storage.tsdb.path={self.data}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ]
        self._process = Process("prometheus", command, directory)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._process.pid

    def __enter__(self) -> Self:
        if self._history:
            back_fill(self._history, self.data)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts or restarts the server on the same port with the same data."""
        self._process.start(lambda: answers(f"{self.url}/-/ready"), START_SECONDS)

    def stop(self) -> None:
        """Stops the server; until `start` connections are refused."""
        self._process.stop()
