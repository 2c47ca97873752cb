"""Fixtures of the end-to-end tests: a Prometheus with constant emojivoto usage, and its namespace."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds, remove_crds
from tests.cluster.prometheus import Prometheus
from tests.conftest import require_parts
from tests.e2e.release import NAME, Release
from tests.e2e.workloads import delete_deployments
from tests.histories.emojivoto.metrics import write_past
from tests.histories.lengths import days_from_midnight
from tests.parts.locate import Part

NAMESPACE = "emojivoto"
# The history extends two hours into the future, so every step during the test has samples.
AHEAD_SECONDS = 2 * 3600
DAYS = 3


def recent_moment() -> int:
    """The current time rounded down to ten minutes: histories with the same end are written once."""
    return int(time.time()) // 600 * 600


@pytest.fixture(scope="session")
def emojivoto_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with today and three whole days of emojivoto at constant rates."""
    require_parts(Part.PROMETHEUS, Part.PROMTOOL)
    text, now = tmp_path_factory.mktemp("history") / "emojivoto.txt", recent_moment()
    days = days_from_midnight(now, DAYS, ahead_seconds=AHEAD_SECONDS)
    write_past(text, end=now + AHEAD_SECONDS, days=days, scrape_seconds=60, flavour="constant")
    with Prometheus(tmp_path_factory.mktemp("prometheus"), text) as server:
        yield server


@pytest.fixture(scope="session")
def emojivoto(kubectl: Kubectl) -> str:
    """The namespace emojivoto, which the Prometheus history covers."""
    return kubectl.create_namespace(NAMESPACE)


@contextmanager
def running(release: Release, values: dict[str, object]) -> Iterator[Release]:
    """Installs and starts the release; afterwards removes it with its CRDs and namespace."""
    kubectl = release.kubectl
    if release.brings_crds:
        remove_crds(kubectl)
    else:
        ensure_crds(kubectl)
    kubectl.create_namespace(release.namespace)
    release.install(values)
    try:
        release.start()
        yield release
    finally:
        release.stop()
        if release.is_installed:
            release.helm.uninstall(NAME, release.namespace)
        delete_deployments(kubectl, NAMESPACE)
        if release.brings_crds:
            remove_crds(kubectl)
        kubectl.delete_namespaces(release.namespace)


@pytest.fixture(scope="module")
def work_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs of the product's processes."""
    return tmp_path_factory.mktemp("product")
