"""Fixtures for the chart: every test runs with Helm 3 and with Helm 4."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest

from tests.chart.rendered import CHART, IMAGE, Release
from tests.chart.served import CRDS, FIRST, SECOND
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl

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
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """A renderer that renders each set of values once."""
    releases: dict[str, Release] = {}

    def rendered(
        *, kube_version: str = NEW_CLUSTER, api_versions: Sequence[str] = (), **values: Any
    ) -> Release:
        key = json.dumps([kube_version, api_versions, values], sort_keys=True)
        if key not in releases:
            releases[key] = Release(
                helm.template(
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


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Two namespaces for releases."""
    for namespace in (FIRST, SECOND):
        kubectl.create_namespace(namespace)
    yield
    kubectl.run("delete", "namespace", FIRST, SECOND)


@pytest.fixture
def installer(helm: Helm, control_plane: ControlPlane, kubectl: Kubectl, namespaces: None) -> Iterator[Helm]:
    """Helm on a cluster without objects of the chart, before and after the test."""
    against = helm.against(control_plane.kubeconfig)
    try:
        yield against
    finally:
        for namespace in (FIRST, SECOND):
            for release in against.run("list", "--short", f"--namespace={namespace}").split():
                against.uninstall(release, namespace)
        kubectl.run("delete", "--ignore-not-found", *CRDS)
