"""A Helm binary with its own home directory, so plugins and repositories of the user have no effect."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

# The loader in C, if installed, needs a tenth of the time.
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Values = Mapping[str, Any] | None


class HelmError(Exception):
    """Helm refused or failed; the message is its command and what it printed."""


@dataclass(frozen=True)
class Helm:
    """One Helm binary; without a kubeconfig it renders and lints, with one it installs."""

    binary: Path
    directory: Path
    kubeconfig: Path | None = None

    def against(self, kubeconfig: Path) -> Self:
        """The same Helm with a kubeconfig."""
        return replace(self, kubeconfig=kubeconfig)

    def template(
        self,
        chart: Path,
        *options: str,
        release: str = "test",
        namespace: str = "default",
        values: Values = None,
    ) -> list[dict[str, Any]]:
        """The rendered objects."""
        rendered = self._with_values(
            values, "template", release, str(chart), f"--namespace={namespace}", *options
        )
        return [document for document in yaml.load_all(rendered, FAST_LOADER) if document]

    def lint(self, chart: Path, *options: str, values: Values = None) -> str:
        """The output of `helm lint`; warnings are errors."""
        return self._with_values(values, "lint", "--strict", str(chart), *options)

    def install(self, release: str, chart: Path, namespace: str, *options: str, values: Values = None) -> str:
        """Installs the chart into an existing namespace."""
        return self._with_values(values, "install", release, str(chart), f"--namespace={namespace}", *options)

    def upgrade(self, release: str, chart: Path, namespace: str, *options: str, values: Values = None) -> str:
        """Upgrades a release; its previous values are not kept."""
        return self._with_values(values, "upgrade", release, str(chart), f"--namespace={namespace}", *options)

    def rollback(self, release: str, revision: int, namespace: str, *options: str) -> str:
        """Rolls the release back to *revision*."""
        return self.run("rollback", release, str(revision), f"--namespace={namespace}", *options)

    def uninstall(self, release: str, namespace: str, *options: str) -> str:
        """Removes the release's objects."""
        return self.run("uninstall", release, f"--namespace={namespace}", *options)

    def run(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - the name subprocess.run has for it
        """Runs Helm; returns its standard output."""
        done = subprocess.run(
            [self.binary, *args],
            input=input or "",
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
        )
        if done.returncode != 0:
            raise HelmError(f"helm {' '.join(args)}: {done.stdout}{done.stderr}".strip())
        return done.stdout

    def _with_values(self, values: Values, *args: str) -> str:
        return self.run(*args, "--values=-", input=json.dumps(values or {}))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        folders = {
            "HOME": "home",
            "HELM_CACHE_HOME": "cache",
            "HELM_CONFIG_HOME": "config",
            "HELM_DATA_HOME": "data",
        }
        own = {name: str(self.directory / folder) for name, folder in folders.items()}
        return {**kept, **own, "KUBECONFIG": str(self.kubeconfig or os.devnull)}
