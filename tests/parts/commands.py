"""Runs the commands of the set-up; one that fails becomes one PartError with the end of its output."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SHOWN_LINES = 15


class PartError(Exception):
    """A part can't be found or set up; the message says why and what to do."""


def run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """The command's output, both streams together; `env` replaces the whole environment."""
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
    """This process's environment with some variables changed."""
    return {**os.environ, **changes}
