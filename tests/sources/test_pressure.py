"""Queries on throttling, OOM kills and pressure stalls: the texts, and their results as sparse samples."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain.profiles import PRESSURES_OF, Pressure, Resource
from app.history.samples import PodContainer, PressureSamples, StepRange
from app.sources.pressure import killed, limits_query, pressure_query, pressure_samples, slopes_query
from app.sources.queries import Scope
from app.sources.query_result import Key, QueryResult

SHOP = Scope(included=("shop",))
STEPS = StepRange(100, 103)
WEB, DB = ("shop", "web-1", "web"), ("shop", "db-0", "db")


def largest(expression: str, *more: str) -> str:
    """The maximum over the duplicates of one container."""
    return f"max by ({','.join(('namespace', 'pod', 'container', *more))})({expression})"


def of_containers(metric: str) -> str:
    """CAdvisor's series of *metric* of the shop's containers."""
    return f'{metric}{{container!="",container!="POD",namespace="shop"}}'


def young_series(series: str) -> str:
    """The query on *series* with samples in fewer than three of the last six steps."""
    return f"count_over_time(last_over_time({series}[5m])[26m:5m]) < 3"


def test_the_query_on_pressure_on_cpu() -> None:
    """Throttled periods divided by periods, and the waiting time; both where the share exceeds 5 %.

    Young containers are marked from a tenth of that on: they may have lived for a tenth of the step.
    """
    throttled = f"rate({of_containers('container_cpu_cfs_throttled_periods_total')}[5m])"
    periods = f"rate({of_containers('container_cpu_cfs_periods_total')}[5m])"
    counter = of_containers("container_pressure_cpu_waiting_seconds_total")
    waiting = f"rate({counter}[5m])"
    young = f"{waiting} > 0.005 and {young_series(counter)}"

    assert pressure_query(Resource.CPU, SHOP) == (
        f"{largest(f'{throttled} / {periods}')} > 0.05"
        f' or label_replace({largest(waiting)} > 0.05,"pressure","CPUWaiting","","")'
        f' or label_replace({largest(young)},"pressure","young","","")'
    )


def test_the_query_on_pressure_in_short_lives() -> None:
    """Throttled periods by periods, and waiting time by time, all between the same two samples."""
    pods = 'container!="",container!="POD",pod="web-1",namespace="shop"'
    throttled, periods, waiting = (
        f"delta((container_{name}_total{{{pods}}} + 1e9)[301s:15s])"
        for name in ("cpu_cfs_throttled_periods", "cpu_cfs_periods", "pressure_cpu_waiting_seconds")
    )
    seconds = f"delta(timestamp(container_pressure_cpu_waiting_seconds_total{{{pods}}})[301s:15s])"

    assert slopes_query(Resource.CPU, ("web-1",), SHOP) == (
        f"{largest(f'{throttled} / {periods}')} > 0.05"
        f' or label_replace({largest(f"{waiting} / {seconds}")} > 0.05,"pressure","CPUWaiting","","")'
    )


def test_the_query_on_pressure_on_memory() -> None:
    """A restarted container, a terminated one that was not terminated before, an event, or stalled time.

    A container of which nothing is known before counts only if its kube-state-metrics was scraped before.
    """
    own = 'exported_namespace="",namespace="shop"'
    restarts, killed = f"kube_pod_container_status_restarts_total{{{own}}}", f'reason="OOMKilled",{own}'
    terminated = f"kube_pod_container_status_terminated_reason{{{killed}}}"
    last = largest(f"kube_pod_container_status_last_terminated_reason{{{killed}}}")

    def watched(condition: str, offset: str) -> str:
        targets = f"group by (job,instance)({restarts} offset {offset})"
        return largest(
            f"{largest(condition, 'uid', 'job', 'instance')} and on (job,instance) {targets}", "uid"
        )

    now = largest(f"{restarts} > 0", "uid")
    before = largest(f"last_over_time({restarts}[1h] offset 10m)", "uid")
    restarted = f"{now} > {before} or ({watched(f'{restarts} > 0', '10m')} unless {before})"
    known = largest(f"last_over_time({restarts}[1h] offset 5m)", "uid")
    terminated_before = largest(f"max_over_time({terminated}[1h] offset 5m) == 1", "uid")
    ended = f"({largest(f'{terminated} == 1', 'uid')} and {known}) or {watched(f'{terminated} == 1', '5m')}"
    events = of_containers("container_oom_events_total")
    rise = f"{largest(f'{events} > 0', 'id')} > {largest(f'{events} offset 10m', 'id')}"
    counter = of_containers("container_pressure_memory_stalled_seconds_total")
    stalled = f"rate({counter}[5m])"
    young = f"{stalled} > 0.005 and {young_series(counter)}"

    query = pressure_query(Resource.MEMORY, SHOP)

    kills = f"({largest(restarted)} and {last} == 1 or {largest(f'({ended}) unless {terminated_before}')})"
    others = (
        f" or {largest(rise)}"
        f' or label_replace({largest(stalled)} > 0.05,"pressure","MemoryStalled","","")'
        f' or label_replace({largest(young)},"pressure","young","","")'
    )
    assert query == kills + others

    reasons = restarts.replace("restarts_total", "last_terminated_reason")
    targets = f"group by (job,instance)(last_over_time({reasons}[5m]))"
    described = f"last_over_time({restarts}[5m]) and on (job,instance) {targets}"
    renamed = pressure_query(Resource.MEMORY, replace(SHOP, state_reporter="monitoring"))

    assert renamed.startswith(f"{kills} or (max by (namespace,pod,container)(label_replace(")
    assert 'exported_namespace!="",namespace="monitoring",exported_namespace="shop"' in renamed
    assert renamed.endswith(f" unless on (namespace) group by (namespace)({described})){others}")


def result(*points: tuple[Key, int, float]) -> QueryResult:
    """One series for each point, at a step after 100."""
    columns = np.array([column for _, column, _ in points], dtype=np.int32)
    samples = np.array([sample for *_, sample in points])
    keys = tuple(key for key, *_ in points)
    return QueryResult(keys, STEPS, np.arange(len(points), dtype=np.int32), columns, samples)


def shown(kinds: list[PressureSamples]) -> dict[tuple[Pressure, str, int], float]:
    """The share by kind, container and step."""
    return {
        (samples.reason, samples.containers[row].container, step): round(share, 6)
        for samples in kinds
        for row, step, share in zip(
            samples.rows.tolist(), samples.at_steps.tolist(), samples.shares.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("resource", Resource)
def test_results_are_made_sparse(resource: Resource) -> None:
    """A sample that is no usable number is dropped; the share of an OOM kill is 1 whatever is counted."""
    first, stall = PRESSURES_OF[resource]
    is_memory = resource is Resource.MEMORY
    points = [
        ((*WEB, ""), 0, 0.3),
        ((*WEB, ""), 2, np.nan),
        ((*DB, ""), 3, 2.0),
        ((*DB, stall.value), 1, 0.2),
    ]

    kinds = pressure_samples(resource, STEPS, result(*points))

    assert [samples.reason for samples in kinds] == [first, stall]
    assert PodContainer(*WEB) in kinds[0].containers
    assert shown(kinds) == {
        (first, "web", 100): 1.0 if is_memory else 0.3,
        (first, "db", 103): 1.0 if is_memory else 2.0,
        (stall, "db", 101): 0.2,
    }


def test_the_query_on_the_limits_of_killed_containers() -> None:
    """The least of two steps in kube-state-metrics, or else in cAdvisor, where 0 stands for none."""
    state = 'resource="memory",pod="web-1",exported_namespace="",namespace="shop"'
    cadvisor = 'container!="",container!="POD",pod="web-1",namespace="shop"'
    states, measured = (
        f"min_over_time({metric}{{{matchers}}}[10m])"
        for metric, matchers in (
            ("kube_pod_container_resource_limits", state),
            ("container_spec_memory_limit_bytes", cadvisor),
        )
    )
    least = "min by (namespace,pod,container)"

    assert limits_query(("web-1",), SHOP) == f"{least}({states}) or {least}({measured} > 0)"


def test_kills_have_the_limit_of_their_container_at_their_step() -> None:
    """One at another step is none; nor is one that stands for no limit. A stall is no kill."""
    points = [
        ((*WEB, ""), 0, 1.0),
        ((*WEB, ""), 2, 1.0),
        ((*DB, ""), 1, 1.0),
        ((*DB, "MemoryStalled"), 3, 0.2),
    ]
    answer = result(*points)
    limits = [result((WEB, 0, 1024.0), (WEB, 1, 2048.0), (DB, 1, 2.0**63))]

    kills, stalls = pressure_samples(Resource.MEMORY, STEPS, answer, limits)

    assert {key[:3] for key in killed(answer).keys} == {WEB, DB}
    assert kills.limits_bytes is not None
    assert [None if np.isnan(limit) else limit for limit in kills.limits_bytes] == [1024.0, None, None]
    assert stalls.limits_bytes is None


def test_waiting_that_is_throttling_does_not_count_twice() -> None:
    """Throttled in 30 % of the periods, waiting in 50 % of the time: 20 % are due to others.

    32 % leave 2 %, which is below the least share. At another step nothing is subtracted.
    """
    points = [
        ((*WEB, ""), 0, 0.3),
        ((*WEB, "CPUWaiting"), 0, 0.5),
        ((*DB, ""), 0, 0.3),
        ((*DB, "CPUWaiting"), 0, 0.32),
        ((*WEB, "CPUWaiting"), 1, 0.5),
    ]

    assert shown(pressure_samples(Resource.CPU, STEPS, result(*points))) == {
        (Pressure.CPU_THROTTLING, "web", 100): 0.3,
        (Pressure.CPU_THROTTLING, "db", 100): 0.3,
        (Pressure.CPU_WAITING, "web", 100): 0.2,
        (Pressure.CPU_WAITING, "web", 101): 0.5,
    }
