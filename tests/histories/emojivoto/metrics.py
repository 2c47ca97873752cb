"""The history as Prometheus scrapes it: cAdvisor's metrics, the Linkerd proxies' counters, and `up`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.histories.emojivoto.description import (
    DEPLOYMENTS,
    EDGES,
    INIT,
    INIT_SECONDS,
    INIT_USAGE,
    MEMORY_SWING,
    NAMESPACE,
    PAUSE_USAGE,
    Deployment,
    Edge,
    Flavour,
    Pod,
    Times,
    Usage,
    Values,
    is_active,
    pods_of,
    shape,
    times_until,
)
from tests.histories.openmetrics import Family, Series, write_openmetrics

IDLE_EXPIRY_SECONDS = 600  # a proxy drops the series of an edge after this idle time
SCRAPED_TWICE = "node-1"


def write_past(path: Path, *, end: int, days: float, scrape_seconds: int, flavour: Flavour) -> None:
    """Writes the OpenMetrics file of a history that ends at the last scrape up to *end*."""
    times = times_until(end, days=days, step_seconds=scrape_seconds)
    pods = [pod for deployment in DEPLOYMENTS.values() for pod in pods_of(deployment, end)]
    pods = [pod for pod in pods if len(pod.running(times))]
    families = (
        Family("container_cpu_usage_seconds_total", "counter", tuple(_cpu(pods, times, flavour))),
        Family("container_memory_working_set_bytes", "gauge", tuple(_memory(pods, times, flavour))),
        Family("request_total", "counter", tuple(_requests(pods, times, flavour))),
        Family("response_total", "counter", tuple(_responses(pods, times, flavour))),
        Family("up", "gauge", tuple(_scrapes(pods, times))),
    )
    write_openmetrics(path, families)


def _cpu(pods: list[Pod], times: Times, flavour: Flavour) -> Iterator[Series]:
    for pod, container, usage, sampled in _cgroups(pods, times):
        rates = usage.cpu_cores * shape(flavour, f"cpu/{pod.name}/{container}", sampled)
        for labels in _kubelets(pod, container):
            yield Series({**labels, "cpu": "total"}, sampled, _cumulate(rates, sampled, pod))


def _memory(pods: list[Pod], times: Times, flavour: Flavour) -> Iterator[Series]:
    for pod, container, usage, sampled in _cgroups(pods, times):
        factors = shape(flavour, f"memory/{pod.name}/{container}", sampled, swing=MEMORY_SWING)
        for labels in _kubelets(pod, container):
            yield Series(labels, sampled, np.rint(usage.memory_bytes * factors))


def _cgroups(pods: list[Pod], times: Times) -> Iterator[tuple[Pod, str, Usage, Times]]:
    """Every container, the pause container, and the whole Pod with an empty container name."""
    for pod in pods:
        sampled = pod.running(times)
        usages = {**pod.deployment.containers, "POD": PAUSE_USAGE}
        whole = Usage(
            sum(usage.cpu_cores for usage in usages.values()),
            sum(usage.memory_bytes for usage in usages.values()),
        )
        for container, usage in {**usages, "": whole}.items():
            yield pod, container, usage, sampled
        starting = sampled[sampled <= pod.begins + INIT_SECONDS] if pod.begins is not None else sampled[:0]
        if len(starting):
            yield pod, INIT, INIT_USAGE, starting


def _kubelets(pod: Pod, container: str) -> Iterator[dict[str, str]]:
    """The labels of each scrape that reports the container; the kubelet of one node is scraped twice."""
    node = pod.deployment.node
    for job in ("kubelet", "kubelet-of-old") if node == SCRAPED_TWICE else ("kubelet",):
        yield {"namespace": NAMESPACE, "pod": pod.name, "container": container, "job": job, "node": node}


def _cumulate(rates: Values, times: Times, pod: Pod) -> Values:
    """A counter that grows by *rates* per second: from 0 in a new Pod, from a day's growth in an old one."""
    before = rates[0] * 86400 if pod.begins is None else 0.0
    return np.round(before + np.cumsum(rates * np.diff(times, prepend=times[0])), 9)


def _requests(pods: list[Pod], times: Times, flavour: Flavour) -> Iterator[Series]:
    for edge in EDGES:
        yield from _calls(edge, edge.requests_per_second, {}, (pods, times, flavour))


def _responses(pods: list[Pod], times: Times, flavour: Flavour) -> Iterator[Series]:
    for edge in EDGES:
        for classification, per_second in edge.responses_per_second.items():
            labels = {"classification": classification, "status_code": "200"}
            yield from _calls(edge, per_second, labels, (pods, times, flavour))


def _calls(
    edge: Edge, per_second: float, labels: dict[str, str], past: tuple[list[Pod], Times, Flavour]
) -> Iterator[Series]:
    """One counter for each pair of Pods, which share the calls equally."""
    pods, times, flavour = past
    pairs = len(DEPLOYMENTS[edge.source].pods) * len(DEPLOYMENTS[edge.destination].pods)
    for source in _replicas(pods, edge.source):
        for destination in _replicas(pods, edge.destination):
            sampled = destination.running(source.running(times)) if len(source.running(times)) else times[:0]
            if not len(sampled):
                continue
            younger = source if source.begins is not None else destination
            rates = per_second / pairs * shape(flavour, f"{edge.source}>{edge.destination}", sampled)
            counter = _cumulate(rates * is_active(edge, sampled), sampled, younger)
            exported, values = _without_idle_time(edge, sampled, counter)
            yield Series({**_proxy(source), **_peer(edge, destination), **labels}, exported, values)


def _replicas(pods: list[Pod], deployment: str) -> list[Pod]:
    return [pod for pod in pods if pod.deployment.name == deployment]


def _without_idle_time(edge: Edge, times: Times, counter: Values) -> tuple[Times, Values]:
    """The proxy's counter: the series of an idle edge ends, and restarts at 0 the next day."""
    if edge.until_hour == 24:
        return times, counter
    _, firsts, days = np.unique(times // 86400, return_index=True, return_inverse=True)
    exported = times % 86400 <= edge.until_hour * 3600 + IDLE_EXPIRY_SECONDS
    return times[exported], (counter - counter[firsts][days])[exported]


def _proxy(pod: Pod) -> dict[str, str]:
    """The labels that relabelling adds to all series of a Pod's proxy."""
    return {
        "job": "linkerd-proxy",
        "namespace": NAMESPACE,
        "pod": pod.name,
        "deployment": pod.deployment.name,
        "control_plane_ns": "linkerd",
    }


def _peer(edge: Edge, destination: Pod) -> dict[str, str]:
    deployment: Deployment = destination.deployment
    return {
        "direction": "outbound",
        "authority": f"{deployment.name}-svc.{NAMESPACE}:{edge.port}",
        "tls": "true",
        "dst_namespace": NAMESPACE,
        "dst_deployment": deployment.name,
        "dst_pod": destination.name,
    }


def _scrapes(pods: list[Pod], times: Times) -> Iterator[Series]:
    for pod in pods:
        sampled = pod.running(times)
        yield Series(_proxy(pod), sampled, np.ones(len(sampled)))
