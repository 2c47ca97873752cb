"""Encoding and decoding of check-points: the history and coverage of a range of workload keys, as bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.array_format import (
    FIRST_VERSION,
    MAX_BODY_BYTES,
    VERSION,
    UnreadableCheckpointError,
    pack,
    unpack,
)
from app.history.checkpoint.arrays import (
    RESOURCE_NAMES,
    NamedArrays,
    connection_arrays,
    read_connections,
    read_usage,
    usage_arrays,
)
from app.history.connection_history import ConnectionHistory
from app.history.grid import GRIDS
from app.history.key_ranges import KeyRange
from app.history.seen_together import Seen
from app.history.usage import UsageState


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The history of a range of workload keys, and the namespaces that were queried for it.

    `open_steps` has the number of steps that stay open, for each signal with samples that come later than
    usual. `body_bytes` is the size of one that was read, before the compression.
    """

    keys: KeyRange
    namespaces: NamespaceSelection
    usage: UsageState
    connections: ConnectionHistory
    open_steps: Mapping[str, int] = field(default_factory=dict)
    body_bytes: int = field(default=0, compare=False)

    @property
    def newest_step(self) -> int:
        """The newest step for which usage was read; 0 if there is none."""
        return max(histograms.coverage.newest_step for histograms in self.usage.histograms.values())


class _Document(msgspec.Struct, omit_defaults=True):
    """The stored document; the names of its fields are part of the format.

    Version 2 added the fields with a default.
    """

    first_key: int
    last_key: int
    included: list[str] | None
    excluded: list[str]
    timeslots: int
    grids: dict[str, tuple[float, float, float]]
    workloads: list[tuple[str, str, str]]
    series: list[tuple[int, str]]
    runs: list[tuple[int, list[str]]]
    newest_step: int
    edges: list[tuple[int, int]]
    sources: list[int]
    open_steps: dict[str, int] = {}
    # The sets of containers that were seen in one Pod: workload, last step, number of Pods, names. Older
    # profilers ignore the field; without it no set is known.
    together: list[tuple[int, int, int, list[str]]] = []


def encode(checkpoint: Checkpoint) -> bytes:
    """The check-point as bytes; equal check-points give equal bytes.

    Raises:
        OversizedCheckpointError: `decode` would refuse it.
    """
    usage, connections, namespaces = checkpoint.usage, checkpoint.connections, checkpoint.namespaces
    number = _WorkloadNumbers()
    document = _Document(
        checkpoint.keys.first,
        checkpoint.keys.last,
        None if namespaces.included is None else sorted(namespaces.included),
        sorted(namespaces.excluded),
        usage.timeslots,
        _grids(),
        number.workloads,
        [(number(workload), container) for workload, container in usage.series.index],
        [(number(run), sorted(pods)) for run, pods in sorted(usage.runs.items())],
        connections.newest_step,
        [(number(edge.source), number(edge.destination)) for edge, _ in connections.edges],
        [number(source) for source, _ in connections.sources],
        dict(checkpoint.open_steps),
        [(number(workload), *seen, list(names)) for workload, names, seen in usage.together.rows()],
    )
    arrays = dict(usage_arrays(usage)) | dict(connection_arrays(connections))
    return pack(document, arrays, VERSION if document.open_steps else FIRST_VERSION)


def decode(
    packed: bytes, *, timeslots: int, retained_days: int, max_bytes: int = MAX_BODY_BYTES
) -> Checkpoint:
    """The check-point that `encode` stored; raises only UnreadableCheckpointError, for any bytes.

    One that would take more than *max_bytes* is not decoded.
    """
    try:
        unpacked = unpack(packed, max_bytes)
        document = msgspec.json.decode(unpacked.document, type=_Document)
        _check_settings(document, timeslots)
        usage = UsageState(timeslots=timeslots, retained_days=retained_days)
        return replace(_read(document, unpacked.arrays, usage), body_bytes=unpacked.body_bytes)
    except UnreadableCheckpointError:
        raise
    except Exception as error:  # the content is arbitrary and must not stop the profiler
        raise UnreadableCheckpointError(
            "Malformed", f"it can't be read: {type(error).__name__}: {error}"
        ) from error


class _WorkloadNumbers:
    """Numbers of workloads, assigned on first use."""

    def __init__(self) -> None:
        self.workloads: list[tuple[str, str, str]] = []
        self._index: dict[Workload, int] = {}

    def __call__(self, workload: Workload) -> int:
        number = self._index.setdefault(workload, len(self._index))
        if number == len(self.workloads):
            self.workloads.append((workload.namespace, workload.name, workload.kind))
        return number


def _grids() -> dict[str, tuple[float, float, float]]:
    return {
        RESOURCE_NAMES[resource]: (grid.first, grid.highest, grid.ratio) for resource, grid in GRIDS.items()
    }


def _check_settings(document: _Document, timeslots: int) -> None:
    if (document.timeslots, document.grids) != (timeslots, _grids()):
        raise UnreadableCheckpointError(
            "OtherSettings", "it was made with another value of TIMESLOTS, or with other grids"
        )


def _read(document: _Document, arrays: NamedArrays, usage: UsageState) -> Checkpoint:
    workloads = [Workload(*identity) for identity in document.workloads]
    usage.series.renumber((workloads[number], container) for number, container in document.series)
    usage.runs = {workloads[number]: set(pods) for number, pods in document.runs}
    read_usage(usage, arrays)
    newest_step = max(histograms.coverage.newest_step for histograms in usage.histograms.values())
    for number, last_step, pods, names in document.together:
        if last_step > newest_step or pods < 1:
            raise UnreadableCheckpointError("Malformed", "it has Pods of a step that it does not cover")
        usage.together.add(workloads[number], names, Seen(last_step, pods))
    edges = [Connection(workloads[source], workloads[destination]) for source, destination in document.edges]
    connections = read_connections(arrays, edges, [workloads[number] for number in document.sources])
    connections.newest_step = connections.settled_step = document.newest_step
    included = None if document.included is None else frozenset(document.included)
    namespaces = NamespaceSelection(included, frozenset(document.excluded))
    keys = KeyRange(document.first_key, document.last_key)
    return Checkpoint(keys, namespaces, usage, connections, document.open_steps)
