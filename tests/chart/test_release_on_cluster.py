"""The lifecycle of a release on a real API server, without the product: from install to reinstall."""

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chart.profiles import manifest_of
from tests.chart.rendered import CHART, IMAGE, REPOSITORY
from tests.chart.served import FIRST, SECOND, wait_for_crds
from tests.cluster.api_account import ApiAccount
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm, HelmError
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.profile_crds import CRDS, PLURALS, remove_crds
from tests.parts.locate import Part, require

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

# By plurals: kubectl resolves a category from its cached discovery.
PROFILES = ",".join(PLURALS)


def notes(installer: Helm, **values: Any) -> str:
    """The NOTES that an installation prints."""
    printed = installer.install("job-profiler", CHART, FIRST, "--dry-run=client", values=IMAGE | values)
    return printed[printed.index("\nNOTES:") :]


@pytest.fixture
def hand_over(installer: Helm, kubectl: Kubectl) -> Iterator[Callable[[str, str], None]]:
    """Runs the commands of the notes that transfer the CRDs to a release; there are none before and after."""
    remove_crds(kubectl)
    commands = "\n".join(re.findall(r"(?m)^  (kubectl (?:label|annotate) crd .*)$", notes(installer)))

    def run(release: str, namespace: str) -> None:
        script = commands.replace("release-namespace=NAMESPACE", f"release-namespace={namespace}")
        script = script.replace("release-name=NAME", f"release-name={release}")
        path = f"{require(Part.KUBECTL).parent}:/usr/bin:/bin"
        environment = {"PATH": path, "KUBECONFIG": str(kubectl.kubeconfig), "HOME": str(installer.directory)}
        subprocess.run(["sh", "-euc", script], env=environment, check=True, capture_output=True)

    yield run
    remove_crds(kubectl)


class Product:
    """Writes into a release's objects like the running product, with the profiler's service account."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.kubectl = Kubectl(control_plane.kubeconfig_of("job-profiler-profiler", namespace))
        self._account = ApiAccount(control_plane, "job-profiler-profiler", namespace)
        self.namespace = namespace
        self.bundle = b64encode(control_plane.ca_file.read_bytes()).decode()
        self._profile = manifest_of("cpu", namespace)

    def write(self) -> None:
        """Every kind of object that the release renders empty, and one profile."""
        for secret in ("job-profiler-ca", "job-profiler-tls"):
            path = f"/api/v1/namespaces/{self.namespace}/secrets/{secret}"
            self._replace(path, {"stringData": {"tls.key": "k"}})
        status = ("patch", "configmap", "job-profiler-status", "--type=merge", '--patch={"data": {"a": "b"}}')
        self.kubectl.run(*status)
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/job-profiler"
        self._replace(path, {"spec": {"holderIdentity": "job-profiler-0"}})
        self._apply(self._configuration())
        self._apply(self._profile)

    def _replace(self, path: str, fields: dict[str, Any]) -> None:
        """Not by kubectl, which would change its annotation for the next apply."""
        stored = self._account.get(path)
        answer = self._account.send("PUT", path, stored | fields)
        assert not answer.is_refused, answer

    def _apply(self, manifest: dict[str, Any]) -> None:
        command = (
            "apply",
            "--server-side",
            "--field-manager=job-profiler",
            "--validate=false",
            "--filename=-",
        )
        self.kubectl.run(*command, input=json.dumps(manifest))

    def _configuration(self) -> dict[str, Any]:
        trust = {"clientConfig": {"caBundle": self.bundle}}
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "job-profiler"},
            "webhooks": [{"name": f"{entry}.job-profiler.liqo.io"} | trust for entry in ("pods", "probe")],
        }

    def is_kept(self, kubectl: Kubectl) -> bool:
        """True if all of these objects are in the cluster."""

        def stored(kind: str, name: str) -> Any:
            return kubectl.json("get", kind, name, f"--namespace={self.namespace}")

        webhooks = stored("mutatingwebhookconfiguration", "job-profiler")["webhooks"]
        return bool(
            stored("secret", "job-profiler-ca")["data"] == {"tls.key": b64encode(b"k").decode()}
            and stored("secret", "job-profiler-tls")["data"] == {"tls.key": b64encode(b"k").decode()}
            and stored("configmap", "job-profiler-status")["data"] == {"a": "b"}
            and stored("lease", "job-profiler")["spec"]["holderIdentity"] == "job-profiler-0"
            and [webhook["clientConfig"]["caBundle"] for webhook in webhooks] == [self.bundle] * 2
            and stored("cpuprofile", self._profile["metadata"]["name"])["spec"] == self._profile["spec"]
        )


@pytest.fixture
def product(installer: Helm, control_plane: ControlPlane, kubectl: Kubectl) -> Product:
    """The default release, with data of the product in its objects."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    wait_for_crds(kubectl)
    product = Product(control_plane, FIRST)
    product.write()
    return product


def time_out_seconds(kubectl: Kubectl) -> int:
    webhook, _ = kubectl.json("get", "mutatingwebhookconfiguration", "job-profiler")["webhooks"]
    seconds: int = webhook["timeoutSeconds"]
    return seconds


def test_upgrade_and_rollback_keep_what_the_product_wrote(
    product: Product, installer: Helm, kubectl: Kubectl
) -> None:
    """Certificates, caBundle, status, Lease and profiles survive an upgrade and its rollback."""
    installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE | {"webhook": {"timeoutSeconds": 5}})
    assert (time_out_seconds(kubectl), product.is_kept(kubectl)) == (5, True)

    installer.rollback("job-profiler", 1, FIRST)
    assert (time_out_seconds(kubectl), product.is_kept(kubectl)) == (3, True)


def test_the_probe_can_be_switched_off(product: Product, installer: Helm, kubectl: Kubectl) -> None:
    """An upgrade without the probe, and a second one with it, keep what the product wrote."""
    for enabled in (False, True):
        installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE | {"probe": {"enabled": enabled}})
        assert product.is_kept(kubectl)


def test_the_topology_can_change(product: Product, installer: Helm, kubectl: Kubectl) -> None:
    """An upgrade from two Deployments to one keeps what the product wrote, and removes both."""
    installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE | {"topology": "combined"})

    deployed = kubectl.run("get", "deployments,serviceaccounts", f"--namespace={FIRST}", "--output=name")
    assert deployed.split() == [
        "deployment.apps/job-profiler",
        "serviceaccount/default",
        "serviceaccount/job-profiler",
    ]
    assert product.is_kept(kubectl)


def test_the_webhooks_account_reads_its_certificate_and_profiles_alone(
    product: Product, control_plane: ControlPlane
) -> None:
    """The webhook may list profiles, one Secret and one configuration; nothing else, and no write."""
    webhook = Kubectl(control_plane.kubeconfig_of("job-profiler-webhook", FIRST))

    assert "cpuprofile" in webhook.run("get", PROFILES, "--output=name")
    listing = ("get", "secrets", "--field-selector=metadata.name=job-profiler-tls", "--output=name")
    assert webhook.run(*listing).split() == ["secret/job-profiler-tls"]
    trust = ("get", "mutatingwebhookconfigurations", "--field-selector=metadata.name=job-profiler")
    assert "job-profiler" in webhook.run(*trust)
    for forbidden in (
        ("get", "secret", "job-profiler-ca"),
        ("get", "secrets"),
        ("get", "pods", "--all-namespaces"),
        ("get", "configmap", "job-profiler-status"),
        ("get", "mutatingwebhookconfigurations"),
        ("create", "configmap", "anything"),
        ("patch", "secret", "job-profiler-tls", '--patch={"data": null}'),
        ("delete", "cpuprofiles", "--all"),
    ):
        with pytest.raises(KubectlError, match="forbidden"):
            webhook.run(*forbidden)


@pytest.mark.parametrize("account", ["job-profiler-profiler", "job-profiler-webhook"])
def test_listed_namespaces_are_read_by_their_names(
    newest_installer: Helm, control_plane: ControlPlane, account: str
) -> None:
    """With listed namespaces, both accounts may list a Namespace by its name, but no other, and not all.

    A right with resourceNames allows a list or a watch with exactly this field selector.
    """
    values = {"profiling": {"namespaces": [SECOND]}, "scheduling": {"enabled": True}}
    newest_installer.install("job-profiler", CHART, FIRST, values=IMAGE | values)
    kubectl = Kubectl(control_plane.kubeconfig_of(account, FIRST))

    named = ("get", "namespaces", "--output=name", "--field-selector")
    labelled = "--selector=job-profiler.liqo.io/ignore!=true"
    assert kubectl.run(*named, f"metadata.name={SECOND}", labelled).split() == [f"namespace/{SECOND}"]
    for forbidden in ((*named, f"metadata.name={FIRST}"), ("get", "namespaces")):
        with pytest.raises(KubectlError, match="forbidden"):
            kubectl.run(*forbidden)


def test_a_selector_that_the_api_server_takes(newest_installer: Helm, kubectl: Kubectl) -> None:
    """The API server stores a selector with every operator as rendered; an upgrade without one removes it."""
    expressions = [
        {"key": "stage", "operator": "In", "values": ["live", "test"]},
        {"key": "owner", "operator": "NotIn", "values": ["nobody"]},
        {"key": "cost-centre", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"team": "web"}, "matchExpressions": expressions}

    def stored() -> dict[str, Any]:
        webhook, _ = kubectl.json("get", "mutatingwebhookconfiguration", "job-profiler")["webhooks"]
        selector: dict[str, Any] = webhook["namespaceSelector"]
        return selector

    newest_installer.install(
        "job-profiler", CHART, FIRST, values=IMAGE | {"profiling": {"namespaceSelector": selector}}
    )
    selected = stored()
    newest_installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE)

    assert selected == {"matchLabels": {"team": "web"}, "matchExpressions": [*ours(stored()), *expressions]}
    assert "matchLabels" not in stored()


def ours(selector: dict[str, Any]) -> list[dict[str, Any]]:
    """The expressions of a release without a selector."""
    expressions: list[dict[str, Any]] = selector["matchExpressions"]
    assert {"key": "job-profiler.liqo.io/ignore", "operator": "NotIn", "values": ["true"]} in expressions
    return expressions


@pytest.mark.usefixtures("product")
def test_uninstall_leaves_crds_and_profiles_alone(installer: Helm, kubectl: Kubectl) -> None:
    """After an uninstall only the CRDs and the profiles of the release are left."""
    installer.uninstall("job-profiler", FIRST)

    kinds = "secrets,configmaps,leases,services,deployments,serviceaccounts,roles,rolebindings"
    cluster_kinds = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations"
    label = "--selector=app.kubernetes.io/part-of=job-profiler"
    assert kubectl.json("get", kinds, f"--namespace={FIRST}", label)["items"] == []
    assert kubectl.json("get", cluster_kinds, label)["items"] == []
    profiles = kubectl.run("get", PROFILES, f"--namespace={FIRST}", "--output=name").split()
    assert [name.split(".")[0] for name in profiles] == ["cpuprofile"]
    crds = kubectl.json("get", *CRDS)["items"]
    assert [crd for crd in crds if "deletionTimestamp" in crd["metadata"]] == []


@pytest.mark.usefixtures("product")
def test_the_same_release_takes_up_its_crds_again(installer: Helm, kubectl: Kubectl) -> None:
    """Install, uninstall, install in the same namespace: the release adopts the kept CRDs and profiles."""
    installer.uninstall("job-profiler", FIRST)

    installer.install("job-profiler", CHART, FIRST, values=IMAGE)

    assert "cpuprofile" in kubectl.run("get", PROFILES, f"--namespace={FIRST}", "--output=name")


def test_another_release_takes_over_crds_as_the_notes_say(
    installer: Helm, hand_over: Callable[[str, str], None]
) -> None:
    """Another release is refused until the commands of the notes transfer the kept CRDs to it."""
    installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    installer.uninstall("job-profiler", FIRST)

    with pytest.raises(HelmError, match="invalid ownership metadata"):
        installer.install("job-profiler", CHART, SECOND, values=IMAGE)
    hand_over("job-profiler", SECOND)
    installer.install("job-profiler", CHART, SECOND, values=IMAGE)


def test_crds_applied_by_hand_are_taken_over_or_left_alone(
    installer: Helm, kubectl: Kubectl, hand_over: Callable[[str, str], None]
) -> None:
    """CRDs without a release work with `crds.install=false`, or are transferred by the same commands."""
    kubectl.run("apply", f"--filename={REPOSITORY / 'crds'}")

    with pytest.raises(HelmError, match="invalid ownership metadata"):
        installer.install("job-profiler", CHART, FIRST, values=IMAGE)
    installer.install("job-profiler", CHART, FIRST, values=IMAGE | {"crds": {"install": False}})
    hand_over("job-profiler", FIRST)
    installer.upgrade("job-profiler", CHART, FIRST, values=IMAGE)


def test_the_notes_say_what_to_do_next(newest_installer: Helm) -> None:
    """The notes have the commands for profiles, doctor and status, with this release's namespaces."""
    printed = notes(newest_installer, profiling={"profilesNamespace": SECOND}, crds={"install": False})

    assert f"kubectl get cpuprofiles,memoryprofiles,connectionprofiles -n {SECOND}\n" in printed
    for command in ("doctor", "status"):
        run = f"kubectl exec -n {FIRST} deploy/job-profiler-profiler -c job-profiler --"
        assert f"{run} job-profiler {command}\n" in printed
    assert f"kubectl get configmap job-profiler-status -n {FIRST} -o yaml\n" in printed
    assert "running Pods get them without a restart" in printed
    assert f"helm test job-profiler -n {FIRST} --logs\n" in printed
    assert "crd" not in printed


def test_the_notes_say_when_running_pods_are_not_annotated(newest_installer: Helm) -> None:
    """With backfill.enabled=false the notes say that running Pods are not annotated."""
    printed = notes(newest_installer, backfill={"enabled": False})

    assert "with backfill.enabled=false running Pods are not annotated" in printed


def warnings(printed: str) -> list[str]:
    """What the warnings of notes are about: a value, and what it is."""
    found = re.findall(r"WARNING: (?:this cluster.*, and )?(\S+ is \w+)", printed)
    return [str(subject) for subject in found]


def test_the_notes_warn(newest_installer: Helm) -> None:
    """The notes warn of a single replica, of the host network, of failurePolicy Fail, and of one process."""
    values = {"replicas": 1, "failurePolicy": "Fail", "hostNetwork": True, "port": 10260}
    without_rights = {"certificates": {"provider": "cert-manager"}, "backfill": {"enabled": False}}

    assert warnings(notes(newest_installer, webhook=values, **without_rights)) == [
        "webhook.replicas is 1",
        "webhook.hostNetwork is true",
        "webhook.failurePolicy is Fail",
    ]
    combined = notes(newest_installer, topology="combined", **without_rights)
    assert warnings(combined) == ["topology is combined"]


def test_the_notes_warn_of_rights_that_nothing_limits(newest_installer: Helm) -> None:
    """Without ValidatingAdmissionPolicy they say what the two rights on whole objects mean.

    A dry run of the client knows no kind that the cluster serves.
    """
    printed = notes(newest_installer)
    assert warnings(printed) == ["certificates.provider is self", "backfill.enabled is true"]
    assert "takes over the cluster. Prefer certificates.provider=cert-manager" in printed
    assert "every Pod, also in kube-system" in printed

    listed = notes(
        newest_installer,
        profiling={"namespaces": [SECOND]},
        certificates={"provider": "cert-manager"},
    )
    assert warnings(listed) == ["backfill.enabled is true"]
    assert "all Pods of the profiled namespaces" in listed


def test_the_notes_of_an_installation_know_the_cluster(
    newest_installer: Helm, control_plane: ControlPlane
) -> None:
    """From Kubernetes 1.30 on the policies limit both rights, and the default release has no warning."""
    printed = newest_installer.install("job-profiler", CHART, FIRST, values=IMAGE)

    is_limited = int(control_plane.version.split(".")[1]) >= 30
    assert len(warnings(printed)) == (0 if is_limited else 2)


def test_plain_manifests_can_be_applied_again(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    """The server accepts `webhook-config/`; a second `kubectl apply` keeps what the product wrote.

    From Kubernetes 1.30 on the policies are applied too.
    """
    serves_policies = int(control_plane.version.split(".")[1]) >= 30
    folders = ("webhook-config", "webhook-config/policies") if serves_policies else ("webhook-config",)
    manifests = [f"--filename={REPOSITORY / folder}" for folder in folders]
    try:
        kubectl.run("apply", *manifests)
        wait_for_crds(kubectl)
        product = Product(control_plane, "profiling")
        product.write()
        again = kubectl.run("apply", *manifests)
        assert [line for line in again.splitlines() if not line.endswith(" unchanged")] == []
        assert product.is_kept(kubectl)
    finally:
        kubectl.run("delete", "--ignore-not-found", *manifests)
