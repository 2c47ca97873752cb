"""Fixtures for the chart: it is rendered with Helm 4, and installed, upgraded and linted with both Helms.

`test_helms.py` shows that Helm 3 renders the same.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from app.settings.environment import Settings, read_settings
from tests.chart.limited_release import LimitedRelease
from tests.chart.rendered import CHART, IMAGE, Release
from tests.chart.served import FIRST, SECOND
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import remove_crds, remove_profiles
from tests.cluster.versions import require_minor

NEW_CLUSTER = "1.36.0"


class Render(Protocol):
    """Renders the chart with an image and these values."""

    def __call__(
        self, *, kube_version: str = NEW_CLUSTER, api_versions: Sequence[str] = (), **values: Any
    ) -> Release:
        """The release's objects."""


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Helm 3, then Helm 4."""
    binary: Helm = request.getfixturevalue(request.param)
    return binary


@pytest.fixture(scope="session")
def render(helm4: Helm) -> Render:
    """A renderer that renders each set of values once."""
    releases: dict[str, Release] = {}

    def rendered(
        *, kube_version: str = NEW_CLUSTER, api_versions: Sequence[str] = (), **values: Any
    ) -> Release:
        key = json.dumps([kube_version, api_versions, values], sort_keys=True)
        if key not in releases:
            releases[key] = Release(
                helm4.template(
                    CHART,
                    f"--kube-version={kube_version}",
                    *(f"--api-versions={served}" for served in api_versions),
                    release="job-profiler",
                    namespace="profiling",
                    values=IMAGE | values,
                )
            )
        return releases[key]

    return rendered


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Release, str], Settings]:
    """The settings from a component's variables, without this machine's environment."""

    def read(release: Release, component: str) -> Settings:
        for name in Settings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in release.environment(component).items():
            monkeypatch.setenv(name, value)
        return read_settings({})

    return read


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Two namespaces for releases, on a cluster without the CRDs: the first release brings them."""
    remove_crds(kubectl)
    for namespace in (FIRST, SECOND):
        kubectl.create_namespace(namespace)
    yield
    remove_crds(kubectl)
    kubectl.delete_namespaces(FIRST, SECOND)


@pytest.fixture
def installer(helm: Helm, control_plane: ControlPlane, kubectl: Kubectl, namespaces: None) -> Iterator[Helm]:
    """Helm on a cluster without releases and profiles, before and after the test.

    The CRDs of a release stay; a release of the same name and namespace adopts them.
    """
    with _installing(helm.against(control_plane.kubeconfig), kubectl) as against:
        yield against


@pytest.fixture
def newest_installer(
    helm4: Helm, control_plane: ControlPlane, kubectl: Kubectl, namespaces: None
) -> Iterator[Helm]:
    """The same with Helm 4 only, for tests that do not depend on Helm's version."""
    with _installing(helm4.against(control_plane.kubeconfig), kubectl) as against:
        yield against


@contextmanager
def _installing(against: Helm, kubectl: Kubectl) -> Iterator[Helm]:
    try:
        yield against
    finally:
        for namespace in (FIRST, SECOND):
            for release in against.run("list", "--short", f"--namespace={namespace}").split():
                against.uninstall(release, namespace)
            remove_profiles(kubectl, namespace)


@pytest.fixture(scope="module")
def limited_release(
    helm4: Helm, control_plane: ControlPlane, request: pytest.FixtureRequest
) -> Iterator[LimitedRelease]:
    """A default release in FIRST whose policies are in force."""
    require_minor(control_plane, 30, "ValidatingAdmissionPolicies")
    request.getfixturevalue("namespaces")  # not created for skipped tests
    release = LimitedRelease(helm4.against(control_plane.kubeconfig), control_plane, FIRST)
    with release:
        yield release
