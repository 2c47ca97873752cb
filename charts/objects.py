"""Objects that Helm renders from the chart, and their text in an order that does not depend on Helm."""

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
    """Helm failed, or an object has no file; the text says what to do."""


class _Dumper(yaml.SafeDumper):
    """Indents a list below its key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the base class's signature
        super().increase_indent(flow, indentless=False)


def render(helm: str, kube_version: str, options: Sequence[str]) -> list[Manifest]:
    """The objects of the release `job-profiler`, with those of `helm test`."""
    command = [helm, "template", "job-profiler", str(CHART), f"--namespace={NAMESPACE}"]
    command += [f"--kube-version={kube_version}", *options]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's Helm
    except OSError as error:
        raise RenderError(f"{helm} can't be run ({error}): set --helm to Helm 3 or 4") from error
    if process.returncode != 0:
        raise RenderError(f"`{' '.join(command)}` failed: {process.stderr.strip()}")
    return [manifest for manifest in yaml.safe_load_all(process.stdout) if manifest]


def as_text(objects: Iterable[Manifest]) -> str:
    """One YAML document per object."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=110, explicit_start=True)


def key_of(manifest: Manifest) -> tuple[str, str]:
    """Sort key of objects of one kind: namespace and name."""
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
