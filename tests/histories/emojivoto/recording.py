"""The history as a recorded history without web-api, for the demo."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.sources.history_file import RecordedContainer, RecordedEdge, write_history_file
from tests.histories.emojivoto.description import (
    DEPLOYMENTS,
    EDGES,
    INIT,
    INIT_USAGE,
    MEMORY_SWING,
    NAMESPACE,
    STEP_SECONDS,
    Edge,
    Flavour,
    Pod,
    Times,
    Usage,
    pods_of,
    shape,
    times_until,
)

DEMO_END = 1_772_323_200  # 2026-03-01 00:00 UTC
DEMO_DAYS = 3
EXCLUDED_DEPLOYMENT = "web-api"
PAGE_BYTES = 4096


def write_recording(
    path: Path, *, end: int = DEMO_END, days: float = DEMO_DAYS, flavour: Flavour = "rhythm"
) -> None:
    """Writes one sample for each 5-minute step in the *days* up to *end*."""
    times = times_until(end, days=days, step_seconds=STEP_SECONDS)
    deployments = [
        deployment for deployment in DEPLOYMENTS.values() if deployment.name != EXCLUDED_DEPLOYMENT
    ]
    pods = [pod for deployment in deployments for pod in pods_of(deployment, end)]
    containers = [container for pod in pods for container in _containers(pod, times, flavour)]
    edges = [_edge(edge, times, flavour) for edge in EDGES if edge.source != EXCLUDED_DEPLOYMENT]
    write_history_file(path, containers, edges)


def _containers(pod: Pod, times: Times, flavour: Flavour) -> Iterator[RecordedContainer]:
    """The containers of a Pod; a step belongs to the Pod that runs at its end."""
    sampled = pod.running(times - 1) + 1
    if not len(sampled):
        return
    if pod.begins is not None:
        yield _container(pod, INIT, INIT_USAGE, (sampled[:1], flavour))
    for container, usage in pod.deployment.containers.items():
        yield _container(pod, container, usage, (sampled, flavour))


def _container(pod: Pod, name: str, usage: Usage, past: tuple[Times, Flavour]) -> RecordedContainer:
    """One container; values are rounded, since their last bits differ between machines."""
    times, flavour = past
    cpu = usage.cpu_cores * shape(flavour, f"cpu/{pod.name}/{name}", times)
    memory = usage.memory_bytes * shape(flavour, f"memory/{pod.name}/{name}", times, swing=MEMORY_SWING)
    if flavour == "rhythm":
        memory = np.rint(memory / PAGE_BYTES) * PAGE_BYTES
    return RecordedContainer(f"{NAMESPACE}/{pod.name}/{name}", times, np.round(cpu, 5), memory)


def _edge(edge: Edge, times: Times, flavour: Flavour) -> RecordedEdge:
    factors = shape(flavour, f"{edge.source}>{edge.destination}", times)
    return RecordedEdge(
        f"{NAMESPACE}/{edge.source}>{NAMESPACE}/{edge.destination}",
        times,
        np.round(edge.requests_per_second * factors, 3),
        np.round(sum(edge.responses_per_second.values()) * factors, 3),
    )
