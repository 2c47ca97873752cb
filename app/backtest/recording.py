"""Records the usage of a source for a history file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.backtest.collecting import Covers, Progress, RequestReader, UsageReader, read_samples
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, ContainerSamples, PodContainer, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.sources.history_file import RecordedContainer

_Parts = list[tuple[NDArray[np.int64], NDArray[np.float32]]]  # steps and samples


@dataclass(slots=True)
class _Recorder:
    """Collects the samples of each container in parts."""

    parts: dict[PodContainer, dict[Resource, _Parts]] = field(default_factory=dict)

    def add(self, samples: ContainerSamples, covers: Covers) -> None:
        """Adds the samples of the containers in scope."""
        for container, values in zip(samples.containers, samples.values, strict=True):
            sampled = np.flatnonzero(np.isfinite(values))
            if len(sampled) and covers(container.namespace):
                parts = self.parts.setdefault(container, {resource: [] for resource in Resource})
                parts[samples.resource].append(
                    (sampled + samples.steps.first, values[sampled].astype(np.float32))
                )

    def build(self, container: PodContainer) -> RecordedContainer:
        """The record of *container*, without owner and requests."""
        series = {resource: _concatenate(parts) for resource, parts in self.parts[container].items()}
        steps = np.unique(np.concatenate([resource_steps for resource_steps, _ in series.values()]))
        columns = {}
        for resource, (resource_steps, values) in series.items():
            columns[resource] = np.full(len(steps), np.nan)
            columns[resource][np.searchsorted(steps, resource_steps)] = values
        name = f"{container.namespace}/{container.pod}/{container.container}"
        times = steps * STEP_SECONDS
        return RecordedContainer(name, times, columns[Resource.CPU], columns[Resource.MEMORY])


def _concatenate(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([steps for steps, _ in parts]), np.concatenate([values for _, values in parts])


async def record_usage(
    source: UsageReader, requests: RequestReader, steps: StepRange, covers: Covers, progress: Progress
) -> list[RecordedContainer]:
    """The records of all containers with samples in *steps*, sorted by name."""
    recorder, done, total = _Recorder(), 0, len(steps) * len(Resource)
    progress(done, total)
    for resource in Resource:
        async for samples in read_samples(source, resource, steps):
            recorder.add(samples, covers)
            done += len(samples.steps)
            progress(done, total)
    owners = await source.pod_owners(steps)
    attribution = Attribution(ClusterSnapshot(), owners.workloads, incomplete_owners=owners.incomplete)
    current_requests = await requests.container_requests(steps.last)
    records = []
    for container in sorted(recorder.parts, key=lambda key: (key.namespace, key.pod, key.container)):
        owner = attribution(container.namespace, container.pod)
        record = recorder.build(container)
        records.append(_add_metadata(record, owner, current_requests.get(container, {})))
    return records


def _add_metadata(
    record: RecordedContainer, owner: Workload | None, requested: Mapping[Resource, float]
) -> RecordedContainer:
    return replace(
        record,
        workload=f"{owner.kind}/{owner.namespace}/{owner.name}" if owner else "",
        cpu_request_cores=requested.get(Resource.CPU, np.nan),
        memory_request_bytes=requested.get(Resource.MEMORY, np.nan),
    )


def anonymise(containers: Iterable[RecordedContainer], salt: bytes) -> list[RecordedContainer]:
    """The containers with each name replaced by a hash that is keyed with *salt*; kinds and numbers stay.

    Names can be guessed from the hashes only with *salt*, which the writer of the file need not keep.
    """

    def hash_name(role: str, *names: str) -> str:
        digest = blake2b("/".join(names).encode(), key=salt, digest_size=6, person=role.encode())
        return f"{role}-{digest.hexdigest()}"

    def rename(record: RecordedContainer) -> RecordedContainer:
        namespace, *rest = record.name.split("/")
        if not rest:
            return replace(record, name=hash_name("vm", namespace), workload="")
        pod, container = rest
        name = "/".join(
            (hash_name("ns", namespace), hash_name("pod", namespace, pod), hash_name("c", container))
        )
        if not record.workload:
            return replace(record, name=name)
        kind, owner_namespace, owner = record.workload.split("/")
        owner_hash = hash_name("w", owner_namespace, kind, owner)
        return replace(record, name=name, workload=f"{kind}/{hash_name('ns', owner_namespace)}/{owner_hash}")

    return sorted(map(rename, containers), key=lambda record: record.name)
