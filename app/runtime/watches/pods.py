"""The watch of Pods in one leader's term, shared by cycles and back-fill.

Only the leader watches Pods. Followers would need the same memory (55 MB at 150,000 Pods) for nothing,
because a new leader's first list takes seconds only. Pods that terminated before it are matched by owner
metrics or by name pattern.
"""

from collections.abc import Sequence
from time import monotonic

from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import running_pods
from app.kubernetes.reflector import Reflector, run_reflectors
from app.kubernetes.workloads import PodDecoder
from app.profiler.registries.pods import PodRegistry, PodSink


class PodWatches:
    """Keeps the Pods of the profiled namespaces in `registry` while `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str]) -> None:
        self.registry = PodRegistry(monotonic)
        decode = PodDecoder().decode
        self.reflectors = [
            Reflector(client, running_pods(namespace), PodSink(self.registry, namespace), transform=decode)
            for namespace in namespaces or (None,)
        ]

    def have_settled(self) -> bool:
        """True once each namespace is listed or is known to fail, and at least one is listed."""
        is_any_listed = any(reflector.is_synced for reflector in self.reflectors)
        return is_any_listed and all(reflector.has_settled for reflector in self.reflectors)

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)
