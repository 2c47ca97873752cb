"""Reads the past usage of all containers from a source."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from app.backtest.packing import Requests, UsageBuilder
from app.backtest.usage import Usage
from app.domain.profiles import Resource
from app.domain.run_names import new_groups
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples, PastOwners, PodContainer, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot

Progress = Callable[[int, int], None]
Covers = Callable[[str], bool]  # True if a namespace is in scope


class UsageReader(Protocol):
    """A source of usage and of Pod owners; the part of the profiler's source that is needed here."""

    def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """Yields the samples of parts of *steps*, the newest first; may end before all steps are read."""

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The known owners of Pods that ran in *steps*; raises SourceError."""


class RequestReader(Protocol):
    """A source of container requests."""

    async def container_requests(self, step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """The requests of the containers that ran at *step*; containers with unknown requests are absent."""


async def read_samples(
    source: UsageReader, resource: Resource, steps: StepRange
) -> AsyncIterator[ContainerSamples]:
    """Yields all samples of *steps*, the newest first; queries older steps again until none are left."""
    last = steps.last
    while last >= steps.first:
        oldest_read = last + 1
        async for batch in source.container_samples(resource, StepRange(steps.first, last)):
            for samples in batch:
                oldest_read = min(oldest_read, samples.steps.first)
                yield samples
        if oldest_read > last:
            return
        last = oldest_read - 1


async def collect_usage(
    source: UsageReader, requests: RequestReader, steps: StepRange, covers: Covers, progress: Progress
) -> Usage | None:
    """The usage of all containers in the namespaces for which *covers* is True; None if there is none."""
    owners = await source.pod_owners(steps)
    attribution = Attribution(ClusterSnapshot(), owners.workloads, incomplete_owners=owners.incomplete)

    def attribute(namespace: str, pod: str) -> Workload | None:
        return attribution(namespace, pod) if covers(namespace) else None

    builder, done, total = UsageBuilder(attribute), 0, len(steps) * len(Resource)
    progress(done, total)
    for resource in Resource:
        async for samples in read_samples(source, resource, steps):
            builder.add(samples)
            done += len(samples.steps)
            progress(done, total)
    current_requests: Requests = await requests.container_requests(steps.last)
    usage = builder.build(current_requests)
    if usage is None:
        return None
    groups = new_groups(sorted({container.workload for container in usage.containers}), frozenset())
    return usage.with_groups(groups) if groups else usage
