"""A history of two weeks of a shop: busy by day, quiet on Sundays, with requests that are mostly too large.

The same file each time. Its last sample is of FIRST_MIDNIGHT plus DAYS days.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.sources.history_file import RecordedContainer, RecordedEdge, write_history_file

FIRST_MIDNIGHT = 1_771_804_800  # Monday, 23 February 2026
DAYS, STEPS_PER_DAY = 15, 288
MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Service:
    """A workload with one container: its usage at noon, the share of it at night, and its requests."""

    name: str
    cores: float
    mebibytes: float
    requested_cores: float
    requested_mebibytes: float
    replicas: int = 1
    namespace: str = "shop"
    kind: str = "Deployment"
    at_night: float = 0.3

    @property
    def place(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


SERVICES = (
    Service("frontend", 0.310, 190, 1.0, 512, replicas=3),
    Service("cart", 0.085, 70, 0.2, 128, replicas=2),
    Service("checkout", 0.260, 150, 0.2, 128, replicas=2),
    Service("product-catalog", 0.140, 60, 0.5, 256, replicas=2),
    Service("recommendation", 0.190, 420, 1.0, 1024, replicas=2),
    Service("currency", 0.240, 64, 0.25, 96),
    Service("payment", 0.030, 52, 0.1, 128),
    Service("shipping", 0.045, 40, 0.1, 64),
    Service("email", 0.012, 88, 0.1, 256),
    Service("ads", 0.110, 240, 0.2, 300),
    Service("orders", 0.420, 2900, 1.5, 4096, namespace="data", kind="StatefulSet", at_night=0.5),
    Service("sessions", 0.150, 610, 0.2, 512, namespace="data", kind="StatefulSet"),
    Service("metrics-exporter", 0.008, 22, 0.1, 64, namespace="platform", kind="DaemonSet", at_night=0.9),
    Service("load-generator", 0.330, 130, 0.3, 256, namespace="platform", at_night=0.6),
)
# Client, server, requests per second at noon.
CALLS = (
    ("platform/load-generator", "shop/frontend", 21.0),
    ("shop/frontend", "shop/product-catalog", 17.0),
    ("shop/frontend", "shop/currency", 14.0),
    ("shop/frontend", "shop/cart", 8.0),
    ("shop/frontend", "shop/recommendation", 5.0),
    ("shop/frontend", "shop/ads", 4.5),
    ("shop/frontend", "shop/checkout", 1.2),
    ("shop/frontend", "shop/shipping", 0.9),
    ("shop/recommendation", "shop/product-catalog", 5.0),
    ("shop/checkout", "shop/cart", 2.4),
    ("shop/checkout", "shop/currency", 3.1),
    ("shop/checkout", "shop/payment", 1.1),
    ("shop/checkout", "shop/shipping", 1.2),
    ("shop/checkout", "shop/email", 1.1),
)


def write_boutique(path: Path) -> Path:
    """Writes the history file, and returns its path."""
    random = np.random.default_rng(7)
    times = FIRST_MIDNIGHT + 300 * np.arange(1, DAYS * STEPS_PER_DAY + 1)
    containers = [
        RecordedContainer(
            f"{service.namespace}/{_pod(service, number)}/{service.name}",
            times,
            service.cores * _load(times, service.at_night, random),
            service.mebibytes * MEBIBYTE * (0.9 + 0.1 * _load(times, 0.6, random)),
            f"{service.kind}/{service.place}",
            service.requested_cores,
            service.requested_mebibytes * MEBIBYTE,
        )
        for service in SERVICES
        for number in range(service.replicas)
    ]
    edges = []
    for client, server, rate in CALLS:
        requests = rate * _load(times, 0.4, random)
        edges.append(RecordedEdge(f"{client}>{server}", times, requests, requests))
    write_history_file(path, containers, edges)
    return path


def _pod(service: Service, number: int) -> str:
    if service.kind == "StatefulSet":
        return f"{service.name}-{number}"
    suffix = f"{service.name[:2]}{number}zq"
    return (
        f"{service.name}-{suffix}" if service.kind == "DaemonSet" else f"{service.name}-6c9b7d8f5b-{suffix}"
    )


def _load(times: NDArray[np.int64], at_night: float, random: np.random.Generator) -> NDArray[np.float64]:
    """The share of the usage at noon: a wave over each day, less on Sundays, with noise and rare bursts."""
    day = (times - FIRST_MIDNIGHT) / 86_400
    wave = at_night + (1 - at_night) * (0.5 - 0.5 * np.cos(2 * np.pi * day))
    sunday = np.where(np.floor(day) % 7 == 6, 0.6, 1.0)
    noise = random.normal(1, 0.06, len(times)).clip(0.7, 1.3)
    bursts = np.where(random.random(len(times)) < 0.004, 1.6, 1.0)
    load: NDArray[np.float64] = wave * sunday * noise * bursts
    return load
