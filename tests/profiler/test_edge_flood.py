"""60,000 edges that one Pod of a tenant declares: the profiler's memory, and the profiles of others."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cluster.exposed_metrics import ExposedMetrics, Page, line, write_configuration
from tests.cluster.prometheus import Prometheus
from tests.conftest import require_parts
from tests.parts.locate import Part
from tests.profiler.scraped_cluster import end_of_scraped_step

pytestmark = [pytest.mark.prometheus, pytest.mark.flood, pytest.mark.timeout(600)]

EDGES, MAX_PROFILES = 60_000, 5000
LIMIT_MEGABYTES = 700  # of the chart's 1,024
VOTING = {"namespace": "emojivoto", "pod": "voting-5f5b555dff-fcg7c", "container": "voting-svc", "image": "v"}


def edges(source: str, destination_namespace: str, count: int) -> Page:
    """The page of one proxy of Linkerd with so many edges; each has all four rates."""
    outbound = {"direction": "outbound", "deployment": source, "dst_namespace": destination_namespace}
    prefixes = [
        line(metric, outbound | {"dst_deployment": f"s{number:05d}"} | more, 0).removesuffix("0\n")
        for metric, more in (
            ("request_total", {}),
            ("response_total", {}),
            ("tcp_write_bytes_total", {"peer": "dst"}),
            ("tcp_read_bytes_total", {"peer": "dst"}),
        )
        for number in range(count)
    ]

    def page(seconds: float) -> str:
        value = f"{1000 + 10 * seconds:.3f}\n"
        return value.join([*prefixes, ""])

    return page


def usage(seconds: float) -> str:
    """The page of cAdvisor with one container."""
    return line("container_cpu_usage_seconds_total", VOTING, 1000 + seconds) + line(
        "container_memory_working_set_bytes", VOTING, 12e6
    )


def cycle(url: str, end: float) -> dict[str, Any]:
    """The outcome of one cycle in a process of its own."""
    command = [sys.executable, "-m", "tests.profiler.scraped_cluster", url, str(end)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=400)
    outcome: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return outcome


def test_a_flood_of_edges_is_bounded_and_takes_no_profile_of_others(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """`evil` declares 60,000 edges, of which half is kept in memory, beside the 20 of emojivoto.

    Of 5,000 profiles at most, emojivoto has its 20 connections and the CPU and memory of voting: the other
    4,978 are of evil. The memory of the profiler stays far below the chart's limit of 1 GiB.
    """
    require_parts(Part.PROMETHEUS)
    directory = tmp_path_factory.mktemp("flood")
    pages = {
        "/evil": edges("miner", "emojivoto", EDGES),
        "/web": edges("web", "emojivoto", 20),
        "/metrics/cadvisor": usage,
    }
    with ExposedMetrics(pages) as exposed:
        configuration = write_configuration(
            directory / "prometheus.yaml",
            exposed.job("kubelet", "/metrics/cadvisor", honor_labels=True, seconds=2),
            exposed.job("linkerd-proxy", "/web", seconds=2, namespace="emojivoto", pod="web-0"),
            exposed.job("pods", "/evil", seconds=20, namespace="evil", pod="miner-0"),
        )
        with Prometheus(directory, configuration=configuration) as server:
            end = end_of_scraped_step(server.url, targets=3, scrapes=2)
            outcome = cycle(server.url, end)

    print(f"\n{EDGES} edges of one namespace: {outcome}")
    assert outcome["profiles"] == {
        "cpu emojivoto": 1,
        "memory emojivoto": 1,
        "connection emojivoto": 20,
        "connection evil": MAX_PROFILES - 22,
    }
    assert outcome["dropped"] == {"OverShare": ["evil"]}
    assert outcome["peak_megabytes"] < LIMIT_MEGABYTES
