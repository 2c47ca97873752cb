"""The program in this process: arguments in, exit code and both outputs out."""

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
    """How a run ended."""

    code: object
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that was printed, on one line, so that a text is found wherever it was wrapped."""
        return " ".join((self.out + self.err).split())


class Program:
    """`job-profiler` with its arguments, run to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *arguments: object) -> Outcome:
        """What a shell would see."""
        self._monkeypatch.setattr(sys, "argv", ["job-profiler", *map(str, arguments)])
        code: object = None
        try:
            main()
        except SystemExit as end:
            code = end.code
        captured = self._capsys.readouterr()
        return Outcome(code or 0, captured.out, captured.err)

    async def run_beside(self, *arguments: object) -> Outcome:
        """The same in a thread, while this event loop plays the servers."""
        return await asyncio.to_thread(self.run, *arguments)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    """No setting comes from this machine's environment; the log of this process is left as it is."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    commands = (f"app.command_line.{name}" for name in ("profile", "backtest", "record", "explain"))
    for module in (*commands, "app.runtime.serving"):
        monkeypatch.setattr(f"{module}.configure_logs", lambda *_: None)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Program(monkeypatch, capsys)
    structlog.configure(**before)


@pytest.fixture
async def api_server() -> AsyncIterator[FakeApiServer]:
    """A fake API server that knows no path until a test scripts one."""
    async with FakeApiServer() as running:
        yield running
