"""The webhook configuration: selected Pods, the failure policy, and the issuer of the certificate."""

from typing import Any

import pytest

from tests.chart.conftest import Render

pytestmark = pytest.mark.chart

NAMESPACE_NAME = "kubernetes.io/metadata.name"
NOT_OPTED_OUT = {"key": "job-profiler.liqo.io/ignore", "operator": "NotIn", "values": ["true"]}


def not_in(*namespaces: str) -> dict[str, Any]:
    return {"key": NAMESPACE_NAME, "operator": "NotIn", "values": list(namespaces)}


def test_every_field_of_the_webhook(render: Render) -> None:
    """The API server sends new Pods; without an answer in 3 s it creates them. There is no caBundle."""
    assert render().webhook() == {
        "name": "pods.job-profiler.liqo.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {
                "name": "job-profiler-webhook",
                "namespace": "profiling",
                "path": "/mutate",
                "port": 443,
            }
        },
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }
        ],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "Never",
        "sideEffects": "None",
        "timeoutSeconds": 3,
        "namespaceSelector": {
            "matchExpressions": [
                NOT_OPTED_OUT,
                not_in("kube-node-lease", "kube-public", "kube-system", "profiling"),
            ]
        },
        "objectSelector": {"matchExpressions": [NOT_OPTED_OUT]},
        "matchConditions": [
            {
                "name": "mirrors-no-file-of-a-node",
                "expression": "!has(object.metadata.annotations) || "
                '!("kubernetes.io/config.mirror" in object.metadata.annotations)',
            },
            {
                "name": "has-not-opted-out",
                "expression": "!has(object.metadata.labels) || "
                '!("job-profiler.liqo.io/ignore" in object.metadata.labels) || '
                'object.metadata.labels["job-profiler.liqo.io/ignore"] != "true"',
            },
        ],
    }


@pytest.mark.parametrize(("kube_version", "has_them"), [("1.27.16", False), ("1.28.0-gke.1", True)])
def test_conditions_only_where_they_are_supported(render: Render, kube_version: str, has_them: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """`matchConditions` are rendered from 1.28 on; older clusters would refuse or drop them."""
    assert ("matchConditions" in render(kube_version=kube_version).webhook()) is has_them


def test_annotations_of_the_configuration(render: Render) -> None:
    """Annotations of the values are added to cert-manager's, which can't be replaced."""
    annotations = {"admissions.enforcer/disabled": "true", "cert-manager.io/inject-ca-from": "a/b"}
    annotated = [
        render(webhook={"annotations": annotations}, certificates={"provider": provider}).one(
            "MutatingWebhookConfiguration"
        )["metadata"]["annotations"]
        for provider in ("self", "cert-manager")
    ]

    assert annotated == [
        annotations,
        annotations | {"cert-manager.io/inject-ca-from": "profiling/job-profiler-tls"},
    ]


def test_values_of_the_webhook(render: Render) -> None:
    """URL, failure policy, time-out and reinvocation are values; a URL replaces the Service."""
    url = "https://profiler.example:8443/mutate"
    webhook = render(
        webhook={"url": url, "failurePolicy": "Fail", "timeoutSeconds": 30, "reinvocationPolicy": "IfNeeded"}
    ).webhook()

    assert webhook["clientConfig"] == {"url": url}
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"]) == ("Fail", 30)
    assert webhook["reinvocationPolicy"] == "IfNeeded"


def test_excluded_namespaces_are_not_selected(render: Render) -> None:
    """The release's namespace, the profiles' namespace and those in the values are excluded."""
    release = render(profiling={"excludedNamespaces": ["ci"], "profilesNamespace": "profiles"})

    assert release.webhook()["namespaceSelector"]["matchExpressions"] == [
        NOT_OPTED_OUT,
        not_in("ci", "profiles", "profiling"),
    ]


def test_the_selector_is_the_users_and_ours(render: Render) -> None:
    """A namespace must match the selector of the values and the chart's own expressions."""
    expressions = [
        {"key": "stage", "operator": "In", "values": ["live", "test"]},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"team": "web"}, "matchExpressions": expressions}
    chart_expressions = render().webhook()["namespaceSelector"]["matchExpressions"]

    selected = render(profiling={"namespaceSelector": selector}).webhook()["namespaceSelector"]

    assert selected == {
        "matchLabels": {"team": "web"},
        "matchExpressions": [*chart_expressions, *expressions],
    }


@pytest.mark.parametrize(("kube_version", "selected"), [("1.20.15", False), ("1.21.0", True)])
def test_listed_namespaces_are_selected_by_name(render: Render, kube_version: str, selected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Only Pods of listed namespaces are sent, except before 1.21, when namespaces have no name label."""
    release = render(kube_version=kube_version, profiling={"namespaces": ["shop", "emojivoto"]})
    expected = {"key": NAMESPACE_NAME, "operator": "In", "values": ["emojivoto", "shop"]}

    assert (expected in release.webhook()["namespaceSelector"]["matchExpressions"]) is selected


def test_self_managed_certificates_need_no_cert_manager(render: Render) -> None:
    """By default there is no object of cert-manager, and no annotation for cert-manager."""
    release = render()

    assert not release.of("Certificate") + release.of("Issuer")
    assert "annotations" not in release.one("MutatingWebhookConfiguration")["metadata"]


def test_cert_manager_issues_from_a_ca_of_its_own(render: Render) -> None:
    """A self-signed CA signs the certificate in the webhook's Secret; cert-manager injects the caBundle."""
    release = render(
        certificates={"provider": "cert-manager"}, webhook={"url": "https://10.0.0.7:8443/mutate"}
    )
    ca = release.one("Certificate", "job-profiler-ca")["spec"]
    leaf = release.one("Certificate", "job-profiler-tls")["spec"]

    assert release.one("Issuer", ca["issuerRef"]["name"])["spec"] == {"selfSigned": {}}
    assert ca["isCA"] is True
    assert release.one("Issuer", leaf["issuerRef"]["name"])["spec"] == {
        "ca": {"secretName": ca["secretName"]}
    }
    assert leaf["secretName"] == release.environment("webhook")["TLS_SECRET"] == "job-profiler-tls"
    assert leaf["dnsNames"] == [
        "job-profiler-webhook.profiling.svc",
        "job-profiler-webhook.profiling.svc.cluster.local",
    ]
    assert leaf["ipAddresses"] == ["10.0.0.7"]
    assert release.one("MutatingWebhookConfiguration")["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "profiling/job-profiler-tls"
    }


def test_cert_manager_issues_from_a_given_issuer(render: Render) -> None:
    """With an issuer, only the serving certificate is rendered."""
    issuer = {"name": "corporate", "kind": "ClusterIssuer"}
    release = render(certificates={"provider": "cert-manager", "issuerRef": issuer})

    assert not release.of("Issuer")
    assert release.one("Certificate")["spec"]["issuerRef"] == {**issuer, "group": "cert-manager.io"}
