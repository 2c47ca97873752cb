"""`job-profiler dashboard` as a process of its own, as a user starts it."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.settings.environment import Settings
from tests.cluster.processes import Process

REPOSITORY = Path(__file__).parents[3]
START_SECONDS = 60
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+/")


@contextmanager
def dashboard(directory: Path, *arguments: object) -> Iterator[str]:
    """The address that the command prints, with its token and without the last slash."""
    foreign = (name for name in os.environ if name.lower() in {*Settings.model_fields, "kubeconfig"})
    unset = [option for name in foreign for option in ("-u", name)]
    command = ["env", *unset, f"HOME={directory}", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "app"]
    process = Process("dashboard", [*command, "dashboard", *map(str, arguments)], directory)
    process.start(lambda: bool(_ADDRESS.search(process.log.read_text())), START_SECONDS)
    try:
        (address,) = _ADDRESS.findall(process.log.read_text())
        yield address.removesuffix("/")
    finally:
        process.stop()
