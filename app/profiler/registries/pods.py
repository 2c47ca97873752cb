"""Registry of the running Pods and, for a while, of those that terminated: their last samples arrive late."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from app.domain.pod_record import PodRecord
from app.domain.workloads import Workload

REMEMBERED_SECONDS = 2 * 3600
# If more Pods than this terminate within that time, the oldest are forgotten earlier.
MAX_REMEMBERED = 150_000

PodName = tuple[str, str]


class _TerminatedPod(msgspec.Struct, frozen=True, gc=False):
    workload: Workload
    at_seconds: float


class PodOwners(Mapping[PodName, Workload]):
    """The workload of each Pod at one moment, kept by namespace: a tuple for each Pod takes more memory."""

    def __init__(self, by_namespace: Mapping[str, Mapping[str, Workload]]) -> None:
        self._by_namespace = by_namespace

    def __getitem__(self, pod: PodName) -> Workload:
        namespace, name = pod
        return self._by_namespace[namespace][name]

    def __iter__(self) -> Iterator[PodName]:
        return ((namespace, name) for namespace, pods in self._by_namespace.items() for name in pods)

    def __len__(self) -> int:
        return sum(map(len, self._by_namespace.values()))


class PodRegistry:
    """Pods by namespace and name; *clock* returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[str, dict[str, PodRecord]] = {}
        self._terminated: dict[PodName, _TerminatedPod] = {}  # oldest first

    def __len__(self) -> int:
        return sum(map(len, self._running.values()))

    def __iter__(self) -> Iterator[PodRecord]:
        return (pod for pods in self._running.values() for pod in pods.values())

    def knows(self, namespace: str, name: str) -> bool:
        """True for a Pod that runs or terminated recently."""
        return name in self._running.get(namespace, ()) or (namespace, name) in self._terminated

    def running_workloads(self) -> set[Workload]:
        """The workloads of the Pods that run."""
        return {pod.workload for pod in self}

    def ephemeral_containers(self) -> dict[Workload, frozenset[str]]:
        """The containers that were added to Pods that run, to debug them, by the workload of the Pod."""
        added: dict[Workload, frozenset[str]] = {}
        for pod in self:
            if pod.ephemeral_containers:
                added[pod.workload] = added.get(pod.workload, frozenset()).union(pod.ephemeral_containers)
        return added

    def owners(self) -> PodOwners:
        """The workload of each Pod that runs or terminated recently."""
        self._forget()
        owners: dict[str, dict[str, Workload]] = {}
        for (namespace, name), terminated in self._terminated.items():
            owners.setdefault(namespace, {})[name] = terminated.workload
        for namespace, pods in self._running.items():
            running = ((name, pod.workload) for name, pod in pods.items())
            owners.setdefault(namespace, {}).update(running)
        return PodOwners(owners)

    def put(self, pod: PodRecord) -> None:
        """Store an added or modified Pod."""
        self._running.setdefault(pod.namespace, {})[pod.name] = pod

    def remove(self, pod: PodRecord) -> None:
        """Move a Pod that was deleted or terminated to the terminated ones."""
        pods = self._running.get(pod.namespace, {})
        if pods.pop(pod.name, None) is not None and not pods:
            del self._running[pod.namespace]
        self._terminated.pop((pod.namespace, pod.name), None)
        self._terminated[pod.namespace, pod.name] = _TerminatedPod(pod.workload, self._clock())
        self._forget()

    def replace(self, pods: Iterable[PodRecord], namespace: str | None) -> None:
        """Replace all Pods of one namespace; of all namespaces if it is None."""
        namespaces = list(self._running) if namespace is None else [namespace]
        before = [pod for name in namespaces for pod in self._running.pop(name, {}).values()]
        for pod in pods:
            self.put(pod)
        for pod in before:
            if pod.name not in self._running.get(pod.namespace, {}):
                self.remove(pod)

    def is_current(self, pod: PodRecord) -> bool:
        """True while the Pod runs and has the same profile annotations."""
        current = self._running.get(pod.namespace, {}).get(pod.name)
        return current is not None and (current.uid, current.annotations) == (pod.uid, pod.annotations)

    def set_annotations(self, pod: PodRecord, annotations: Mapping[str, str]) -> None:
        """Store the annotations just written to *pod*, unless its watch reported a change before."""
        if self.is_current(pod):
            self.put(msgspec.structs.replace(pod, annotations=annotations, outdated_summary=False))

    def _forget(self) -> None:
        limit = self._clock() - REMEMBERED_SECONDS
        while self._terminated:
            name, oldest = next(iter(self._terminated.items()))
            if oldest.at_seconds > limit and len(self._terminated) <= MAX_REMEMBERED:
                return
            del self._terminated[name]


class PodSink:
    """Feeds the registry from the watch of one namespace; of all if *namespace* is None."""

    def __init__(self, registry: PodRegistry, namespace: str | None) -> None:
        self._registry, self._namespace = registry, namespace

    def replace(self, pods: Iterable[PodRecord], /) -> None:
        """Replace all Pods."""
        self._registry.replace(pods, self._namespace)

    def upsert(self, pod: PodRecord, /) -> None:
        """Store an added or modified Pod."""
        self._registry.put(pod)

    def delete(self, pod: PodRecord, /) -> None:
        """Remove a Pod that was deleted or terminated."""
        self._registry.remove(pod)
