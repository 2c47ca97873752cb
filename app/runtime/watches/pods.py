"""The Pods of one leader's term: watched once, for the cycles and for back-fill.

Only the leader watches them. A follower would hold the same for nothing (40 MB at 150,000 Pods), and a new
leader's first list takes seconds; of the Pods that left before, owner metrics and names tell.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from app.kubernetes.client import ClusterClient
from app.kubernetes.pods import running_pods
from app.kubernetes.reflector import Reflector
from app.kubernetes.workloads import PodReader
from app.profiler.registries.pods import PodRegistry, PodSink


class PodWatches:
    """The Pods of the profiled namespaces, as long as `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str]) -> None:
        self.registry = PodRegistry(monotonic)
        keep = PodReader().read
        self.reflectors = [
            Reflector(client, running_pods(namespace), PodSink(self.registry, namespace), keep=keep)
            for namespace in namespaces or (None,)
        ]

    def are_listed(self) -> bool:
        """True once each namespace was listed."""
        return all(reflector.is_synced for reflector in self.reflectors)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as watches:
            for reflector in self.reflectors:
                watches.create_task(reflector.run())
