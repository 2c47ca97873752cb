"""Queries on CPU throttling and OOM kills, and their results as sparse samples; pure.

The queries return a sample only at steps with pressure.
"""

import numpy as np

from app.domain.profiles import Pressure
from app.history.samples import PodContainer, PressureSamples, StepRange
from app.sources.queries import (
    CONTAINER_LABELS,
    WINDOW,
    Scope,
    aggregate,
    cadvisor_selector,
    container_selector,
)
from app.sources.query_result import QueryResult

PERIODS, THROTTLED_PERIODS = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"
RESTARTS = "kube_pod_container_status_restarts_total"
LAST_REASON = "kube_pod_container_status_last_terminated_reason"
REASON = "kube_pod_container_status_terminated_reason"
OOM_EVENTS = "container_oom_events_total"

# Throttling in a smaller share of the periods hardly slows a container down.
_LEAST_THROTTLED_SHARE = 0.05
# Twice the step: no window of one step holds an increase between the last scrape of a step and the first of
# the next. A kill can so have samples at two steps, which does not raise a need twice.
_KILL_WINDOW = "10m"
# After a gap of up to this length in the scrapes, an old kill is not a new one.
_LONGEST_SCRAPE_GAP = "1h"
_OOM_KILLED = 'reason="OOMKilled"'


def pressure_query(reason: Pressure, scope: Scope) -> str:
    """The query on one kind of pressure."""
    return throttled_share(scope) if reason is Pressure.CPU_THROTTLING else oom_kills(scope)


def throttled_share(scope: Scope) -> str:
    """The share of a step's CPU periods in which a container was throttled.

    Only containers with a CPU limit have periods. The kubelet may be scraped twice, hence the maximum over
    the duplicates of a container.
    """
    throttled, periods = (
        f"rate({cadvisor_selector(metric, scope)}[{WINDOW}])" for metric in (THROTTLED_PERIODS, PERIODS)
    )
    return f"{_per_container(f'{throttled} / {periods}')} > {_LEAST_THROTTLED_SHARE}"


def oom_kills(scope: Scope) -> str:
    """A sample for each container with an OOM kill, from any of three metrics.

    kube-state-metrics exposes the kills of restarted and of terminated containers; the kubelet those of all
    containers, if it can read the kernel's log. Duplicates from two scrapes are aggregated before a join.
    """
    restarted = f"{_per_container(f'increase({container_selector(RESTARTS, scope)}[{_KILL_WINDOW}])')} > 0"
    last_killed = f"{_per_container(container_selector(LAST_REASON, scope, _OOM_KILLED))} == 1"
    terminated = container_selector(REASON, scope, _OOM_KILLED)
    terminated_before = f"max_over_time({terminated}[{_LONGEST_SCRAPE_GAP}] offset {WINDOW})"
    events = f"{_per_container(f'increase({cadvisor_selector(OOM_EVENTS, scope)}[{_KILL_WINDOW}])')} > 0"
    return (
        f"({restarted} and {last_killed})"
        f" or ({_per_container(terminated)} == 1 unless {_per_container(terminated_before)} == 1)"
        f" or ({events})"
    )


def sparse_samples(reason: Pressure, steps: StepRange, result: QueryResult) -> PressureSamples:
    """The samples that are usable numbers. An OOM kill has the share 1, whatever its metric counts."""
    usable = ~np.isnan(result.samples)
    rows, columns, samples = result.rows[usable], result.columns[usable], result.samples[usable]
    shares = samples if reason is Pressure.CPU_THROTTLING else np.ones(len(rows))
    containers = tuple(PodContainer(*key) for key in result.keys)
    at_steps = columns.astype(np.int64) + steps.first
    return PressureSamples(reason, steps, containers, rows.astype(np.int64), at_steps, shares)


def _per_container(expression: str) -> str:
    return aggregate("max", CONTAINER_LABELS, expression)
