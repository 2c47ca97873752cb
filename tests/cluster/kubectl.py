"""The real kubectl against one kubeconfig; what it prints on failure is the error's text.

A call costs a process and a tenth of a second of CPU: what is looked at again and again is read by `api`.
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
    """Runs kubectl as the user of `kubeconfig`; its caches are kept beside that file."""

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
        """The same user's reads without a process."""
        return ApiReader(self.kubeconfig)

    def run(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - the name subprocess.run has for it
        """What kubectl prints; `input` is its standard input."""
        done = subprocess.run(
            [*self._command, *args],
            input=input or "",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBERC": "off"},  # no aliases and defaults of the user's own
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def json(self, *args: str, input: str | None = None) -> Any:  # noqa: A002 - as run
        """The decoded objects that the command prints with `--output=json`."""
        return json.loads(self.run(*args, "--output=json", input=input))

    def apply(self, *manifests: str | Mapping[str, Any]) -> str:
        """Applies YAML texts and objects, in this order."""
        documents = [text if isinstance(text, str) else json.dumps(text) for text in manifests]
        return self.run("apply", "--filename=-", input="\n---\n".join(documents))

    def create_namespace(self, name: str, **labels: str) -> str:
        """Creates the namespace with the name label that Kubernetes sets itself only since 1.21.

        One of the same name that `delete_namespaces` removed is waited for.
        """
        metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        wait_until(
            lambda: self._is_created(namespace), REMOVAL_SECONDS, f"the namespace {name} of before to be gone"
        )
        return name

    def delete_namespaces(self, *names: str) -> None:
        """Their objects go in the background: nobody needs to wait for that."""
        self.run("delete", "namespace", *names, "--wait=false")

    def _is_created(self, namespace: Mapping[str, Any]) -> bool:
        try:
            self.run("create", "--filename=-", input=json.dumps(namespace))
        except KubectlError as error:
            if "object is being deleted" not in str(error):
                raise
            return False
        return True
