"""What Helm renders of the chart, as objects, and objects as text in an order that no Helm decides."""  # noqa: INP001 - part of a program, not of a package

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
CHART = REPOSITORY / "charts" / "job-profiler"
NAMESPACE = "profiling"

Manifest = dict[str, Any]


class RenderError(Exception):
    """Helm failed, or rendered what has no file; the text says what to do."""


class _Dumper(yaml.SafeDumper):
    """Indents a list below its key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the base class's signature
        super().increase_indent(flow, indentless=False)


def rendered(helm: str, kube_version: str, options: Sequence[str]) -> list[Manifest]:
    """The objects of the release `job-profiler`, those of `helm test` included."""
    command = [helm, "template", "job-profiler", str(CHART), f"--namespace={NAMESPACE}"]
    command += [f"--kube-version={kube_version}", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's Helm
    except OSError as error:
        raise RenderError(f"{helm} can't be run ({error}): name Helm 3 or 4 with --helm") from error
    if done.returncode != 0:
        raise RenderError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def as_text(objects: Iterable[Manifest]) -> str:
    """One YAML document for each."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=110, explicit_start=True)


def key_of(manifest: Manifest) -> tuple[str, str]:
    """Orders objects of one kind."""
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
