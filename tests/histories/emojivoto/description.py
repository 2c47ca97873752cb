"""The emojivoto history: web, voting, emoji and vote-bot, and web-api, a different workload than web.

There are two flavours. In `constant` every number below holds at all times, so the profiles can be worked
out; in `rhythm` it is the mean of a day with its peak at 16:00 and its minimum at 04:00 UTC.

    Deployment  replicas  container   CPU cores  memory bytes   linkerd-proxy: cores, bytes
    web                2  web-svc         0.016    17,000,000             0.004   3,000,000
    voting             1  voting-svc      0.007    14,000,000             0.002   3,000,000
    emoji              1  emoji-svc       0.006    14,000,000             0.002   3,000,000
    vote-bot           1  vote-bot        0.003     9,000,000             0.001   3,000,000
    web-api            1  web-api         0.400   300,000,000             0.020   9,000,000

Per replica, both containers together, `constant` gives these profiles if three whole days before today are
covered: that raises CPU by 1 / (1 + 3)^2 and memory by 3 / (1 + 3 / 0.6)^2, on top of a margin m. With three
covered days its width is .7 * .2 / (3 + 1) = .035, and m costs 1 - 1/m of slack and 2.1 * (.45 *
m^(-1 / .035) + .05 * m^(-1 / .5)) of risk: .240 for 1.1, .227 for 1.15, .245 for 1.2. So it is 15 %.

              cores * 1.0625, upwards            bytes * 1.15 * 1.083333
    web       0.016 + 0.004 -> 0.02125,  0.022    20,000,000 ->  24916667
    voting    0.007 + 0.002 -> 0.0095625 0.010    17,000,000 ->  21179167
    emoji     0.006 + 0.002 -> 0.0085    0.009    17,000,000 ->  21179167
    vote-bot  0.003 + 0.001 -> 0.00425   0.005    12,000,000 ->  14950000
    web-api   0.400 + 0.020 -> 0.44625   0.447   309,000,000 -> 384962500

    connection           requests/s  responses/s   per minute
    vote-bot -> web             2.0          2.0    60 * 4.0 = 240.00
    web -> emoji                2.0          2.0    60 * 4.0 = 240.00
    web -> voting               1.0          0.9    60 * 1.9 = 114.00 (of the responses 0.1 are failures)
    web-api -> emoji            4.0          4.0    from 00:00 to 06:00 UTC, silent in the other 18 hours:
                                                    60 * 8.0 * 6 / 24 = 120.00

Not counted are the Pod's cgroup and its pause container, the second scrape of the kubelet of web's node, and
the terminated init container. Counted as zero is web-api's idle time: its series end ten minutes after its
last request, while `up` continues. Two days before the end web is rolled out: the Pods of its older
ReplicaSet terminate, and new ones start.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NAMESPACE = "emojivoto"
PROXY = "linkerd-proxy"
ROLLOUT_SECONDS_BEFORE_END = 2 * 86400
STEP_SECONDS = 300

Flavour = Literal["rhythm", "constant"]
Times = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Usage:
    """The usage of one container of one replica."""

    cpu_cores: float
    memory_bytes: float


@dataclass(frozen=True)
class Deployment:
    """A micro-service; `node` runs all its Pods, `containers` excludes the init container."""

    name: str
    node: str
    pods: tuple[str, ...]
    containers: Mapping[str, Usage]
    older_pods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """Calls from all Pods of the source to all Pods of the destination, from 00:00 UTC to `until_hour`."""

    source: str
    destination: str
    port: int
    requests_per_second: float
    responses_per_second: Mapping[str, float]  # by classification
    until_hour: int = 24


@dataclass(frozen=True)
class Pod:
    """One replica and the time in which it runs; None is before the start or after the end of the history."""

    name: str
    deployment: Deployment
    begins: int | None = None
    ends: int | None = None

    def running(self, times: Times) -> Times:
        """Those of *times* at which the Pod runs; at the time of a roll-out the new Pod runs."""
        begins, ends = (limit if limit is not None else times[0] for limit in (self.begins, self.ends))
        return times[(times >= begins) & ((times < ends) | (self.ends is None))]


INIT = "linkerd-init"  # runs before the other containers of a new Pod
INIT_USAGE = Usage(0.050, 2_000_000)
INIT_SECONDS = 120
PAUSE_USAGE = Usage(0.001, 1_000_000)
MEMORY_SWING = 0.04
DEPLOYMENTS = {
    deployment.name: deployment
    for deployment in (
        Deployment(
            "web",
            "node-1",
            ("web-6c9b7d8f5b-2x8qz", "web-6c9b7d8f5b-vhm4j"),
            {"web-svc": Usage(0.016, 17_000_000), PROXY: Usage(0.004, 3_000_000)},
            older_pods=("web-5f86686c4d-8wrkx", "web-5f86686c4d-kzt5n"),
        ),
        Deployment(
            "voting",
            "node-2",
            ("voting-5f5b555dff-fcg7c",),
            {"voting-svc": Usage(0.007, 14_000_000), PROXY: Usage(0.002, 3_000_000)},
        ),
        Deployment(
            "emoji",
            "node-2",
            ("emoji-696d9d8f95-9vt2k",),
            {"emoji-svc": Usage(0.006, 14_000_000), PROXY: Usage(0.002, 3_000_000)},
        ),
        Deployment(
            "vote-bot",
            "node-2",
            ("vote-bot-6d7677bb68-lp2w7",),
            {"vote-bot": Usage(0.003, 9_000_000), PROXY: Usage(0.001, 3_000_000)},
        ),
        Deployment(
            "web-api",
            "node-2",
            ("web-api-7b9c4f6d-x4mzq",),
            {"web-api": Usage(0.400, 300_000_000), PROXY: Usage(0.020, 9_000_000)},
        ),
    )
}
EDGES = (
    Edge("vote-bot", "web", 8080, 2.0, {"success": 2.0}),
    Edge("web", "emoji", 8080, 2.0, {"success": 2.0}),
    Edge("web", "voting", 8080, 1.0, {"success": 0.8, "failure": 0.1}),
    Edge("web-api", "emoji", 8080, 4.0, {"success": 4.0}, until_hour=6),
)


def times_until(end: int, *, days: float, step_seconds: int) -> Times:
    """The multiples of *step_seconds* in the *days* up to *end*, without the start itself."""
    last = end // step_seconds * step_seconds
    before = last - round(days * 86400) // step_seconds * step_seconds
    return np.arange(before + step_seconds, last + 1, step_seconds, dtype=np.int64)


def pods_of(deployment: Deployment, end: int) -> list[Pod]:
    """Every Pod of the Deployment in a history that ends at *end*."""
    if not deployment.older_pods:
        return [Pod(name, deployment) for name in deployment.pods]
    rollout = (end - ROLLOUT_SECONDS_BEFORE_END) // STEP_SECONDS * STEP_SECONDS
    return [
        *(Pod(name, deployment, ends=rollout) for name in deployment.older_pods),
        *(Pod(name, deployment, begins=rollout) for name in deployment.pods),
    ]


def shape(flavour: Flavour, name: str, times: Times, *, swing: float = 0.5) -> Values:
    """The factors by which a mean varies: all 1, or a daily wave of relative height *swing* with noise.

    The raw bits of a named generator are the same in every release of NumPy; the noise differs by *name*.
    """
    if flavour == "constant":
        return np.ones(len(times))
    wave = np.cos(2 * np.pi * (times % 86400 / 3600 - 16) / 24)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    noise = (np.random.PCG64(seed).random_raw(len(times)) >> np.uint64(11)) * 2.0**-53 - 0.5
    return 1 + swing * wave + 0.4 * swing * noise


def is_active(edge: Edge, times: Times) -> NDArray[np.bool_]:
    """True for each of *times* up to which calls were made."""
    return (times - 1) % 86400 < edge.until_hour * 3600
