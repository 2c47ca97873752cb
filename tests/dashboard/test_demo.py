"""`job-profiler demo --keep` serves the page of its own profiles, until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.command_line.process import REPOSITORY

WITHIN_SECONDS = 60


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    """The running program, which is ended by its test."""
    command = [sys.executable, "-u", "-m", "app", "demo", "--keep"]
    variables = os.environ | {"HOME": "/nonexistent"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=variables, stdout=subprocess.PIPE, text=True
    ) as running:
        yield running
        running.kill()


def test_the_demo_has_a_page(demo: subprocess.Popen[str]) -> None:
    """The four workloads of emojivoto with the usage that is replayed, and a curve of web; exit code 0."""
    assert demo.stdout
    url = next(found[1] for line in demo.stdout if (found := re.match(r"Dashboard: (\S+)", line)))

    with httpx.Client(base_url=url, timeout=WITHIN_SECONDS, trust_env=False) as client:
        rows = client.get("workloads").text
        web = client.get("workload?namespace=emojivoto&name=web").text
        edges = client.get("connections").text
    demo.send_signal(signal.SIGINT)

    assert demo.wait(WITHIN_SECONDS) == 0
    assert re.findall(r"</span>(\S+)</a>", rows) == ["emoji", "vote-bot", "voting", "web"]
    assert web.count('class="chart" role="img"') == 2
    assert "vote-bot" in edges
