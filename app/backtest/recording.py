"""Writes down what a source tells of containers, so that a file can stand in its place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.backtest.collecting import Covers, Progress, RequestReader, UsageReader, samples_of
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, ContainerSamples, PodContainer, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.sources.history_file import RecordedContainer

_Parts = list[tuple[NDArray[np.int64], NDArray[np.float32]]]  # steps and samples


@dataclass(slots=True)
class _Recorder:
    """The samples of each container, in parts as they were told."""

    parts: dict[PodContainer, dict[Resource, _Parts]] = field(default_factory=dict)

    def add(self, samples: ContainerSamples, covers: Covers) -> None:
        for container, values in zip(samples.containers, samples.values, strict=True):
            known = np.flatnonzero(np.isfinite(values))
            if len(known) and covers(container.namespace):
                parts = self.parts.setdefault(container, {each: [] for each in Resource})
                parts[samples.resource].append(
                    (known + samples.steps.first, values[known].astype(np.float32))
                )

    def recorded(self, container: PodContainer) -> RecordedContainer:
        told = {resource: _joined(parts) for resource, parts in self.parts[container].items()}
        steps = np.unique(np.concatenate([of_resource for of_resource, _ in told.values()]))
        columns = {}
        for resource, (of_resource, values) in told.items():
            columns[resource] = np.full(len(steps), np.nan)
            columns[resource][np.searchsorted(steps, of_resource)] = values
        name = f"{container.namespace}/{container.pod}/{container.container}"
        times = steps * STEP_SECONDS
        return RecordedContainer(name, times, columns[Resource.CPU], columns[Resource.MEMORY])


def _joined(parts: _Parts) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([steps for steps, _ in parts]), np.concatenate([values for _, values in parts])


async def recorded_usage(
    source: UsageReader, requests: RequestReader, steps: StepRange, covers: Covers, progress: Progress
) -> list[RecordedContainer]:
    """All containers that *source* knows in *steps*, in the order of their names."""
    recorder, done, total = _Recorder(), 0, len(steps) * len(Resource)
    progress(done, total)
    for resource in Resource:
        async for samples in samples_of(source, resource, steps):
            recorder.add(samples, covers)
            done += len(samples.steps)
            progress(done, total)
    owners = await source.pod_owners(steps)
    attribution = Attribution(ClusterSnapshot(), owners.workloads)
    asked = await requests.container_requests(steps.last)
    found = []
    for container in sorted(recorder.parts, key=lambda each: (each.namespace, each.pod, each.container)):
        owner = attribution(container.namespace, container.pod)
        found.append(_with_facts(recorder.recorded(container), owner, asked.get(container, {})))
    return found


def _with_facts(
    recorded: RecordedContainer, owner: Workload | None, asked: Mapping[Resource, float]
) -> RecordedContainer:
    return replace(
        recorded,
        workload=f"{owner.kind}/{owner.namespace}/{owner.name}" if owner else "",
        cpu_request_cores=asked.get(Resource.CPU, np.nan),
        memory_request_bytes=asked.get(Resource.MEMORY, np.nan),
    )


def anonymous(containers: Iterable[RecordedContainer], salt: bytes) -> list[RecordedContainer]:
    """The same without names: a keyed hash stands for each, kinds and numbers stay.

    Nobody can try names against the hashes without *salt*; who wrote the file need not keep it.
    """

    def hashed(role: str, *names: str) -> str:
        digest = blake2b("/".join(names).encode(), key=salt, digest_size=6, person=role.encode())
        return f"{role}-{digest.hexdigest()}"

    def renamed(each: RecordedContainer) -> RecordedContainer:
        namespace, *rest = each.name.split("/")
        if not rest:
            return replace(each, name=hashed("vm", namespace), workload="")
        pod, container = rest
        name = "/".join((hashed("ns", namespace), hashed("pod", namespace, pod), hashed("c", container)))
        if not each.workload:
            return replace(each, name=name)
        kind, owner_namespace, owner = each.workload.split("/")
        owned = f"{kind}/{hashed('ns', owner_namespace)}/{hashed('w', owner_namespace, kind, owner)}"
        return replace(each, name=name, workload=owned)

    return sorted(map(renamed, containers), key=lambda each: each.name)
