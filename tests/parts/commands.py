"""Commands of the set-up; a failing command raises PartError with the end of its output."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SHOWN_LINES = 15


class PartError(Exception):
    """A program can't be found or installed; the message contains the reason and the remedy."""


def run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command; returns stdout and stderr together. `env` replaces the whole environment."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise PartError(f"{command[0]} can't be run: {error}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        tail = "\n".join(output.splitlines()[-SHOWN_LINES:])
        raise PartError(f"`{' '.join(command)}` ended with {done.returncode}:\n{tail}")
    return output


def with_environment(**changes: str) -> dict[str, str]:
    """This process's environment with *changes*."""
    return {**os.environ, **changes}
