"""Services of Prometheus-compatible servers, as their charts and operators label them."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.kubernetes.prometheus_services import in_order, list_everywhere, list_in_namespaces
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.kubernetes.services import KPS, WEB, service

RELOADER = {"name": "reloader-web", "port": 8080, "appProtocol": "http"}
K8S = "app.kubernetes.io"
# The labels and the ports of the Services, and the URL before `/api/v1`.
INSTALLED: dict[str, tuple[dict[str, str], list[dict[str, Any]], str]] = {
    "kube-prometheus-stack": (KPS, [WEB, RELOADER], "http://s.n.svc:9090"),
    "kube-prometheus": (
        {f"{K8S}/name": "prometheus", f"{K8S}/component": "prometheus", f"{K8S}/instance": "k8s"},
        [{"name": "web", "port": 9090}, RELOADER],
        "http://s.n.svc:9090",
    ),
    "prometheus' chart": (
        {f"{K8S}/name": "prometheus", f"{K8S}/component": "server"},
        [{"name": "http", "port": 80}],
        "http://s.n.svc:80",
    ),
    "linkerd-viz": (
        {"linkerd.io/extension": "viz", "component": "prometheus", "namespace": "linkerd-viz"},
        [{"name": "admin-http", "port": 9090}],
        "http://s.n.svc:9090",
    ),
    "thanos": (
        {f"{K8S}/name": "thanos", f"{K8S}/component": "query"},
        [{"name": "grpc", "port": 10901}, {"name": "http", "port": 10902}],
        "http://s.n.svc:10902",
    ),
    "vmsingle": ({f"{K8S}/name": "vmsingle"}, [{"name": "http", "port": 8429}], "http://s.n.svc:8429"),
    "vmselect": (
        {f"{K8S}/name": "vmselect"},
        [{"name": "http", "port": 8481}],
        "http://s.n.svc:8481/select/0/prometheus",
    ),
    "mimir": (
        {f"{K8S}/name": "mimir", f"{K8S}/component": "query-frontend"},
        [{"name": "grpc", "port": 9095}, {"name": "http-metrics", "port": 8080}],
        "http://s.n.svc:8080/prometheus",
    ),
    "with TLS": (KPS, [{"name": "https-web", "port": 9090}], "https://s.n.svc:9090"),
    "another port": (KPS, [{"name": "queries", "port": 1234}], "http://s.n.svc:1234"),
}


@pytest.mark.parametrize(("labels", "ports", "url"), INSTALLED.values(), ids=INSTALLED)
def test_products(labels: dict[str, str], ports: list[dict[str, Any]], url: str) -> None:
    """The port that answers queries is chosen by number, by name, or as the only one."""
    [found] = in_order([service("s", "n", labels, *ports)])

    assert found.url == url


@pytest.mark.parametrize(
    "odd",
    [
        service("s", "n", {"app": "grafana"}, WEB),
        service("s", "n", {"app": "prometheus-msteams"}, WEB),
        service("s", "n", KPS, WEB, type="ExternalName", externalName="prometheus.example"),
        service("s", "n", KPS),
        service("s", "n", KPS, {"name": "a", "port": 1}, {"name": "b", "port": 2}),
        service("s", "n", KPS, {"name": "http-web", "port": 9090, "protocol": "UDP"}),
        service("s", "n", KPS, {"name": "web", "port": "9090"}),
        service("x/../..", "n", KPS, WEB),
        service("s", "n?x", KPS, WEB),
        {"metadata": {"labels": 7}, "spec": None},
        {"metadata": {"name": "s", "namespace": "n", "labels": KPS}, "spec": {"ports": [7, None]}},
        {},
    ],
    ids=str,
)
def test_others(odd: dict[str, Any]) -> None:
    """Other products, names of other hosts, ports that may be anything, and objects of other types."""
    assert in_order([odd]) == []


def test_the_order() -> None:
    """Prometheus before Thanos, which may have other clusters; then by namespace and name."""
    thanos = service("a", "a", {"app": "thanos-query"}, {"name": "http", "port": 9090})
    services = [thanos, service("b", "b", KPS, WEB), service("c", "a", KPS, WEB), service("b", "a", KPS, WEB)]

    assert [found.url for found in in_order(services)] == [
        "http://b.a.svc:9090",
        "http://c.a.svc:9090",
        "http://b.b.svc:9090",
        "http://a.a.svc:9090",
    ]


async def test_namespaces_are_searched_in_their_order(server: FakeApiServer, tmp_path: Path) -> None:
    """The one that is listed first comes first, whatever its product; one that may not be read is named."""
    thanos = service("query", "b", {"app": "thanos-query"}, {"name": "http", "port": 9090})
    server.on("GET", paths.services("b"), listed(thanos))
    server.on("GET", paths.services("a"), listed(service("p", "a", KPS, WEB)))
    server.on("GET", paths.services("c"), refuses(403, "no"))
    server.on("GET", paths.services(), refuses(403, "no"))
    async with open_cluster(kubeconfig(tmp_path, {"token": "t"}, server.url), SHORT) as client:
        found = await list_in_namespaces(client, ["b", "c", "a", "b"])
        with pytest.raises(ClusterError, match="403 Forbidden: no"):
            await list_everywhere(client)

    assert [each.url for each in found.services] == ["http://query.b.svc:9090", "http://p.a.svc:9090"]
    assert found.refusals.keys() == {"c"}
