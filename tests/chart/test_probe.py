"""The self-probe: its entry in the webhook configuration, and the prober's expected configuration."""

import json
from typing import Any

import pytest

from app.domain.self_probe import LABEL
from app.kubernetes.self_probe.findings import entry_findings
from app.settings.environment import Settings
from tests.chart.conftest import Render
from tests.chart.rendered import variables_of

pytestmark = pytest.mark.chart


def test_every_field_of_the_probes_webhook(render: Render) -> None:
    """Labelled ConfigMaps in the release's namespace go to the address for Pods; they are never refused."""
    release = render(webhook={"failurePolicy": "Fail", "timeoutSeconds": 5})

    assert release.webhook("probe") == {
        "name": "probe.job-profiler.liqo.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": release.webhook()["clientConfig"],
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
                "scope": "Namespaced",
            }
        ],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "Never",
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["profiling"]}
            ]
        },
        "objectSelector": {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]},
    }


def test_without_names_on_namespaces_the_object_selects(render: Render) -> None:
    """Before 1.21 a selector by namespace name would match none: only the ConfigMap's label selects."""
    assert render(kube_version="1.20.0").webhook("probe")["namespaceSelector"] == {}


def test_it_has_the_address_for_pods(render: Render) -> None:
    """A webhook outside the cluster is probed at its URL."""
    url = "https://profiler.example:8443/mutate"

    assert render(webhook={"url": url}).webhook("probe")["clientConfig"] == {"url": url}


def test_pods_come_first(render: Render) -> None:
    """The first entry of the configuration is that for Pods."""
    names = [webhook["name"] for webhook in render().one("MutatingWebhookConfiguration")["webhooks"]]

    assert names == ["pods.job-profiler.liqo.io", "probe.job-profiler.liqo.io"]


@pytest.mark.parametrize("kube_version", ["1.20.0", "1.36.0"])
@pytest.mark.parametrize(
    "profiling",
    [
        {},
        {
            "namespaces": ["shop", "emojivoto"],
            "namespaceSelector": {
                "matchLabels": {"team": "web"},
                "matchExpressions": [{"key": "stage", "operator": "In", "values": ["live", "test"]}],
            },
        },
    ],
    ids=["default", "selected"],
)
def test_the_prober_expects_what_is_rendered(
    render: Render, kube_version: str, profiling: dict[str, Any]
) -> None:
    """The prober accepts the configuration of its own release, and reports that of another."""
    release = render(kube_version=kube_version, profiling=profiling)
    configuration = release.one("MutatingWebhookConfiguration")
    expected = json.loads(release.environment("profiler")["EXPECTED_WEBHOOK"])
    other = render(kube_version=kube_version, profiling={"excludedNamespaces": ["ci"]})

    assert [finding.reason for finding in entry_findings(configuration, expected)] == ["", ""]
    findings = entry_findings(other.one("MutatingWebhookConfiguration"), expected)
    assert [finding.reason for finding in findings] == ["EntryChanged", ""]


def test_it_can_be_switched_off(render: Render) -> None:
    """If the probe is off, there is no Pod of `helm test`, and the profiler does not probe; the entry stays.

    Helm 4 could not remove it: the caBundle, which another field manager owns, would stay and be refused.
    """
    release = render(probe={"enabled": False})

    assert release.webhook("probe") == render().webhook("probe")
    assert release.of("Pod") == []
    assert release.environment("profiler")["PROBE_ENABLED"] == "false"
    assert "EXPECTED_WEBHOOK" not in release.environment("profiler")


@pytest.mark.parametrize(
    ("topology", "component", "account"),
    [("split", "profiler", "job-profiler-profiler"), ("combined", "combined", "job-profiler")],
)
def test_helm_test_does_what_the_leader_does(
    render: Render, topology: str, component: str, account: str
) -> None:
    """`helm test` runs `job-profiler probe` once, with the leader's account and settings, without a proxy."""
    release = render(topology=topology)
    pod = release.one("Pod")
    variables = variables_of(pod["spec"])

    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert pod["spec"]["containers"][0]["args"] == ["probe"]
    assert (pod["spec"]["serviceAccountName"], pod["spec"]["restartPolicy"]) == (account, "Never")
    assert variables.items() <= release.environment(component).items()
    assert {name.lower() for name in variables} <= Settings.model_fields.keys()
    for service in release.of("Service"):
        assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
