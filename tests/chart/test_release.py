"""The objects of a release, by topology and values, and fields that are never rendered."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Render
from tests.chart.rendered import CHART, IMAGE, REPOSITORY, container, keys_of, project_version
from tests.cluster.helm import Helm, HelmError

pytestmark = pytest.mark.chart

CRDS = {
    f"{plural}.webapp.liqo.io.profiling" for plural in ("cpuprofiles", "memoryprofiles", "connectionprofiles")
}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "split": {},
    "combined": {"topology": "combined"},
    "namespaces": {"profiling": {"namespaces": ["emojivoto", "shop"], "profilesNamespace": "profiles"}},
    "cert-manager": {"certificates": {"provider": "cert-manager"}},
    "issuer": {
        "topology": "combined",
        "certificates": {
            "provider": "cert-manager",
            "issuerRef": {"name": "corporate", "kind": "ClusterIssuer"},
        },
    },
    "url": {"webhook": {"url": "https://profiler.example:8443/mutate"}},
    "selector": {
        "profiling": {
            "namespaceSelector": {
                "matchLabels": {"team": "web"},
                "matchExpressions": [{"key": "stage", "operator": "In", "values": ["live", "test"]}],
            }
        }
    },
    "scheduling": {"scheduling": {"enabled": True}},
    "no-crds": {"crds": {"install": False}},
}
every_combination = pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS)


@every_combination
def test_helm_finds_no_fault(helm: Helm, values: dict[str, Any]) -> None:
    """`helm lint --strict` accepts each combination."""
    linted = helm.lint(CHART, values=IMAGE | values)

    assert "1 chart(s) linted, 0 chart(s) failed" in linted
    assert "[INFO]" not in linted


@pytest.mark.parametrize("values_file", sorted(CHART.glob("ci/*.yaml")), ids=lambda file: file.stem)
def test_helm_finds_no_fault_with_examples(helm: Helm, values_file: Path) -> None:
    """`helm lint --strict` accepts each set of values of the snapshots."""
    linted = helm.lint(CHART, f"--values={values_file}")

    assert "1 chart(s) linted, 0 chart(s) failed" in linted


def test_split_is_two_deployments_with_an_account_each(render: Render) -> None:
    """By default webhook and profiler are two Deployments, with two replicas and a service account each."""
    release = render()

    assert release.names("Deployment") == {"job-profiler-webhook", "job-profiler-profiler"}
    assert release.names("ServiceAccount") == {"job-profiler-webhook", "job-profiler-profiler"}
    assert {deployment["spec"]["replicas"] for deployment in release.of("Deployment")} == {2}
    assert {pod["serviceAccountName"] for pod in release.pods().values()} == release.names("ServiceAccount")


def test_combined_is_one_deployment_of_one_replica(render: Render) -> None:
    """`topology: combined` runs both roles in one Pod, with the rights of both."""
    release = render(topology="combined")

    assert release.names("Deployment") == release.names("ServiceAccount") == {"job-profiler"}
    assert release.one("Deployment")["spec"]["replicas"] == 1
    assert release.pods()["combined"]["serviceAccountName"] == "job-profiler"


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_services_reach_their_pods(render: Render, topology: str) -> None:
    """Each Service selects the Pods of one Deployment, and its target ports are named ports of these Pods."""
    release = render(topology=topology)

    for service in release.of("Service"):
        (selected,) = [
            deployment["spec"]["template"]
            for deployment in release.of("Deployment")
            if service["spec"]["selector"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
        ]
        ports = {port["name"] for port in container(selected["spec"])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    webhook_ports = release.one("Service", "job-profiler-webhook")["spec"]["ports"]
    assert {port["port"]: port["targetPort"] for port in webhook_ports} == {443: "webhook", 8080: "health"}


@every_combination
def test_what_the_product_writes_is_rendered_empty(render: Render, values: dict[str, Any]) -> None:
    """No caBundle and no data are rendered: an upgrade can't overwrite what the product writes."""
    release = render(**values)

    assert "caBundle" not in set(keys_of(release.objects))
    for manifest in (*release.of("Secret"), *release.of("ConfigMap"), *release.of("Lease")):
        assert not {"data", "stringData", "binaryData", "spec", "immutable"} & manifest.keys()
    assert release.names("ConfigMap") == {"job-profiler-status"}
    assert release.names("Lease") == {"job-profiler"}
    assert {secret["type"] for secret in release.of("Secret")} <= {"Opaque"}


def test_secrets_exist_unless_cert_manager_makes_them(render: Render) -> None:
    """The profiler fills two empty Secrets; cert-manager creates its own and accepts none that exists."""
    assert render().names("Secret") == {"job-profiler-ca", "job-profiler-tls"}
    assert render(**COMBINATIONS["cert-manager"]).names("Secret") == set()


@every_combination
def test_names_and_labels_fit(render: Render, values: dict[str, Any]) -> None:
    """Every object has the standard labels, an expected namespace, and a unique short name."""
    release = render(**values)

    for manifest in release.objects:
        metadata = manifest["metadata"]
        assert (
            metadata["labels"].items()
            >= {
                "app.kubernetes.io/name": "job-profiler",
                "app.kubernetes.io/instance": "job-profiler",
                "app.kubernetes.io/version": project_version(),
                "app.kubernetes.io/part-of": "job-profiler",
                "app.kubernetes.io/managed-by": "Helm",
            }.items()
        )
        namespaces = {"profiling", "profiles", "emojivoto", "shop"}
        if metadata["name"] == "job-profiler-profiler-services":
            namespaces |= {"monitoring", "prometheus", "observability", "linkerd-viz", "istio-system"}
        assert metadata.get("namespace", "profiling") in namespaces
        assert len(metadata["name"]) <= 63
    assert len(
        {
            (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
            for manifest in release.objects
        }
    ) == len(release.objects)


@pytest.mark.parametrize(
    ("release", "values"),
    [("p" * 53, {}), ("job-profiler", {"fullnameOverride": "p" * 44})],
    ids=["release", "override"],
)
def test_long_names_are_cut(helm: Helm, release: str, values: dict[str, Any]) -> None:
    """With the longest release name or override, no name exceeds 63: 44 and `-profiler-workloads`."""
    objects = helm.template(CHART, release=release, values=IMAGE | values)

    assert (
        max(
            len(manifest["metadata"]["name"])
            for manifest in objects
            if manifest["metadata"]["name"] not in CRDS
        )
        == 63
    )


def test_crds_are_kept_and_optional(render: Render) -> None:
    """The chart has the CRDs of `crds/`, which an uninstall keeps, unless `crds.install` is false."""
    release = render()

    assert release.names("CustomResourceDefinition") == CRDS
    for crd in release.of("CustomResourceDefinition"):
        source = yaml.safe_load(_crd_file(crd).read_text())
        assert crd["spec"] == source["spec"]
        assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert render(**COMBINATIONS["no-crds"]).names("CustomResourceDefinition") == set()


def test_image_is_required(helm: Helm) -> None:
    """Without an image the error says what to build, push and set."""
    with pytest.raises(HelmError, match=r"image\.repository is not set: build the image, push it"):
        helm.template(CHART)


def test_image_is_tag_or_digest(render: Render) -> None:
    """The tag is the chart's appVersion or image.tag; with a digest there is no tag."""
    digest = f"sha256:{'0' * 64}"
    images = [
        container(render(image={"repository": "r.example/p", **image}).pods()["webhook"])["image"]
        for image in ({}, {"tag": "v9"}, {"tag": "v9", "digest": digest})
    ]

    assert images == [f"r.example/p:{project_version()}", "r.example/p:v9", f"r.example/p@{digest}"]


def test_versions_agree() -> None:
    """Chart, program and image have one version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["version"] == chart["appVersion"] == project_version()


def test_kubernetes_before_1_20_is_refused(render: Render) -> None:
    """The oldest supported version is 1.20, with vendors' versions such as v1.20.7-gke.900."""
    assert render(kube_version="v1.20.7-gke.900").of("Deployment")
    with pytest.raises(HelmError, match=r"incompatible with Kubernetes v1\.19\.16"):
        render(kube_version="1.19.16")


def _crd_file(crd: dict[str, Any]) -> Path:
    return REPOSITORY / "crds" / f"{crd['spec']['names']['plural']}.yaml"
