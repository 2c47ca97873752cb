"""Fixtures that run the program in this process, and a fake API server."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import structlog

from app.command_line.root import main
from app.settings.environment import Settings
from tests.kubernetes.fake_api_server import FakeApiServer


@dataclass(frozen=True)
class Outcome:
    """The exit code and the output of a run."""

    code: object
    out: str
    err: str

    @property
    def one_line(self) -> str:
        """Both outputs on one line, so that wrapped text can be searched."""
        return " ".join((self.out + self.err).split())


class Program:
    """Runs `job-profiler` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *arguments: object) -> Outcome:
        """Runs the program with *arguments* and returns its outcome."""
        self._monkeypatch.setattr(sys, "argv", ["job-profiler", *map(str, arguments)])
        code: object = None
        try:
            main()
        except SystemExit as system_exit:
            code = system_exit.code
        captured = self._capsys.readouterr()
        return Outcome(code or 0, captured.out, captured.err)

    async def run_beside(self, *arguments: object) -> Outcome:
        """Runs the program in a thread, while this event loop runs the fake servers."""
        return await asyncio.to_thread(self.run, *arguments)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a width, which the parallel test runner sets too, nothing is folded."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def program(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Program]:
    """The program without settings and kubeconfig of this machine; logging is restored afterwards."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    names = (
        *("profile", "doctor", "backtest", "record", "explain"),
        *("savings", "plan", "connections", "recorded_connections", "changes", "export"),
        *("export_quota", "export_network_policy"),
        *("dashboard", "report"),
    )
    commands = (f"app.command_line.{name}" for name in names)
    for module in (*commands, "app.runtime.serving"):
        monkeypatch.setattr(f"{module}.configure_logs", lambda *_: None)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Program(monkeypatch, capsys)
    structlog.configure(**before)


@pytest.fixture
async def api_server() -> AsyncIterator[FakeApiServer]:
    """A fake API server without any paths."""
    async with FakeApiServer() as running:
        yield running
