"""Queries on CPU throttling, OOM kills and pressure stalls (PSI), and their results as sparse samples; pure.

Another query asks for the memory limits of the containers that were killed.

The queries return a sample only at steps with pressure. All kinds on one resource are asked in one query; a
label of the profiler's own names the kind, but for the first one. Stalls of young containers are marked.

A counter of the same object may have other labels after its scraper or its exporter has moved. Increases are
therefore differences of aggregated values: `increase` misses that of the first scrape, and in VictoriaMetrics
it is the whole first value of a new series.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import PRESSURES_OF, Pressure, Resource
from app.history.samples import PodContainer, PressureSamples, StepRange
from app.sources.exported_labels import ObjectSeries, by_object
from app.sources.queries import (
    CONTAINER_LABELS,
    CONTAINER_LIMITS,
    TWO_WINDOWS,
    WINDOW,
    YOUNG,
    Scope,
    aggregate,
    cadvisor_selector,
    equal_matchers,
    ratio,
    slope,
    young,
)
from app.sources.query_result import QueryResult

PERIODS, THROTTLED_PERIODS = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"
CPU_WAITING = "container_pressure_cpu_waiting_seconds_total"
MEMORY_STALLED = "container_pressure_memory_stalled_seconds_total"
RESTARTS = "kube_pod_container_status_restarts_total"
LAST_REASON = "kube_pod_container_status_last_terminated_reason"
REASON = "kube_pod_container_status_terminated_reason"
OOM_EVENTS = "container_oom_events_total"
SPEC_LIMIT = "container_spec_memory_limit_bytes"  # of cAdvisor; 0 without a limit
# Of the time in which tasks of a container could not run; Kubernetes 1.34 and newer have it.
_STALLS = {Resource.CPU: CPU_WAITING, Resource.MEMORY: MEMORY_STALLED}

_KIND = "pressure"  # the profiler's own label
LABELS, OPTIONAL_LABELS = (*CONTAINER_LABELS, _KIND), frozenset({_KIND})

# A smaller share of the periods or of the time hardly slows a container down.
_LEAST_SHARE = 0.05
# A life of half a minute that is slowed down in the least share has a tenth of it by the whole step.
_LEAST_MARKED_SHARE = _LEAST_SHARE / 10
# After a gap of up to this length in the scrapes of a container, a kill is found, and an old one is not new.
_LONGEST_SCRAPE_GAP = "1h"
_LARGEST_LIMIT = 2.0**53  # bytes; above it, cAdvisor's value stands for none
_OOM_KILLED = 'reason="OOMKilled"'
# A Pod that is created again has another `uid`. A target is one kube-state-metrics at one address.
_RUN_LABELS, _TARGET = (*CONTAINER_LABELS, "uid"), ("job", "instance")


def pressure_query(resource: Resource, scope: Scope) -> str:
    """The query on all kinds of pressure on *resource*, with marks of young series of stalls."""
    first = throttled_share(scope) if resource is Resource.CPU else oom_kills(scope)
    series = cadvisor_selector(_STALLS[resource], scope)
    stalled = f"{_per_container(f'rate({series}[{WINDOW}])')} > {_LEAST_SHARE}"
    marks = _per_container(f"rate({series}[{WINDOW}]) > {_LEAST_MARKED_SHARE} and {young(series)}")
    return f"{first} or {_of_kind(_stall(resource), stalled)} or {_of_kind(YOUNG, marks)}"


def slopes_query(resource: Resource, pods: Iterable[str], scope: Scope) -> str:
    """The query on the shares of the time in which the containers of *pods* were seen, not of the step.

    Throttling is asked for too: it is subtracted from the stalls, so both have to be shares of the same time.
    """
    of_pods = equal_matchers("pod", pods)
    series = cadvisor_selector(_STALLS[resource], scope, *of_pods)
    stalled = _of_kind(_stall(resource), f"{_per_container(slope(series))} > {_LEAST_SHARE}")
    if resource is Resource.MEMORY:
        return stalled
    periods = (cadvisor_selector(metric, scope, *of_pods) for metric in (THROTTLED_PERIODS, PERIODS))
    return f"{_per_container(ratio(*periods))} > {_LEAST_SHARE} or {stalled}"


def _stall(resource: Resource) -> str:
    return PRESSURES_OF[resource][1].value


def _of_kind(kind: str, expression: str) -> str:
    return f'label_replace({expression},"{_KIND}","{kind}","","")'


def throttled_share(scope: Scope) -> str:
    """The share of a step's CPU periods in which a container was throttled.

    Only containers with a CPU limit have periods. The kubelet may be scraped twice, hence the maximum over
    the duplicates of a container.
    """
    throttled, periods = (
        f"rate({cadvisor_selector(metric, scope)}[{WINDOW}])" for metric in (THROTTLED_PERIODS, PERIODS)
    )
    return f"{_per_container(f'{throttled} / {periods}')} > {_LEAST_SHARE}"


def oom_kills(scope: Scope) -> str:
    """A sample for each container with an OOM kill, from any of three metrics.

    kube-state-metrics exposes the kills of restarted and of terminated containers; the kubelet those of all
    containers, if it can read the kernel's log. Duplicates from two scrapes are aggregated before a join.
    """
    events = _per_container(_oom_events(scope))
    in_state = by_object(
        CONTAINER_LABELS, _kills_in_state, RESTARTS, scope, window=WINDOW, beside=LAST_REASON
    )
    return f"{in_state} or {events}"


def _kills_in_state(series: ObjectSeries) -> str:
    """The containers that restarted after an OOM kill, and those that were terminated by one."""
    last_killed = series.max_by(CONTAINER_LABELS, series.selector(LAST_REASON, _OOM_KILLED))
    restarted, terminated = (
        series.max_by(CONTAINER_LABELS, kills) for kills in (_restarts(series), _terminations(series))
    )
    return f"({restarted} and {last_killed} == 1 or {terminated})"


def _restarts(series: ObjectSeries) -> str:
    """The containers with more restarts than two steps before, or with restarts if they are newer than that.

    In two steps, an increase between the last scrape of a step and the first of the next is not lost; a kill
    that so has two samples does not raise a need twice.
    """
    now = series.max_by(_RUN_LABELS, f"{series.selector(RESTARTS)} > 0")
    before = _restarts_before(series, TWO_WINDOWS)
    return f"{now} > {before} or ({_watched(series, RESTARTS, '> 0', TWO_WINDOWS)} unless {before})"


def _terminations(series: ObjectSeries) -> str:
    """The containers in the state of an OOM kill that were not in it before.

    A container that is not in it has no series of the reason; one of its restarts shows that it was known.
    """
    killed = series.selector(REASON, _OOM_KILLED)
    now = series.max_by(_RUN_LABELS, f"{killed} == 1")
    before = series.max_by(
        _RUN_LABELS, f"max_over_time({killed}[{_LONGEST_SCRAPE_GAP}] offset {WINDOW}) == 1"
    )
    watched = _watched(series, REASON, "== 1", WINDOW, _OOM_KILLED)
    return f"(({now} and {_restarts_before(series, WINDOW)}) or {watched}) unless {before}"


def _restarts_before(series: ObjectSeries, offset: str) -> str:
    """The last known restarts of each container; kube-state-metrics may have been away, or have moved."""
    last = f"last_over_time({series.selector(RESTARTS)}[{_LONGEST_SCRAPE_GAP}] offset {offset})"
    return series.max_by(_RUN_LABELS, last)


def _watched(series: ObjectSeries, metric: str, condition: str, offset: str, *matchers: str) -> str:
    """The containers whose *metric* fulfils the condition, of targets that were scraped at *offset*.

    There may be several kube-state-metrics, each with a part of the objects. Only of a target that was
    scraped before is a container that is new in it known to be new, and a kill to be no old one.
    """
    now = series.max_by((*_RUN_LABELS, *_TARGET), f"{series.selector(metric, *matchers)} {condition}")
    targets = aggregate("group", _TARGET, f"{series.selector(RESTARTS)} offset {offset}")
    return series.max_by(_RUN_LABELS, f"{now} and on ({','.join(_TARGET)}) {targets}")


def _oom_events(scope: Scope) -> str:
    """The containers with more events than two steps before; each run of a container has its own `id`."""
    labels = (*CONTAINER_LABELS, "id")
    events = cadvisor_selector(OOM_EVENTS, scope)
    now, before = (
        aggregate("max", labels, expression)
        for expression in (f"{events} > 0", f"{events} offset {TWO_WINDOWS}")
    )
    return f"{now} > {before}"


def limits_query(pods: Iterable[str], scope: Scope) -> str:
    """The query on the memory limits of the containers of *pods*, from either of two metrics.

    It is the smallest one of two steps, in which a kill is visible: it may have been raised after the kill,
    also by another Pod of this name.
    """
    pods = tuple(pods)

    def limits(series: ObjectSeries) -> str:
        selector = series.selector(CONTAINER_LIMITS, 'resource="memory"', *series.of_pods(pods))
        return series.min_by(CONTAINER_LABELS, f"min_over_time({selector}[{TWO_WINDOWS}])")

    of_objects = by_object(CONTAINER_LABELS, limits, CONTAINER_LIMITS, scope, window=TWO_WINDOWS)
    measured = (
        f"min_over_time({cadvisor_selector(SPEC_LIMIT, scope, *equal_matchers('pod', pods))}[{TWO_WINDOWS}])"
    )
    return f"{of_objects} or {aggregate('min', CONTAINER_LABELS, f'{measured} > 0')}"


def killed(result: QueryResult) -> QueryResult:
    """The OOM kills in the *result* of the query on memory."""
    return result.select(np.array([not kind for *_, kind in result.keys], dtype=np.bool_))


def pressure_samples(
    resource: Resource, steps: StepRange, result: QueryResult, limits: Sequence[QueryResult] = ()
) -> list[PressureSamples]:
    """The samples of each kind that are usable numbers.

    An OOM kill has the share 1, whatever its metric counts, and one of the *limits* if that of its container
    is among them. A throttled task waits too: only the time beyond the share of throttled periods counts as
    waiting.
    """
    first, stall = PRESSURES_OF[resource]
    is_stall = np.array([kind == stall.value for *_, kind in result.keys], dtype=np.bool_)
    main, stalled = _sparse(first, steps, result.select(~is_stall)), result.select(is_stall)
    if resource is Resource.MEMORY:
        main = replace(main, shares=np.ones(len(main.rows)), limits_bytes=_limits_of(main, limits))
    return [main, _sparse(stall, steps, _beyond(stalled, main))]


def _limits_of(kills: PressureSamples, limits: Sequence[QueryResult]) -> NDArray[np.float64]:
    """The limit of each of *kills* at its step, NaN if it is not known."""
    known = {
        (PodContainer(*each.keys[row][: len(CONTAINER_LABELS)]), each.steps.first + column): limit
        for each in limits
        for row, column, limit in zip(
            each.rows.tolist(), each.columns.tolist(), each.samples.tolist(), strict=True
        )
        if 0 < limit < _LARGEST_LIMIT
    }
    found = [
        known.get((kills.containers[row], step), np.nan)
        for row, step in zip(kills.rows.tolist(), kills.at_steps.tolist(), strict=True)
    ]
    return np.array(found, dtype=np.float64)


def _sparse(reason: Pressure, steps: StepRange, result: QueryResult) -> PressureSamples:
    usable = ~np.isnan(result.samples)
    rows, columns, samples = result.rows[usable], result.columns[usable], result.samples[usable]
    containers = tuple(PodContainer(*key[: len(CONTAINER_LABELS)]) for key in result.keys)
    at_steps = columns.astype(np.int64) + steps.first
    return PressureSamples(reason, steps, containers, rows.astype(np.int64), at_steps, samples)


def _beyond(stalled: QueryResult, throttled: PressureSamples) -> QueryResult:
    """The shares of *stalled* less those of the same container and step in *throttled*; NaN below the least.

    An OOM kill takes all of its step.
    """
    counted = {
        (throttled.containers[row], step): share
        for row, step, share in zip(
            throttled.rows.tolist(), throttled.at_steps.tolist(), throttled.shares.tolist(), strict=True
        )
    }
    containers = [PodContainer(*key[: len(CONTAINER_LABELS)]) for key in stalled.keys]
    already = [
        counted.get((containers[row], stalled.steps.first + column), 0.0)
        for row, column in zip(stalled.rows.tolist(), stalled.columns.tolist(), strict=True)
    ]
    beyond = stalled.samples - np.array(already)
    return replace(stalled, samples=np.where(beyond > _LEAST_SHARE, beyond, np.nan))


def _per_container(expression: str) -> str:
    return aggregate("max", CONTAINER_LABELS, expression)
