"""Queries on CPU throttling and OOM kills: the exact texts, and their results as sparse samples."""

import numpy as np
import pytest

from app.domain.profiles import Pressure
from app.history.samples import PodContainer, StepRange
from app.sources.pressure import pressure_query, sparse_samples
from app.sources.queries import Scope
from app.sources.query_result import QueryResult

SHOP = Scope(included=("shop",))
STEPS = StepRange(100, 103)
WEB, DB = ("shop", "web-1", "web"), ("shop", "db-0", "db")


def largest(expression: str) -> str:
    """The maximum over the duplicates of one container."""
    return f"max by (namespace,pod,container)({expression})"


def series(metric: str, matchers: str = "") -> str:
    """The series of *metric* of the shop's containers."""
    return f'{metric}{{container!="",container!="POD",{matchers}namespace="shop"}}'


def test_the_query_on_throttling() -> None:
    """Throttled periods divided by periods, per container, where the share exceeds 5 %."""
    throttled = f"rate({series('container_cpu_cfs_throttled_periods_total')}[5m])"
    periods = f"rate({series('container_cpu_cfs_periods_total')}[5m])"

    query = pressure_query(Pressure.CPU_THROTTLING, SHOP)

    assert query == f"{largest(f'{throttled} / {periods}')} > 0.05"


def test_the_query_on_oom_kills() -> None:
    """A restarted container, a terminated one that was not terminated before, or the kubelet's event."""
    killed = 'reason="OOMKilled",'
    restarts = largest(f"increase({series('kube_pod_container_status_restarts_total')}[10m])")
    last = largest(series("kube_pod_container_status_last_terminated_reason", killed))
    terminated = series("kube_pod_container_status_terminated_reason", killed)
    before = largest(f"max_over_time({terminated}[1h] offset 5m)")
    events = largest(f"increase({series('container_oom_events_total')}[10m])")

    assert pressure_query(Pressure.OOM_KILLED, SHOP) == (
        f"({restarts} > 0 and {last} == 1)"
        f" or ({largest(terminated)} == 1 unless {before} == 1)"
        f" or ({events} > 0)"
    )


def result() -> QueryResult:
    """`web` has 0.3 at step 100 and no usable number at step 102; `db` has 2 at step 103."""
    rows, columns = np.array([0, 0, 1], dtype=np.int32), np.array([0, 2, 3], dtype=np.int32)
    return QueryResult((WEB, DB), STEPS, rows, columns, np.array([0.3, np.nan, 2.0]))


@pytest.mark.parametrize(
    ("reason", "shares"), [(Pressure.CPU_THROTTLING, [0.3, 2.0]), (Pressure.OOM_KILLED, [1.0, 1.0])]
)
def test_results_are_made_sparse(reason: Pressure, shares: list[float]) -> None:
    """Row 0 at step 100 and row 1 at step 103 remain; the share of an OOM kill is 1 whatever is counted."""
    samples = sparse_samples(reason, STEPS, result())

    assert samples.containers == (PodContainer(*WEB), PodContainer(*DB))
    assert (samples.rows.tolist(), samples.at_steps.tolist()) == ([0, 1], [100, 103])
    assert samples.shares.tolist() == shares
