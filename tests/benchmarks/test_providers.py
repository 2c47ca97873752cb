"""The benchmark of providers: the edges, and the series of each provider on them."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.providers import PROVIDERS, edges_between, write_past

END = 1_772_373_600  # 2026-03-01 14:00 UTC


def test_edges() -> None:
    """Of 4 workloads each sends to the 3 others."""
    edges = edges_between(4)

    assert len(set(edges)) == 12
    assert all(client != server for client, server in edges)


# Of 12 edges from 4 Pods. Of each target `up` and `scrape_series_added`; 100 nodes have one each.
SERIES = {
    "linkerd": 2 * 12 + 2 * 4,  # requests and responses
    "istio": 3 * 2 * 12 + 2 * 4,  # requests, bytes of requests and of responses, by both ends
    "netobserv": 12 + 2 * 100,
    "obi": 2 * 2 * 12 + 2 * 100,  # both directions on both nodes
    "beyla": 2 * 2 * 12 + 2 * 100,
    "service-graph": 12 + 2,  # of one collector
    "hubble": 2 * 12 + 2 * 100,  # both agents
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_series(provider: str, tmp_path: Path) -> None:
    """Each series is written once, with 6 samples: one every 2 minutes, at both ends of 10 minutes."""
    path = tmp_path / "history.openmetrics"

    written = write_past(PROVIDERS[provider](edges_between(4)), path, END, minutes=10)

    *lines, end = [line for line in path.read_text().splitlines() if not line.startswith("# TYPE")]
    heads = [line.rpartition("} ")[0] for line in lines]
    assert written == len(set(heads)) == SERIES[provider]
    assert len(lines) == 6 * SERIES[provider]
    assert end == "# EOF"
    times = [int(line.rpartition(" ")[2]) for line in lines[:6]]
    assert {later - earlier for earlier, later in pairwise(times)} == {120}
    assert times[-1] == END
