"""The chart's life on a real API server, without the product: install, upgrade, uninstall, and install again."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.resources import KINDS
from tests.chart.profiles import manifest_of
from tests.chart.rendered import CHART, IMAGE, REPOSITORY
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm, HelmError
from tests.cluster.kubectl import Kubectl, KubectlError

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

CRDS = [f"crd/{kind.plural}.webapp.liqo.io.profiling" for kind in KINDS.values()]
CA_BUNDLE = b64encode(b"-----BEGIN CERTIFICATE-----").decode()
FIRST, SECOND = "chart-first", "chart-second"


@pytest.fixture
def installer(helm: Helm, control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[Helm]:
    """Helm on a cluster with two empty namespaces, which holds nothing of the chart before and after."""
    for namespace in (FIRST, SECOND):
        kubectl.create_namespace(namespace)
    try:
        yield helm.against(control_plane.kubeconfig)
    finally:
        kubectl.run("delete", "namespace", FIRST, SECOND)
        kubectl.run("delete", "--ignore-not-found", *CRDS)


def apply_profile(kubectl: Kubectl, namespace: str) -> None:
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    kubectl.apply(manifest_of("cpu", namespace))


def fill(kubectl: Kubectl, namespace: str) -> None:
    """What the running product writes into the release's objects."""
    in_namespace = f"--namespace={namespace}"
    for secret in ("job-profiler-ca", "job-profiler-tls"):
        kubectl.run("patch", "secret", secret, in_namespace, '--patch={"stringData": {"tls.key": "k"}}')
    kubectl.run("patch", "configmap", "job-profiler-status", in_namespace, '--patch={"data": {"a": "b"}}')
    lease = {"spec": {"holderIdentity": "job-profiler-0"}}
    kubectl.run("patch", "lease", "job-profiler", in_namespace, "--type=merge", f"--patch={json.dumps(lease)}")
    bundle = {"webhooks": [{"name": "pods.job-profiler.liqo.io", "clientConfig": {"caBundle": CA_BUNDLE}}]}
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "job-profiler"},
    }
    kubectl.run(
        *("apply", "--server-side", "--field-manager=job-profiler-ca-bundle", "--filename=-"),
        input=json.dumps(configuration | bundle),
    )


def filled(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    """What is left of it."""
    in_namespace = f"--namespace={namespace}"
    webhook = kubectl.json("get", "mutatingwebhookconfiguration", "job-profiler")["webhooks"][0]
    return {
        "ca": kubectl.json("get", "secret", "job-profiler-ca", in_namespace).get("data"),
        "tls": kubectl.json("get", "secret", "job-profiler-tls", in_namespace).get("data"),
        "status": kubectl.json("get", "configmap", "job-profiler-status", in_namespace).get("data"),
        "holder": kubectl.json("get", "lease", "job-profiler", in_namespace)["spec"].get("holderIdentity"),
        "bundle": webhook["clientConfig"].get("caBundle"),
        "timeout": webhook["timeoutSeconds"],
    }


FILLED = {
    "ca": {"tls.key": b64encode(b"k").decode()},
    "tls": {"tls.key": b64encode(b"k").decode()},
    "status": {"a": "b"},
    "holder": "job-profiler-0",
    "bundle": CA_BUNDLE,
}


def test_upgrade_and_rollback_keep_what_the_product_wrote(installer: Helm, kubectl: Kubectl) -> None:
    """Certificates, caBundle, status and Lease survive an upgrade of the webhook and its rollback."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    fill(kubectl, FIRST)

    installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE | {"webhook": {"timeoutSeconds": 5}})
    assert filled(kubectl, FIRST) == FILLED | {"timeout": 5}
    installer.rollback("job-profiler", 1, FIRST)
    assert filled(kubectl, FIRST) == FILLED | {"timeout": 3}
    installer.uninstall("job-profiler", FIRST)


def test_uninstall_leaves_crds_and_profiles_alone(installer: Helm, kubectl: Kubectl) -> None:
    """After an uninstall the CRDs and the profiles are there and nothing else of the release is."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    apply_profile(kubectl, FIRST)
    fill(kubectl, FIRST)

    installer.uninstall("job-profiler", FIRST)

    kinds = "secrets,configmaps,leases,services,deployments,serviceaccounts,roles,rolebindings"
    cluster_kinds = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations"
    label = "--selector=app.kubernetes.io/part-of=job-profiler"
    assert kubectl.json("get", kinds, f"--namespace={FIRST}", label)["items"] == []
    assert kubectl.json("get", cluster_kinds, label)["items"] == []
    assert kubectl.run("get", "profiling", f"--namespace={FIRST}", "--output=name").count("cpuprofile") == 1
    assert kubectl.run("get", "--output=name", *CRDS).count("customresourcedefinition") == 3


def test_the_same_release_takes_up_its_crds_again(installer: Helm, kubectl: Kubectl) -> None:
    """Install, uninstall, install in the same namespace: the kept CRDs and profiles belong to it again."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    apply_profile(kubectl, FIRST)
    installer.uninstall("job-profiler", FIRST)

    installer.install("job-profiler", CHART, FIRST, values=IMAGE)

    assert "cpuprofile" in kubectl.run("get", "profiling", f"--namespace={FIRST}", "--output=name")
    installer.uninstall("job-profiler", FIRST)


def test_another_release_takes_over_crds_as_the_notes_say(installer: Helm, kubectl: Kubectl) -> None:
    """Another release is refused until the kept CRDs are handed over by the commands of the notes."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    notes = installer.run("get", "notes", "job-profiler", f"--namespace={FIRST}")
    installer.uninstall("job-profiler", FIRST)

    with pytest.raises(HelmError, match="invalid ownership metadata"):
        installer.install("profiler", CHART, SECOND, values=IMAGE)
    hand_over(kubectl, notes, "profiler", SECOND)
    installer.install("profiler", CHART, SECOND, values=IMAGE)
    installer.uninstall("profiler", SECOND)


def test_crds_applied_by_hand_are_taken_over_as_the_notes_say(installer: Helm, kubectl: Kubectl) -> None:
    """CRDs that never belonged to a release are handed over by the same commands."""
    kubectl.run("apply", f"--filename={REPOSITORY / 'crds'}")
    notes = installer.run("install", "job-profiler", str(CHART), f"--namespace={FIRST}", *_OWN_CRDS)
    installer.uninstall("job-profiler", FIRST)

    with pytest.raises(HelmError, match="invalid ownership metadata"):
        installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    assert "kubectl label" not in notes, "without CRDs of its own a release has nothing to hand over"
