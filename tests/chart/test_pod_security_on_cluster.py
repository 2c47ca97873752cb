"""Pod Security admission: the chart's Pods are admitted in a namespace that enforces `restricted`."""

from collections.abc import Iterator

import pytest
import yaml

from tests.chart.rendered import CHART, IMAGE, Release
from tests.cluster.api_account import ApiAccount
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.versions import require_minor
from tests.cluster.waiting import wait_until

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

NAMESPACE = "chart-restricted"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[str]:
    """A namespace that enforces the Pod Security Standard `restricted`."""
    require_minor(control_plane, 25, "Pod Security labels")
    manifest = {
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    }
    created = ApiAccount(control_plane).send("POST", "/api/v1/namespaces", manifest)
    assert not created.is_refused, created
    yield NAMESPACE
    kubectl.delete_namespaces(NAMESPACE)


def test_the_controllers_create_all_pods(
    helm4: Helm, control_plane: ControlPlane, kubectl: Kubectl, restricted: str
) -> None:
    """Both Deployments of the default release have their two Pods."""
    installer = helm4.against(control_plane.kubeconfig)
    installer.install("job-profiler", CHART, restricted, values=IMAGE | {"crds": {"install": False}})
    try:
        pods = wait_until(
            lambda: found if len(found := kubectl.api.list("pods", restricted)) == 4 else [], 60, "four Pods"
        )
    finally:
        installer.uninstall("job-profiler", restricted)

    components = sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods)
    assert components == ["profiler", "profiler", "webhook", "webhook"]


@pytest.mark.parametrize("values", ["defaults", "combined", "cert-manager", "everything"])
def test_every_pod_meets_the_standard(
    helm4: Helm, control_plane: ControlPlane, restricted: str, values: str
) -> None:
    """Pods of all topologies and options, and the one of `helm test`; a privileged Pod is refused."""
    admin = ApiAccount(control_plane)
    chosen = yaml.safe_load((CHART / "ci" / f"{values}-values.yaml").read_text())
    version = f"--kube-version={control_plane.version}"
    release = Release(
        helm4.template(CHART, version, release="job-profiler", namespace=restricted, values=chosen)
    )
    specs = [*release.pods().values(), *(pod["spec"] for pod in release.of("Pod"))]

    for spec in specs:
        answer = admin.send("POST", f"{PODS}?dryRun=All", _pod(spec))
        assert not answer.is_refused, answer

    privileged = _pod(specs[0] | {"hostNetwork": True})
    assert "violates PodSecurity" in admin.send("POST", f"{PODS}?dryRun=All", privileged).message


def _pod(spec: dict[str, object]) -> dict[str, object]:
    """A Pod of the default service account: the release's accounts don't exist here."""
    metadata = {"name": "pod", "namespace": NAMESPACE}
    spec = spec | {"serviceAccountName": "default", "priorityClassName": ""}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
