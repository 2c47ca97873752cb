"""Edges to an Argo Rollout, as Linkerd's proxies report them to a real Prometheus."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.workloads import Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.histories.meshes import linkerd_destination, linkerd_edge, write_counters
from tests.histories.shop import WEB
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
HALF_HOUR = StepRange(END // 300 - 5, END // 300)
STABLE, CANARY = "canary-7d4b9c6f8", "canary-6d4b75cb6d"


async def test_the_revisions_of_a_rollout_are_one_destination(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path: Path
) -> None:
    """`web` sends 1.0 requests/s to one ReplicaSet of the Rollout and 0.5 to the other, half are answered.

    Linkerd labels both by `dst_replicaset` alone (linkerd2#11654). Together 60 * 1.5 = 90 requests and 45
    responses a minute; before, two edges of 60 and 30 to two ReplicaSets.
    """
    counters = [
        counter
        for replica_set, requests in ((STABLE, 1.0), (CANARY, 0.5))
        for counter in linkerd_edge(
            WEB,
            linkerd_destination("shop", {"replicaset": replica_set}, f"{replica_set}-x7k2p"),
            "10.42.1.1",
            requests=requests,
            responses={"success": requests / 2},
            written=10.0,
            read=20.0,
        )
    ]
    path = tmp_path / "rollout.openmetrics"
    write_counters(path, counters, [WEB.labels], end=END, seconds=3600)
    rollout = Workload("shop", "canary", "Rollout")
    snapshot = ClusterSnapshot({("shop", f"{STABLE}-x7k2p"): rollout}, (Workload("shop", "web"),))

    async with PrometheusSource(prometheus_factory(path).url, scope=Scope()) as source:
        samples = await only(source.connection_samples(HALF_HOUR))
    assert samples is not None
    history = ConnectionHistory()
    history.fold(resolve(samples, Attribution(snapshot)))

    rates = {
        str(mean.connection): (round(mean.requests_per_minute, 3), round(mean.responses_per_minute, 3))
        for mean in history.means()
    }
    assert rates == {"shop/web → Rollout/shop/canary": (90.0, 45.0)}
