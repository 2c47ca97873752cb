"""Builds images with buildah in a storage of this project, without a registry and without a daemon."""

import json
from pathlib import Path
from typing import Any

from tests.parts.commands import run, with_environment
from tests.parts.locate import Part, require


class Buildah:
    """buildah with all its state below one directory; steps run in a chroot."""

    def __init__(self, directory: Path) -> None:
        self._command = (
            str(require(Part.BUILDAH)),
            f"--root={directory / 'storage'}",
            f"--runroot={directory / 'run'}",
            "--storage-driver=vfs",
        )

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Runs a buildah command and returns its output."""
        environment = with_environment(BUILDAH_ISOLATION="chroot")
        return run(*self._command, *map(str, arguments), cwd=cwd, env=environment).strip()

    def has(self, image: str) -> bool:
        """True if the storage has an image of that name."""
        names = json.loads(self.run("images", "--json") or "null") or []
        return any(f"{image}:latest" in (entry["names"] or ()) for entry in names)

    def config_of(self, image: str) -> dict[str, Any]:
        """The image's configuration: User, Env, Entrypoint, Cmd, Labels."""
        config: dict[str, Any] = json.loads(self.run("inspect", "--type=image", image))["OCIv1"]["config"]
        return config

    def create(self, image: str, *options: str) -> str:
        """The name of a container of the image; `run("rm", ...)` removes it."""
        return self.run("from", "--pull-never", *options, image).splitlines()[-1]
