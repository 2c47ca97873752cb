"""Builds kube-apiserver and kube-controller-manager from Debian's source package, once per machine.

Debian ships the source of these two but no binaries. The build needs 2.2 GB and takes 5 to 7 minutes on two
cores; only the two binaries are kept. The caller holds the cache's lock.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.commands import PartError, run
from tests.parts.debian import download_source

MAJOR, MINOR = 1, 20
VERSION = f"{MAJOR}.{MINOR}.2"
FOLDER = f"kubernetes-{VERSION}"
BINARIES = ("kube-apiserver", "kube-controller-manager")
REFLECT2 = Path("/usr/share/gocode/src/github.com/modern-go/reflect2")
# Build dependencies that a minimal Debian lacks: a file of each package, and the package.
BUILD_DEPENDENCIES = {
    Path("/usr/bin/go"): "golang-go",
    REFLECT2: "golang-github-modern-go-reflect2-dev",
    Path("/usr/bin/rsync"): "rsync",
    Path("/usr/bin/make"): "make",
}
VERSION_VARIABLES = f"""\
KUBE_GIT_COMMIT='{"0" * 40}'
KUBE_GIT_TREE_STATE='archive'
KUBE_GIT_VERSION='v{VERSION}'
KUBE_GIT_MAJOR='{MAJOR}'
KUBE_GIT_MINOR='{MINOR}'
"""


def build(destination: Path) -> None:
    """Builds the two binaries and moves them to `destination` atomically."""
    with _workspace(destination.parent / "build") as workspace:
        archive = download_source("kubernetes", workspace)
        sources = _unpack(archive, workspace)
        _replace_reflect2(sources)
        _make(sources, workspace)
        destination.mkdir(parents=True, exist_ok=True)
        for binary in BINARIES:
            (sources / "_output" / "bin" / binary).resolve().rename(destination / binary)


@contextmanager
def _workspace(directory: Path) -> Iterator[Path]:
    """An empty directory on the destination's file system; leftovers of a killed build are removed first."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unpack(archive: Path, directory: Path) -> Path:
    run("tar", "--extract", "--file", str(archive), "--directory", str(directory))
    sources = directory / FOLDER
    if not sources.is_dir():
        raise PartError(
            f"{archive.name} is not Kubernetes {VERSION}, which Debian 12 offers: on another release set "
            "KUBEBUILDER_ASSETS to a directory with kube-apiserver and kube-controller-manager"
        )
    return sources


def _replace_reflect2(sources: Path) -> None:
    """Replaces the vendored reflect2, which panics on every JSON write with Go 1.18 and newer."""
    vendored = sources / "vendor/github.com/modern-go/reflect2"
    for path in vendored.glob("*.go"):
        path.unlink()
    for path in REFLECT2.glob("*.go"):
        shutil.copy(path, vendored)


def _make(sources: Path, workspace: Path) -> None:
    """Runs make with a fixed environment: another Go on PATH or a surrounding repository has no effect."""
    versions = workspace / "versions"
    versions.write_text(VERSION_VARIABLES)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(workspace),
        "GOCACHE": str(workspace / "go-cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "KUBE_GIT_VERSION_FILE": str(versions),
    }
    targets = " ".join(f"cmd/{binary}" for binary in BINARIES)
    run("/usr/bin/make", "GOLDFLAGS=-s -w", f"WHAT={targets}", cwd=sources, env=environment)
