"""The program as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from app.settings.environment import Settings

REPOSITORY = Path(__file__).parents[2]


def job_profiler(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the program without settings and kubeconfig of this machine."""
    environment = {"HOME": "/nonexistent"} | environment
    inherited = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        cwd=REPOSITORY,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
