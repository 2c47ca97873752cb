"""Ingress and egress rules of the Pods."""

from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.rendered import Release, container

pytestmark = pytest.mark.chart

ENABLED = {"enabled": True}
DNS = {("UDP", 53), ("TCP", 53)}
SEARCHED = {("TCP", port) for port in (9090, 10902, 8428, 8429, 8481, 8080)}
API_SERVER = {("TCP", 443), ("TCP", 6443)}


def selecting(release: Release, labels: dict[str, str], direction: str) -> list[dict[str, Any]]:
    """The rules of all policies that select a Pod with these labels; at least one policy must select it."""
    policies = [
        policy["spec"]
        for policy in release.of("NetworkPolicy")
        if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        and direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    assert policies
    return [rule for spec in policies for rule in spec[direction]]


def pod_labels(release: Release, component: str) -> dict[str, str]:
    deployments = [
        deployment["spec"]["template"]["metadata"]["labels"]
        for deployment in release.of("Deployment")
        if deployment["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    [labels] = deployments
    assert isinstance(labels, dict)
    return labels


def reached(release: Release, labels: dict[str, str]) -> set[tuple[str, int]]:
    """The ports that a Pod may connect to, at any address."""
    rules = selecting(release, labels, "egress")
    assert all(rule.keys() == {"ports"} for rule in rules)
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}


def test_there_are_none_by_default(render: Render) -> None:
    """By default there is no policy: only the user knows the ports of the API server, DNS and Prometheus."""
    assert render().of("NetworkPolicy") == []


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_the_webhooks_port_is_open_to_all(render: Render, topology: str) -> None:
    """Only the webhook's port is open, to every source, since API servers have no labels."""
    release = render(topology=topology, networkPolicy=ENABLED)

    for component, pod in release.pods().items():
        ports = [port["name"] for port in container(pod)["ports"]]
        rules = selecting(release, pod_labels(release, component), "ingress")
        webhook = [{"ports": [{"port": "webhook", "protocol": "TCP"}]}] if "webhook" in ports else []
        assert rules == webhook


def test_metrics_are_open_to_the_named_namespaces(render: Render) -> None:
    """Pods in metricsNamespaces can scrape every Pod."""
    release = render(networkPolicy=ENABLED | {"metricsNamespaces": ["monitoring", "audit"]})
    selector = {
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "In",
                "values": ["monitoring", "audit"],
            }
        ]
    }
    expected = {
        "from": [{"namespaceSelector": selector}],
        "ports": [{"port": "health", "protocol": "TCP"}],
    }

    for component in release.pods():
        assert expected in selecting(release, pod_labels(release, component), "ingress")


def test_what_pods_reach(render: Render) -> None:
    """The webhook and `helm test` can connect to DNS and the API server; the profiler also to Prometheus.

    While it is searched for, to the ports of the Pods of each product that is recognised.
    """
    release = render(networkPolicy=ENABLED)
    test_pod = release.one("Pod")["metadata"]["labels"]

    assert reached(release, pod_labels(release, "webhook")) == DNS | API_SERVER
    assert reached(release, test_pod) == DNS | API_SERVER
    assert reached(release, pod_labels(release, "profiler")) == DNS | API_SERVER | SEARCHED


@pytest.mark.parametrize(
    ("prometheus", "ports"),
    [
        ({"url": "prometheus", "port": 80}, {80}),
        ({"url": "prometheus:1234/path"}, {1234}),
        ({"url": "https://thanos.example/api"}, {443}),
        ({"url": "http://thanos.example"}, {80}),
        ({"url": "http://[::1]:9091/x:7"}, {9091}),
        ({"url": "[fd00::5]:9091"}, {9091}),
        ({"url": "fd00::5"}, {9090}),
        ({"url": "thanos", "connectionsUrl": "https://mesh:8443"}, {9090, 8443}),
        ({"url": "thanos", "connectionsUrl": "mesh/path", "port": 7}, {7}),
        ({"url": "auto", "connectionsUrl": "mesh:7"}, {port for _, port in SEARCHED} | {7}),
    ],
    ids=str,
)
def test_ports_of_prometheus_are_those_of_its_urls(
    render: Render, prometheus: dict[str, Any], ports: set[int]
) -> None:
    """The port is that of the URL, of its scheme, or `prometheus.port` for a host name."""
    release = render(prometheus=prometheus, networkPolicy=ENABLED | {"apiServerPorts": [6443]})

    profiler = reached(release, pod_labels(release, "profiler"))
    assert profiler - DNS - {("TCP", 6443)} == {("TCP", port) for port in ports}


def test_ports_may_differ_behind_services(render: Render) -> None:
    """Policies see the Pod's port, not the Service's: both it and further rules are values."""
    more = [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    release = render(
        networkPolicy=ENABLED
        | {"prometheusPorts": [10902], "dnsPorts": [5353], "apiServerPorts": [8443], "extraEgress": more}
    )

    rules = selecting(release, pod_labels(release, "profiler"), "egress")
    ports = {(port["protocol"], port["port"]) for rule in rules for port in rule.get("ports", [])}
    assert ports == {("UDP", 5353), ("TCP", 5353), ("TCP", 8443), ("TCP", 10902)}
    assert more[0] in rules


def test_a_meshed_profiler_reaches_linkerd(render: Render) -> None:
    """The linkerd-proxy needs other proxies (4143) and the identity, destination and policy controllers."""
    release = render(linkerd={"viz": True}, networkPolicy=ENABLED, prometheus={"url": "prometheus"})

    proxies = {("TCP", port) for port in (4143, 8080, 8086, 8090)}
    assert proxies <= reached(release, pod_labels(release, "profiler"))
    assert not proxies & reached(release, pod_labels(release, "webhook"))
