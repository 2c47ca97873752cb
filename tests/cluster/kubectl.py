"""kubectl with one kubeconfig; on failure its output is the text of the error.

A call costs a process and a tenth of a second of CPU: polling uses `api`.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster.api_reader import ApiReader
from tests.cluster.waiting import wait_until
from tests.parts.locate import Part, require

REMOVAL_SECONDS = 60


class KubectlError(Exception):
    """kubectl refused or failed; the message is its command and what it printed."""


class Kubectl:
    """Runs kubectl with a kubeconfig; its caches are beside that file."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        cache = kubeconfig.with_suffix(".kubectl-cache")
        self._command = (
            str(require(Part.KUBECTL)),
            f"--kubeconfig={kubeconfig}",
            f"--cache-dir={cache}",
        )

    @cached_property
    def api(self) -> ApiReader:
        """Reads with the same kubeconfig, without a process."""
        return ApiReader(self.kubeconfig)

    def run(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - the name subprocess.run has for it
        """Runs kubectl; returns its standard output. `input` is its standard input."""
        done = subprocess.run(
            [*self._command, *args],
            input=input or "",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBERC": "off"},  # without the user's aliases and defaults
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def json(self, *args: str, input: str | None = None) -> Any:  # noqa: A002 - as run
        """The decoded objects that the command prints with `--output=json`."""
        return json.loads(self.run(*args, "--output=json", input=input))

    def apply(self, *manifests: str | Mapping[str, Any]) -> str:
        """Applies YAML texts and objects in this order."""
        documents = [text if isinstance(text, str) else json.dumps(text) for text in manifests]
        return self.run("apply", "--filename=-", input="\n---\n".join(documents))

    def create_namespace(self, name: str, **labels: str) -> str:
        """Creates the namespace with the name label that Kubernetes itself sets from 1.21 on.

        Waits until a namespace of the same name that `delete_namespaces` removed is gone.
        """
        metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        wait_until(
            lambda: self._is_created(namespace),
            REMOVAL_SECONDS,
            f"the previous namespace {name} to be deleted",
        )
        return name

    def delete_namespaces(self, *names: str) -> None:
        """Deletes the namespaces without waiting for their objects."""
        self.run("delete", "namespace", *names, "--wait=false")

    def _is_created(self, namespace: Mapping[str, Any]) -> bool:
        try:
            self.run("create", "--filename=-", input=json.dumps(namespace))
        except KubectlError as error:
            if "object is being deleted" not in str(error):
                raise
            return False
        return True
