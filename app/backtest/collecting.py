"""Asks a source for the past of all containers, part by part, until there is no more."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from app.backtest.packing import Requests, UsageBuilder
from app.backtest.usage import Usage
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import ContainerSamples, PastOwners, PodContainer, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot

Progress = Callable[[int, int], None]
Covers = Callable[[str], bool]  # a namespace


class UsageReader(Protocol):
    """Who knows usage, and whose it was: what is needed here of the profiler's own source."""

    def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """Whole answers on parts of *steps*, the newest first; it may end before all is answered."""

    async def pod_owners(self, steps: StepRange) -> PastOwners:
        """The owners of Pods that ran in *steps*, as far as the source knows them; raises SourceError."""


class RequestReader(Protocol):
    """Who knows what containers ask for."""

    async def container_requests(self, step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """What each container that ran at *step* asks for; nothing where nobody tells it."""


async def samples_of(
    source: UsageReader, resource: Resource, steps: StepRange
) -> AsyncIterator[ContainerSamples]:
    """All answers on *steps*, the newest first; a source may need to be asked again for what is older."""
    last = steps.last
    while last >= steps.first:
        answered = last + 1
        async for answers in source.container_samples(resource, StepRange(steps.first, last)):
            for samples in answers:
                answered = min(answered, samples.steps.first)
                yield samples
        if answered > last:
            return
        last = answered - 1


async def past_usage(
    source: UsageReader, requests: RequestReader, steps: StepRange, covers: Covers, progress: Progress
) -> Usage | None:
    """The usage of the containers of the namespaces that *covers* tells; None where there is none."""
    owners = await source.pod_owners(steps)
    attribution = Attribution(ClusterSnapshot(), owners.workloads)

    def attribute(namespace: str, pod: str) -> Workload | None:
        return attribution(namespace, pod) if covers(namespace) else None

    builder, done, total = UsageBuilder(attribute), 0, len(steps) * len(Resource)
    progress(done, total)
    for resource in Resource:
        async for samples in samples_of(source, resource, steps):
            builder.add(samples)
            done += len(samples.steps)
            progress(done, total)
    told: Requests = await requests.container_requests(steps.last)
    return builder.built(told)
