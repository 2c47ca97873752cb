"""The Pods that run, as their watch tells, and for a while those that ran: their last samples come late."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from app.domain.pod_record import PodRecord
from app.domain.workloads import Workload

REMEMBERED_SECONDS = 2 * 3600
# Where more Pods than these leave in that time, the first to leave are forgotten earlier.
MOST_REMEMBERED = 150_000

PodName = tuple[str, str]


class _Departed(msgspec.Struct, frozen=True, gc=False):
    workload: Workload
    left_at: float


class PodRegistry:
    """Pods by namespace and name; *clock* tells monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[str, dict[str, PodRecord]] = {}
        self._departed: dict[PodName, _Departed] = {}  # in the order of leaving

    def __len__(self) -> int:
        return sum(map(len, self._running.values()))

    def __iter__(self) -> Iterator[PodRecord]:
        return (pod for pods in self._running.values() for pod in pods.values())

    def owners(self) -> dict[PodName, Workload]:
        """The workload of each Pod that runs or left lately."""
        self._forget()
        departed = {name: pod.workload for name, pod in self._departed.items()}
        return departed | {(pod.namespace, pod.name): pod.workload for pod in self}

    def put(self, pod: PodRecord) -> None:
        """A Pod appeared or changed."""
        self._running.setdefault(pod.namespace, {})[pod.name] = pod

    def remove(self, pod: PodRecord) -> None:
        """A Pod is gone, or has come to its end."""
        pods = self._running.get(pod.namespace, {})
        if pods.pop(pod.name, None) is not None and not pods:
            del self._running[pod.namespace]
        self._departed.pop((pod.namespace, pod.name), None)
        self._departed[pod.namespace, pod.name] = _Departed(pod.workload, self._clock())
        self._forget()

    def replace(self, pods: Iterable[PodRecord], namespace: str | None) -> None:
        """Take the whole list of one namespace, or of all."""
        namespaces = list(self._running) if namespace is None else [namespace]
        before = [pod for each in namespaces for pod in self._running.pop(each, {}).values()]
        for pod in pods:
            self.put(pod)
        for pod in before:
            if pod.name not in self._running.get(pod.namespace, {}):
                self.remove(pod)

    def holds(self, pod: PodRecord) -> bool:
        """True while the Pod is there, with the same annotations of ours."""
        present = self._running.get(pod.namespace, {}).get(pod.name)
        return present is not None and (present.uid, present.annotations) == (pod.uid, pod.annotations)

    def annotated(self, pod: PodRecord, annotations: Mapping[str, str]) -> None:
        """Note what was just written on *pod*, unless its watch told of it already."""
        if self.holds(pod):
            self.put(msgspec.structs.replace(pod, annotations=annotations))

    def _forget(self) -> None:
        limit = self._clock() - REMEMBERED_SECONDS
        while self._departed:
            name, oldest = next(iter(self._departed.items()))
            if oldest.left_at > limit and len(self._departed) <= MOST_REMEMBERED:
                return
            del self._departed[name]


class PodSink:
    """The registry as the receiver of one watch: of one namespace, or of all."""

    def __init__(self, registry: PodRegistry, namespace: str | None) -> None:
        self._registry, self._namespace = registry, namespace

    def replace(self, pods: Iterable[PodRecord], /) -> None:
        """Take the whole list."""
        self._registry.replace(pods, self._namespace)

    def upsert(self, pod: PodRecord, /) -> None:
        """Take a Pod that appeared or changed."""
        self._registry.put(pod)

    def delete(self, pod: PodRecord, /) -> None:
        """Take a Pod that is gone, or has come to its end."""
        self._registry.remove(pod)
