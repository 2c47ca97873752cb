"""Queries on CPU throttling and OOM kills, and their answers made sparse; pure.

Answers are sparse: a series has a sample only where the sign was seen.
"""

import numpy as np

from app.domain.profiles import Pressure
from app.history.samples import PodContainer, PressureSamples, StepRange
from app.sources.queries import CONTAINER_LABELS, WINDOW, Scope, aggregate, of_containers
from app.sources.query_result import QueryResult

PERIODS, THROTTLED_PERIODS = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"
RESTARTS = "kube_pod_container_status_restarts_total"
LAST_REASON = "kube_pod_container_status_last_terminated_reason"
REASON = "kube_pod_container_status_terminated_reason"
OOM_EVENTS = "container_oom_events_total"

# A container that is throttled less than this hardly notices.
_LEAST_THROTTLED = 0.05
# Twice the step: an increase between the last scrape of one step and the first of the next is in no window of
# one step. A kill may so be seen in two steps, which raises nothing twice.
_KILL_WINDOW = "10m"
# A gap in the scrapes up to this long does not make an old kill a new one.
_KNOWN_FOR = "1h"
_OOM_KILLED = 'reason="OOMKilled"'


def pressure_query(reason: Pressure, scope: Scope) -> str:
    """The query on one sign of need."""
    return throttled_share(scope) if reason is Pressure.CPU_THROTTLING else oom_kills(scope)


def throttled_share(scope: Scope) -> str:
    """The share of the CPU periods of a step in which a container was throttled; only limits make periods.

    The kubelet may be scraped twice, hence the maximum over the duplicates of one container.
    """
    throttled, periods = (
        f"rate({of_containers(metric, scope)}[{WINDOW}])" for metric in (THROTTLED_PERIODS, PERIODS)
    )
    return f"{aggregate('max', CONTAINER_LABELS, f'{throttled} / {periods}')} > {_LEAST_THROTTLED}"


def oom_kills(scope: Scope) -> str:
    """A sample where the kernel killed a container for want of memory, by any of three tellers.

    kube-state-metrics tells it of a container that was restarted and of one that ended; the kubelet of any,
    where it reads the kernel's log. What is scraped twice is joined only after it was made one.
    """
    restarted = f"{_each(f'increase({of_containers(RESTARTS, scope)}[{_KILL_WINDOW}])')} > 0"
    killed_last = f"{_each(of_containers(LAST_REASON, scope, _OOM_KILLED))} == 1"
    ended = of_containers(REASON, scope, _OOM_KILLED)
    ended_before = f"max_over_time({ended}[{_KNOWN_FOR}] offset {WINDOW})"
    events = f"{_each(f'increase({of_containers(OOM_EVENTS, scope)}[{_KILL_WINDOW}])')} > 0"
    return (
        f"({restarted} and {killed_last})"
        f" or ({_each(ended)} == 1 unless {_each(ended_before)} == 1)"
        f" or ({events})"
    )


def sparse_samples(reason: Pressure, steps: StepRange, told: QueryResult) -> PressureSamples:
    """Where the sign was seen; an OOM kill is one, however the metric that tells it counts."""
    seen = ~np.isnan(told.samples)
    rows, columns, samples = told.rows[seen], told.columns[seen], told.samples[seen]
    shares = samples if reason is Pressure.CPU_THROTTLING else np.ones(len(rows))
    containers = tuple(PodContainer(*key) for key in told.keys)
    at_steps = columns.astype(np.int64) + steps.first
    return PressureSamples(reason, steps, containers, rows.astype(np.int64), at_steps, shares)


def _each(expression: str) -> str:
    return aggregate("max", CONTAINER_LABELS, expression)
