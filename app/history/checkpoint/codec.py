"""A check-point: what is known of a range of keys and which steps that covers, as bytes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.history.checkpoint.array_format import UnreadableCheckpointError, pack, unpack
from app.history.connection_rows import ConnectionRows
from app.history.coverage import Coverage
from app.history.day_histograms import DayHistograms, UsageHistograms
from app.history.grid import GRIDS
from app.history.key_ranges import KeyRange, range_of
from app.history.pressure_rows import PressureRows
from app.history.samples import STEPS_PER_DAY
from app.history.usage import UsageState

_RATE_BITS = 12  # of a rate's mantissa: an error of at most 0.012 %
# Names of arrays in the stored document: they outlive every rename in the code.
_KEYS, _COUNTS, _MAXIMA, _STEPS_SEEN = "keys", "counts", "maxima", "steps_seen"
_FIRST_SEEN, _LAST_SEEN, _RECENT = "first_seen", "last_seen", "recent"
_PRESSURE_LAST_SEEN, _PRESSURE_SHARES = "seen_last", "parts"
_COVERAGE, _STARTS, _CONNECTIONS, _SCRAPED = "coverage", "starts", "connections", "scraped"
_USAGE_NAMES = {Resource.CPU: "cpu", Resource.MEMORY: "memory"}
_PRESSURE_NAMES = {Pressure.CPU_THROTTLING: "CPUThrottling", Pressure.OOM_KILLED: "OOMKilled"}
_RATE_NAMES = {
    "requests": "requests",
    "responses": "responses",
    "request_bytes": "request_bytes",
    "response_bytes": "response_bytes",
}
NamedArrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class AskedNamespaces:
    """The namespaces that were asked for: those *included* (None means all) that are not *excluded*."""

    included: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()

    def covers(self, namespace: str) -> bool:
        """True where *namespace* was asked for."""
        return namespace not in self.excluded and (self.included is None or namespace in self.included)

    def within(self, keys: KeyRange) -> "AskedNamespaces":
        """The same for those that have some of *keys*."""
        included = None if self.included is None else frozenset(_touching(self.included, keys))
        return AskedNamespaces(included, frozenset(_touching(self.excluded, keys)))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is known of *keys*, and which namespaces it was asked of."""

    keys: KeyRange
    asked: AskedNamespaces
    usage: UsageState
    connections: ConnectionRows

    @property
    def newest_step(self) -> int:
        """The newest step of which usage is known; 0 where there is none."""
        return max(rows.coverage.newest for rows in self.usage.rows.values())


class _Document(msgspec.Struct):
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


def encode(checkpoint: Checkpoint) -> bytes:
    """The check-point as bytes; the same for the same knowledge."""
    usage, connections, asked = checkpoint.usage, checkpoint.connections, checkpoint.asked
    number = _Numbers()
    document = _Document(
        checkpoint.keys.first,
        checkpoint.keys.last,
        None if asked.included is None else sorted(asked.included),
        sorted(asked.excluded),
        usage.timeslots,
        _grids(),
        number.workloads,
        [(number(workload), container) for workload, container in usage.series.index],
        [(number(run), sorted(pods)) for run, pods in sorted(usage.runs.items())],
        connections.newest,
        [(number(edge.source), number(edge.destination)) for edge in connections.edges],
        [number(source) for source in connections.sources],
    )
    return pack(document, dict(_usage_arrays(usage)) | dict(_connection_arrays(connections)))


def decode(packed: bytes, *, timeslots: int, retained_days: int) -> Checkpoint:
    """What `encode` was given; raises UnreadableError, whatever the bytes are."""
    try:
        raw, arrays = unpack(packed)
        document = msgspec.json.decode(raw, type=_Document)
        _check_settings(document, timeslots)
        return _read(document, arrays, UsageState(timeslots=timeslots, retained_days=retained_days))
    except UnreadableCheckpointError:
        raise
    except Exception as error:  # what it holds may be anything, and none of it may end the profiler
        raise UnreadableCheckpointError(
            "Malformed", f"it can't be read: {type(error).__name__}: {error}"
        ) from error


class _Numbers:
    """Numbers workloads in the order in which they are met."""

    def __init__(self) -> None:
        self.workloads: list[tuple[str, str, str]] = []
        self._index: dict[Workload, int] = {}

    def __call__(self, workload: Workload) -> int:
        number = self._index.setdefault(workload, len(self._index))
        if number == len(self.workloads):
            self.workloads.append((workload.namespace, workload.name, workload.kind))
        return number


def _touching(namespaces: Iterable[str], keys: KeyRange) -> Iterator[str]:
    return (each for each in namespaces if keys.overlaps(range_of(each)))


def _grids() -> dict[str, tuple[float, float, float]]:
    return {resource.value: (grid.first, grid.highest, grid.ratio) for resource, grid in GRIDS.items()}


def _check_settings(document: _Document, timeslots: int) -> None:
    if (document.timeslots, document.grids) != (timeslots, _grids()):
        raise UnreadableCheckpointError(
            "OtherSettings", "it was made with other TIMESLOTS, or with other grids"
        )


def _read(document: _Document, arrays: NamedArrays, usage: UsageState) -> Checkpoint:
    workloads = [Workload(*each) for each in document.workloads]
    usage.series.renumber((workloads[each], container) for each, container in document.series)
    usage.runs = {workloads[each]: set(pods) for each, pods in document.runs}
    for name, rows in usage.every_row().items():
        mine = _beneath(arrays, name)
        rows.coverage = _coverage(_beneath(mine, "coverage"))
        if isinstance(rows, UsageHistograms):
            _fill_days(rows, mine)
        else:
            _fill_signs(rows, mine)
    connections = ConnectionRows()
    connections.newest = document.newest_step
    connections.edges = {
        Connection(workloads[source], workloads[destination]): row
        for row, (source, destination) in enumerate(document.edges)
    }
    connections.sources = {workloads[each]: row for row, each in enumerate(document.sources)}
    _fill_connections(connections, _beneath(arrays, "connections"))
    asked = AskedNamespaces(
        None if document.included is None else frozenset(document.included), frozenset(document.excluded)
    )
    return Checkpoint(KeyRange(document.first_key, document.last_key), asked, usage, connections)


def _usage_arrays(usage: UsageState) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, rows in usage.every_row().items():
        yield from _coverage_arrays(f"{name}/coverage", rows.coverage)
        if isinstance(rows, PressureRows):
            yield f"{name}/seen_last", rows.last_seen(len(usage.series.containers))
            yield from ((f"{name}/{number}/parts", day) for number, day in sorted(rows.days.items()))
            continue
        rows.grow(len(usage.series.containers))
        yield from ((f"{name}/{field}", getattr(rows, field)) for field in _FIELDS_OF_SERIES)
        for number, day in sorted(rows.days.items()):
            yield from ((f"{name}/{number}/{field}", getattr(day, field)) for field in _FIELDS_OF_DAY)


def _connection_arrays(connections: ConnectionRows) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _coverage_arrays("connections/coverage", connections.coverage)
    for name, ring in connections.rates.items():
        yield f"connections/{name}", _rounded(ring.rows)
    yield "connections/scraped", np.packbits(connections.scraped.rows, axis=1)


def _coverage_arrays(prefix: str, coverage: Coverage) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{prefix}/starts", coverage.starts
    for number, flags in sorted(coverage.days.items()):
        yield f"{prefix}/{number}", np.packbits(flags, axis=1)


def _coverage(arrays: NamedArrays) -> Coverage:
    coverage = Coverage()
    coverage.starts = arrays.pop("starts")
    for number, packed in arrays.items():
        coverage.days[int(number)] = _flags(packed, len(coverage.starts))
    return coverage


def _fill_days(rows: UsageHistograms, arrays: NamedArrays) -> None:
    rows.first_seen, rows.last_seen, rows.recent = (arrays[field] for field in _FIELDS_OF_SERIES)
    for number in _days(arrays):
        day = rows.days[number] = DayHistograms()
        day.keys, day.counts, day.maxima, day.steps_seen = (
            arrays[f"{number}/{field}"] for field in _FIELDS_OF_DAY
        )


def _fill_signs(rows: PressureRows, arrays: NamedArrays) -> None:
    rows.seen_last = arrays["seen_last"]
    rows.days = {number: arrays[f"{number}/parts"] for number in _days(arrays)}


def _fill_connections(connections: ConnectionRows, arrays: NamedArrays) -> None:
    connections.coverage = _coverage(_beneath(arrays, "coverage"))
    for name, ring in connections.rates.items():
        ring.rows = arrays[name].reshape(len(connections.edges), STEPS_PER_DAY)
    connections.scraped.rows = _flags(arrays["scraped"], len(connections.sources))


def _flags(packed: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    return np.unpackbits(packed, axis=1).astype(np.bool_).reshape(rows, STEPS_PER_DAY)


def _days(arrays: NamedArrays) -> list[int]:
    return sorted({int(day) for day, _, field in (name.partition("/") for name in arrays) if day.isdigit()})


def _beneath(arrays: Mapping[str, NDArray[Any]], prefix: str) -> NamedArrays:
    start = f"{prefix}/"
    return {name.removeprefix(start): each for name, each in arrays.items() if name.startswith(start)}


def _rounded(rates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rates without the bits that would fill a check-point and tell nothing."""
    dropped = 23 - _RATE_BITS
    bits = rates.view(np.uint32) + np.uint32(1 << (dropped - 1))
    rounded: NDArray[np.float32] = (bits & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)).view(np.float32)
    return np.where(np.isnan(rates), rates, rounded)
