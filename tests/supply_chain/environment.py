"""The environment of the programs in supply_chain/, which have packages of their own."""

import subprocess
from pathlib import Path

import pytest

from tests.parts.locate import is_continuous_integration

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv" / "supply-chain" / "bin" / "python"


def run_program(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a module of supply_chain; without its environment the test is skipped, and under CI fails."""
    if not PYTHON.exists():
        (pytest.fail if is_continuous_integration() else pytest.skip)("run `make .venv/supply-chain.stamp`")
    return subprocess.run(
        [PYTHON, "-m", f"supply_chain.{module}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
