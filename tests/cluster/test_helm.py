"""Helm 3 and Helm 4 render, install, upgrade, roll back and remove a release on the control plane."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm, HelmError
from tests.cluster.kubectl import Kubectl, KubectlError

CHART = "apiVersion: v2\nname: greeting\nversion: 1.0.0\n"
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: {{ .Release.Namespace }}}
data: {text: {{ .Values.text | quote }}}
"""


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Helm 3, then Helm 4."""
    binary: Helm = request.getfixturevalue(request.param)
    return binary


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with one ConfigMap, the text of which is a value."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART)
    (tmp_path / "values.yaml").write_text("text: ''\n")
    (tmp_path / "templates" / "greeting.yaml").write_text(TEMPLATE)
    return tmp_path


@pytest.mark.chart
def test_a_chart_is_rendered_and_linted_without_a_cluster(helm: Helm, chart: Path) -> None:
    """Values reach the template; a template that does not parse fails both commands."""
    [greeting] = helm.template(chart, namespace="there", values={"text": "hello"})
    assert greeting["data"] == {"text": "hello"}
    assert greeting["metadata"]["namespace"] == "there"
    assert "0 chart(s) failed" in helm.lint(chart)

    (chart / "templates" / "greeting.yaml").write_text("{{ .Values.text")
    with pytest.raises(HelmError, match=r"greeting\.yaml"):
        helm.template(chart)
    with pytest.raises(HelmError, match=r"greeting\.yaml"):
        helm.lint(chart)


@pytest.mark.cluster
def test_a_release_lives_and_ends(
    helm: Helm, chart: Path, control_plane: ControlPlane, kubectl: Kubectl, request: pytest.FixtureRequest
) -> None:
    """Install stores `one`, upgrade `two`, roll-back to revision 1 `one`; uninstall removes the object."""
    namespace = kubectl.create_namespace(f"release-of-{request.node.callspec.id}")
    helm = helm.against(control_plane.kubeconfig)
    get = ("get", "configmap", "greeting", f"--namespace={namespace}")

    helm.install("greeting", chart, namespace, values={"text": "one"})
    assert kubectl.json(*get)["data"] == {"text": "one"}
    helm.upgrade("greeting", chart, namespace, values={"text": "two"})
    assert kubectl.json(*get)["data"] == {"text": "two"}
    helm.rollback("greeting", 1, namespace)
    assert kubectl.json(*get)["data"] == {"text": "one"}
    helm.uninstall("greeting", namespace)
    with pytest.raises(KubectlError, match="not found"):
        kubectl.run(*get)
