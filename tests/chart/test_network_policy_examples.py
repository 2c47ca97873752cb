"""NetworkPolicies: those in docs/pages/security.md and the chart's own fit the rendered Pods and the API."""

import json
from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.policy_examples import (
    CALICO,
    CILIUM,
    FIELDS,
    KUBERNETES,
    Peer,
    examples,
    lets_in,
    ports,
    selects,
)
from tests.chart.rendered import Release, container
from tests.cluster.kubectl import Kubectl, KubectlError

pytestmark = pytest.mark.chart

KINDS = (KUBERNETES, CILIUM, CALICO)
AGENT = {"k8s-app": "konnectivity-agent"}
PEERS = {
    "an address of the control plane": (Peer(address="10.0.0.5"), True),
    "a konnectivity agent": (Peer("kube-system", AGENT), True),
    "a tenant's Pod": (Peer("shop", {"app": "web"}), False),
    "a tenant's Pod with the label of the agents": (Peer("shop", AGENT), False),
    "a Pod without labels": (Peer("shop"), False),
    "another Pod of kube-system": (Peer("kube-system", {"k8s-app": "kube-dns"}), False),
    "a Pod of the release's namespace": (Peer("job-profiler", {"app": "debug"}), False),
}


def pod_templates(release: Release) -> dict[str, dict[str, Any]]:
    """The Pod template of each component, and the Pod of `helm test`."""
    templates = {
        deployment["metadata"]["labels"]["app.kubernetes.io/component"]: deployment["spec"]["template"]
        for deployment in release.of("Deployment")
    }
    return templates | {"probe": release.one("Pod")}


def labels(template: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = template["metadata"]["labels"]
    return found


def keys(value: object) -> set[str]:
    """The fields of an object, without the labels that a selector names."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    nested = (keys(inner) for key, inner in value.items() if key != "matchLabels")
    return set(value).union(*nested)


def test_there_is_one_of_each_kind() -> None:
    """Kubernetes, Cilium and Calico."""
    assert set(examples()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_selects_the_webhooks_pods_alone(render: Render, kind: str) -> None:
    """Neither the profiler's nor those of `helm test`; with `combined` the component is to be replaced."""
    policy = examples()[kind]

    selected = {name for name, pod in pod_templates(render()).items() if selects(policy, labels(pod))}
    combined = pod_templates(render(topology="combined"))["combined"]

    assert selected == {"webhook"}
    assert not selects(policy, labels(combined))
    assert selects(policy, labels(combined) | {"app.kubernetes.io/component": "webhook"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_has_the_webhooks_port(render: Render, kind: str) -> None:
    """By its name, or by the number that the Pod listens on."""
    [port] = [port for port in container(render().pods()["webhook"])["ports"] if port["name"] == "webhook"]

    assert ports(examples()[kind]) <= {port["name"], port["containerPort"]}
    assert ports(examples()[kind])


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_example_lets_in_api_servers_alone(kind: str, peer: str) -> None:
    """By address, or from the agents of konnectivity; every tenant can set a label, so it is no proof."""
    source, is_let_in = PEERS[peer]

    assert lets_in(examples()[kind], source) is is_let_in


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_has_only_fields_of_its_api(kind: str) -> None:
    """API servers drop unknown fields of built-in kinds, and some CRDs keep them without a meaning."""
    policy = examples()[kind]

    assert keys(policy["spec"]) <= FIELDS[kind] | {"podSelector"}
    assert policy.keys() == {"apiVersion", "kind", "metadata", "spec"}


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_named_ports_of_the_charts_policies_exist(render: Render, topology: str) -> None:
    """Each Pod that a policy with a named port selects has that port, except the Pod of `helm test`."""
    release = render(topology=topology, networkPolicy={"enabled": True, "metricsNamespaces": ["monitoring"]})
    compared = 0
    for policy in release.of("NetworkPolicy"):
        named = {port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]}
        for name, pod in pod_templates(release).items():
            if named and name != "probe" and selects(policy, labels(pod)):
                assert named <= {port["name"] for port in container(pod["spec"])["ports"]}, (policy, name)
                compared += 1
    assert compared >= 2


@pytest.mark.cluster
@pytest.mark.parametrize("topology", ["split", "combined"])
def test_the_api_server_accepts_them(kubectl: Kubectl, render: Render, topology: str) -> None:
    """The example for Kubernetes and the chart's own policies, in a dry run with strict validation."""
    values = {"enabled": True, "metricsNamespaces": ["monitoring"], "extraEgress": [{"ports": [{"port": 9}]}]}
    policies = [*render(topology=topology, networkPolicy=values).of("NetworkPolicy"), examples()[KUBERNETES]]

    for policy in policies:
        sent = policy | {"metadata": {"name": policy["metadata"]["name"], "namespace": "default"}}
        dry_run(kubectl, sent)
        with pytest.raises(KubectlError, match="unknown"):
            dry_run(kubectl, sent | {"spec": policy["spec"] | {"podSelectors": {}}})


def dry_run(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    """Sends the object; nothing is stored."""
    arguments = ("create", "--dry-run=server", "--validate=strict", "--filename=-")
    kubectl.json(*arguments, input=json.dumps(manifest))
