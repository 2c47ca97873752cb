"""`job-profiler demo --keep` serves the page of its own profiles, until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile

import httpx
import pytest

from tests.command_line.process import REPOSITORY, job_profiler

WITHIN_SECONDS = 60


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    """The running program, which is ended by its test."""
    command = [sys.executable, "-u", "-m", "app", "demo", "--keep"]
    variables = os.environ | {"HOME": "/nonexistent", "COLUMNS": ""}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=variables, stdout=subprocess.PIPE, text=True
    ) as running:
        yield running
        running.kill()


def test_the_demo_has_a_page(demo: subprocess.Popen[str]) -> None:
    """The four workloads of emojivoto with their usage, and a curve of web; exit code 0.

    At any time of day, the demo prints what `profile` computes from the same file, and the page shows it.
    """
    assert demo.stdout
    printed = "".join(takewhile("Press Ctrl-C to stop.\n".__ne__, demo.stdout))
    [url] = re.findall(r"^Dashboard: (\S+)$", printed, flags=re.MULTILINE)

    with httpx.Client(base_url=url, timeout=WITHIN_SECONDS, trust_env=False) as client:
        rows = client.get("workloads").text
        web = client.get("workload?namespace=emojivoto&name=web").text
        edges = client.get("connections").text
    demo.send_signal(signal.SIGINT)

    assert demo.wait(WITHIN_SECONDS) == 0
    assert re.findall(r"</span>(\S+)</a>", rows) == ["emoji", "vote-bot", "voting", "web"]
    assert web.count('class="chart" role="img"') == 2
    assert "vote-bot" in edges
    record = "app/demo/emojivoto.npz"
    computed = job_profiler("profile", "--history", record, "-o", "wide", COLUMNS="").stdout
    assert computed in printed
    [messages] = re.findall(r"^emojivoto/vote-bot +emojivoto/web +([0-9.]+)", computed, flags=re.MULTILINE)
    assert messages in edges
