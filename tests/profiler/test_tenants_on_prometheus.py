"""What Pods of a tenant expose, scraped by a real Prometheus: what it can forge, and what it can't."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.command_line.status import show
from tests.cluster.exposed_metrics import ExposedMetrics, line, write_configuration
from tests.cluster.prometheus import Prometheus
from tests.conftest import require_parts
from tests.parts.locate import Part
from tests.profiler.scraped_cluster import ScrapedCluster, end_of_scraped_step

pytestmark = pytest.mark.prometheus

VOTING = {"namespace": "emojivoto", "pod": "voting-5f5b555dff-fcg7c", "container": "voting-svc", "image": "v"}
CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
KUBELET = 'job="kubelet",metrics_path="/metrics/cadvisor"'
# This label is set after a target's own labels were read, by each scrape job that honors them.
RELABELLED = 'scraped_by="kubelet"'
# A rate over 5 minutes of a counter that is a few seconds old is a small part of what it claims.
MUCH = 300.0


def usage(cores: float, size: float) -> Any:
    """The page of cAdvisor with the container of voting."""

    def page(seconds: float) -> str:
        return line(CPU, VOTING, 1000 + cores * seconds) + line(MEMORY, VOTING, size)

    return page


def pretended(seconds: float) -> str:
    """The page of a tenant's Pod that pretends to be the kubelet, with a container of another namespace."""
    labels = {"namespace": "shop", "pod": "api-5f5b555dff-fcg7c", "container": "api", "image": "a"}
    labels |= {"job": "kubelet", "metrics_path": "/metrics/cadvisor", "scraped_by": "kubelet"}
    return line(CPU, labels, 1000 + 10 * seconds) + line(MEMORY, labels, 50e9)


def relabelled(job: dict[str, Any]) -> dict[str, Any]:
    """The scrape job with a label of its own on every series."""
    job["metric_relabel_configs"] = [{"target_label": "scraped_by", "replacement": job["job_name"]}]
    return job


def ends(source: tuple[str, str], destination: tuple[str, str], reporter: str) -> dict[str, str]:
    """The labels of an edge in Istio's metrics."""
    labels = {"reporter": reporter, "request_protocol": "http"}
    for end, (namespace, name) in {"source": source, "destination": destination}.items():
        labels |= {f"{end}_workload_namespace": namespace, f"{end}_workload": name}
    return labels


def requests(*edges: dict[str, str], rate: float = 1.0) -> Any:
    """The page of a proxy with requests on these edges."""

    def page(seconds: float) -> str:
        return "".join(line("istio_requests_total", labels, 1000 + rate * seconds) for labels in edges)

    return page


WEB, DB, SYNC = ("emojivoto", "web"), ("storage", "db"), ("crm", "sync")
# The Pod also sets the labels that scraping sets: with honor_labels: false they become exported_namespace.
FORGED = [
    {**ends(SYNC, DB, reporter), "namespace": "crm", "pod": "sync-0"}
    for reporter in ("source", "destination", "waypoint")
]
PAGES = {
    "/metrics/cadvisor": usage(MUCH / 10, 12e6),
    "/forged-usage": usage(1047 * MUCH, 7 * 2.0**40),
    "/pretended": pretended,
    "/web": requests(ends(WEB, DB, "source")),
    "/miner": requests(*FORGED, {**ends(WEB, DB, "source"), "namespace": "emojivoto"}, rate=999.0),
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, float]]:
    """A server that scrapes the kubelet, two Pods and a page with honor_labels; the end of the step."""
    require_parts(Part.PROMETHEUS)
    directory = tmp_path_factory.mktemp("tenants")
    with ExposedMetrics(PAGES) as exposed:
        configuration = write_configuration(
            directory / "prometheus.yaml",
            relabelled(exposed.job("kubelet", "/metrics/cadvisor", honor_labels=True))
            | {"relabel_configs": [{"source_labels": ["__metrics_path__"], "target_label": "metrics_path"}]},
            exposed.job("tenants", "/forged-usage", honor_labels=True, namespace="evil", pod="miner-0"),
            relabelled(exposed.job("pods-as-is", "/pretended", honor_labels=True, namespace="evil")),
            exposed.job("envoy-stats", "/web", namespace="emojivoto", pod="web-6b6f9d7d5c-2x8qz"),
            exposed.job("pods", "/miner", namespace="evil", pod="miner-0"),
        )
        with Prometheus(directory, configuration=configuration) as server:
            yield server, end_of_scraped_step(server.url, targets=5, scrapes=3)


async def scraped(prometheus: tuple[Prometheus, float], **settings: str) -> ScrapedCluster:
    """The outcome of a cycle on what has been scraped."""
    server, end = prometheus
    cluster = ScrapedCluster(server.url, end, **settings)
    await cluster.cycle()
    return cluster


async def test_a_pod_can_not_forge_an_edge_of_istio(prometheus: tuple[Prometheus, float]) -> None:
    """A Pod of `evil` exposes crm/sync → storage/db as three reporters, and web → db at 999 times its rate.

    Only web's own edge is stored, at the rate that its own proxy reports, and evil is named.
    """
    cluster = await scraped(prometheus)

    edges = {name: float(value) for name, value in cluster.values.items() if name.startswith("connection")}
    assert list(edges) == ["connection emojivoto/web → storage/db"]
    # At most 300 seconds of one request and one response a second are 120 a minute.
    assert 0 < edges["connection emojivoto/web → storage/db"] <= 120
    assert cluster.report["droppedEdges"] == {"OtherReporter": ["evil"]}


async def test_a_proxy_in_a_namespace_of_the_mesh_is_trusted(prometheus: tuple[Prometheus, float]) -> None:
    """With MESH_PROXY_NAMESPACES=evil the same Pod is a waypoint: its edges count."""
    cluster = await scraped(prometheus, mesh_proxy_namespaces="evil")

    assert "connection crm/sync → storage/db" in cluster.values


async def test_forged_usage_is_named_and_never_published(
    prometheus: tuple[Prometheus, float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job with honor_labels gives voting 1,047 cores and 7 TiB: neither is published.

    `job-profiler status` has the reason, and warns of two jobs with container series.
    """
    monkeypatch.setenv("COLUMNS", "400")  # no sentence is folded
    cluster = await scraped(prometheus)

    assert not {"cpu emojivoto/voting", "memory emojivoto/voting"} & cluster.values.keys()
    assert cluster.report["containerJobs"] == ["kubelet", "tenants"]
    reason = cluster.report["absurdNeeds"]["emojivoto/voting"]
    assert reason.startswith("AbsurdNeed: ")
    show({**cluster.report, "probe": None}, {}, datetime.now(UTC))
    printed = capsys.readouterr().out
    assert "Warning: container series come from more than one scrape job: kubelet, tenants." in printed
    assert f"Not published for emojivoto/voting: {reason}" in printed


async def test_the_matcher_reads_the_kubelets_only(prometheus: tuple[Prometheus, float]) -> None:
    """With the kubelets' job and path voting has its own 12 MB (raised, after so few samples), no warning."""
    cluster = await scraped(prometheus, container_metrics_matcher=KUBELET)

    values = cluster.values
    assert 12e6 <= float(values["memory emojivoto/voting"]) < 100e6
    assert 0 < float(values["cpu emojivoto/voting"]) < 60
    assert not {"absurdNeeds", "containerJobs"} & cluster.report.keys()


@pytest.mark.parametrize(("matcher", "is_trusted"), [(KUBELET, True), (RELABELLED, False)])
async def test_only_a_label_that_is_set_after_the_scrape_identifies_the_kubelets(
    prometheus: tuple[Prometheus, float],
    matcher: str,
    is_trusted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Where labels are honored, `job` is too: a Pod of `evil` invents 50 GB of shop/api as the kubelet.

    docs/pages/security.md says so. It can't choose a label that metric_relabel_configs set.
    """
    cluster = await scraped(prometheus, container_metrics_matcher=matcher)

    assert ("memory shop/api" in cluster.values) == is_trusted
    assert "memory emojivoto/voting" in cluster.values
