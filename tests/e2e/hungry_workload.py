"""A workload that is OOM-killed until its limit is high enough, and what a profiler learns of it.

Kills come from the statuses that the kubelet writes, as kube-state-metrics would read them. Time passes in
steps of the profiler, since a real one takes five minutes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from app.domain.pod_names import PodNames
from app.domain.profiles import Pressure, Resource, ResourceProfile
from app.domain.quantities import parse_quantity
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, PressureSamples, StepRange
from app.history.usage_history import UsageHistory
from app.recommendation.active_containers import ContainerChecks
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from tests.cluster.pod_status import NEEDS_MEMORY
from tests.e2e.workloads import deployment

CONTAINER = "main"
_ATTRIBUTE = PodNames().workload
_DAYS = 2
_SEEN = 0.8  # the share of a limit that scrapes see before a kill


def hungry(name: str, namespace: str, *, needs: str, limit: str) -> dict[str, Any]:
    """A Deployment of one Pod with this limit, which lives with at least what it *needs*."""
    manifest = deployment(name, namespace)
    template = manifest["spec"]["template"]
    template["metadata"]["annotations"][NEEDS_MEMORY] = needs
    template["spec"]["containers"][0]["resources"] = {"limits": {"memory": limit}}
    return manifest


def oom_kill_limits(pod: dict[str, Any]) -> Iterator[float]:
    """The memory limit of each container that was killed."""
    limits = {one["name"]: one["resources"]["limits"]["memory"] for one in pod["spec"]["containers"]}
    for status in pod["status"].get("containerStatuses", []):
        if status.get("lastState", {}).get("terminated", {}).get("reason") == "OOMKilled":
            yield float(parse_quantity(limits[status["name"]]))


class Learned:
    """Two days of *used_bytes* of a workload with the given limit, and its kills after that."""

    def __init__(self, workload: Workload, used_bytes: float, given_bytes: float) -> None:
        self._workload, self._given = workload, given_bytes
        self._history = UsageHistory(timeslots=4, retained_days=29)
        self._newest = 20_000 * STEPS_PER_DAY
        self._uses(f"{workload.name}-6b6f9d7d5c-2x8qz", used_bytes, _DAYS * STEPS_PER_DAY)
        self._recommender = Recommender(self._history.state)

    def kill(self, pod: str, limit_bytes: float) -> None:
        """A kill of the container of *pod*, in the next step."""
        self._newest += 1
        self._uses(pod, _SEEN * limit_bytes, 1)
        step, first = StepRange(self._newest, self._newest), np.zeros(1, dtype=np.int64)
        containers = (PodContainer(self._workload.namespace, pod, CONTAINER),)
        self._history.fold_pressure(
            PressureSamples(
                Pressure.OOM_KILLED,
                step,
                containers,
                first,
                first + self._newest,
                np.ones(1),
                limits_bytes=np.array([limit_bytes]),
            ),
            _ATTRIBUTE,
        )

    def profile(self) -> ResourceProfile:
        """The memory profile now."""

        def never(_workload: Workload, _container: str) -> bool:
            return False

        checks = ContainerChecks(never, never, never, lambda _workload, _container: self._given)
        (profile,) = self._recommender.recommend(
            Resource.MEMORY, EstimationPolicy(), newest_step=self._newest, checks=checks
        ).profiles
        return profile

    def _uses(self, pod: str, used_bytes: float, steps: int) -> None:
        containers = (PodContainer(self._workload.namespace, pod, CONTAINER),)
        of = StepRange(self._newest - steps + 1, self._newest)
        samples = ContainerSamples(Resource.MEMORY, of, containers, np.full((1, steps), used_bytes))
        self._history.fold(samples, _ATTRIBUTE)
