"""A real API server accepts a release with all features, and stores certain fields unchanged."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.kubernetes.self_probe.findings import entry_findings
from tests.chart.rendered import CHART, IMAGE, Release, variables_of
from tests.chart.served import FIRST, SECOND
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

NAME = "job-profiler"


@pytest.fixture
def everything() -> dict[str, Any]:
    """The chart's `ci/everything` values, except those that need kinds of other products."""
    values: dict[str, Any] = yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text())
    values["monitoring"] = {"dashboard": {"enabled": True}}
    values["profiling"] = {
        "namespaces": [SECOND],
        "namespaceSelector": {
            "matchLabels": {"team": "web"},
            "matchExpressions": [
                {"key": "stage", "operator": "In", "values": ["live", "test"]},
                {"key": "legacy", "operator": "DoesNotExist"},
            ],
        },
    }
    return values


def template_of(kubectl: Kubectl, component: str) -> dict[str, Any]:
    """The Pod template of a component's Deployment, as stored."""
    deployment = kubectl.json("get", f"deployment/{NAME}-{component}", f"--namespace={FIRST}")
    template: dict[str, Any] = deployment["spec"]["template"]
    return template


def test_everything_can_be_switched_on_and_off(
    installer: Helm, kubectl: Kubectl, everything: dict[str, Any]
) -> None:
    """An upgrade from the defaults adds budgets, policies and other objects; a rollback removes them."""
    kinds = "poddisruptionbudgets,networkpolicies,configmaps"
    added = {
        f"networkpolicy.networking.k8s.io/{NAME}",
        f"networkpolicy.networking.k8s.io/{NAME}-profiler",
        f"networkpolicy.networking.k8s.io/{NAME}-webhook",
        f"configmap/{NAME}-authorities",
        f"configmap/{NAME}-dashboard",
    }

    def present() -> set[str]:
        label = "--selector=app.kubernetes.io/part-of=job-profiler"
        return set(kubectl.run("get", kinds, f"--namespace={FIRST}", label, "--output=name").split())

    def flow_schemas() -> str:
        return kubectl.run("get", "flowschema", NAME, "--ignore-not-found", "--output=name")

    installer.install(NAME, CHART, FIRST, values=IMAGE)
    before = present()
    installer.upgrade(NAME, CHART, FIRST, values=everything)
    assert (present() - before, bool(flow_schemas())) == (added, True)

    installer.rollback(NAME, 1, FIRST)
    assert (present(), bool(flow_schemas())) == (before, False)
    assert f"poddisruptionbudget.policy/{NAME}-webhook" in before


def test_the_prober_finds_what_it_expects(
    newest_installer: Helm, kubectl: Kubectl, everything: dict[str, Any]
) -> None:
    """The API server stores the rules and selectors for Pods as rendered: it adds no other defaults."""
    newest_installer.install(NAME, CHART, FIRST, values=everything)

    variables = variables_of(template_of(kubectl, "profiler")["spec"])
    stored = kubectl.json("get", "mutatingwebhookconfiguration", NAME)
    findings = list(entry_findings(stored, json.loads(variables["EXPECTED_WEBHOOK"])))
    assert [finding.reason for finding in findings] == ["", ""], findings
    assert "EXPECTED_WEBHOOK is not set" not in findings[0].message


@pytest.fixture
def token_pod(namespaces: None, helm4: Helm, kubectl: Kubectl) -> Iterator[dict[str, Any]]:
    """A Pod of the chart as the API server stores it, with the automatic mount that Linkerd needs."""
    # Fields of the oldest version, which every API server accepts.
    rendered = helm4.template(CHART, "--kube-version=1.20.0", release=NAME, namespace=FIRST, values=IMAGE)
    release = Release(rendered)
    account = release.one("ServiceAccount", f"{NAME}-webhook")
    spec = release.pods()["webhook"] | {"automountServiceAccountToken": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "token-pod", "namespace": FIRST},
        "spec": spec,
    }
    kubectl.apply(account, pod)
    yield kubectl.json("get", "pod/token-pod", f"--namespace={FIRST}")
    kubectl.run("delete", "pod/token-pod", f"--namespace={FIRST}", "--grace-period=0", "--force")
    kubectl.run("delete", f"serviceaccount/{NAME}-webhook", f"--namespace={FIRST}")


def test_no_second_token_is_mounted(token_pod: dict[str, Any]) -> None:
    """With the automatic mount, which Linkerd needs, the API server adds no second mount of the token."""
    assert [volume["name"] for volume in token_pod["spec"]["volumes"]] == ["temporary", "token"]


def test_the_token_lives_as_long_as_requested(token_pod: dict[str, Any], kubectl: Kubectl) -> None:
    """A Pod's token is valid for an hour, as the chart requests; a request of 3607 seconds gives a year."""
    [token, *_] = token_pod["spec"]["volumes"][1]["projected"]["sources"]
    requested_seconds: int = token["serviceAccountToken"]["expirationSeconds"]

    lives = [_token_seconds(kubectl, "token-pod", seconds) for seconds in (requested_seconds, 3607)]
    assert lives == [3600, 365 * 24 * 3600]


def _token_seconds(kubectl: Kubectl, pod: str, duration_seconds: int) -> int:
    """The lifetime of a token that the kubelet requests for *pod*."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
    command = ("create", "token", f"{NAME}-webhook", f"--namespace={FIRST}", *bound)
    token = kubectl.run(*command, f"--duration={duration_seconds}s").strip()
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(claims["exp"] - claims["iat"])
