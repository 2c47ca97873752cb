"""Arrays of a check-point: their stored names, and conversion from and to the history.

The names are part of the stored format: a rename in the code must not change them. Each stored array is
checked against the types, sizes and ranges that the history relies on: a wrong one would fail later, or be
expanded to any size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.connection_providers import Provider
from app.domain.profiles import PRESSURE_OF, PRESSURES_OF, Pressure, Resource
from app.domain.protocols import Protocol
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.array_format import UnreadableCheckpointError
from app.history.connection_history import ConnectionHistory
from app.history.coverage import Coverage
from app.history.day_histograms import DayHistograms
from app.history.kill_limits import KillLimits
from app.history.pressure_history import PressureHistory
from app.history.samples import STEPS_PER_DAY, CountedEdge, ObservedSource
from app.history.usage import UsageState
from app.history.usage_histograms import UsageHistograms

NamedArrays = dict[str, NDArray[Any]]

RESOURCE_NAMES = {Resource.CPU: "cpu", Resource.MEMORY: "memory"}
_PRESSURE = {
    Pressure.CPU_THROTTLING: "CPUThrottling",
    Pressure.OOM_KILLED: "OOMKilled",
    Pressure.CPU_WAITING: "CPUWaiting",
    Pressure.MEMORY_STALLED: "MemoryStalled",
}
# Other kinds are stored where there are any: most clusters have no pressure stalls, and older releases none.
_ALWAYS_STORED = frozenset(PRESSURE_OF.values())
_CONNECTIONS = "connections"
_COVERAGE, _COVERAGE_STARTS = "coverage", "starts"
# Per day.
_KEYS, _COUNTS, _MAXIMA, _STEPS_SEEN = "keys", "counts", "maxima", "steps_seen"
_SHARES = "parts"
# Per series.
_FIRST_SEEN, _LAST_SEEN, _RECENT = "first_seen", "last_seen", "recent"
_PRESSURE_LAST_SEEN = "seen_last"
_LOWEST_LIMIT, _HIGHEST_LIMIT = "limits_lowest", "limits_highest"  # where any is known
# Per edge and per source.
_RATES = {
    "requests": "requests",
    "responses": "responses",
    "request_bytes": "request_bytes",
    "response_bytes": "response_bytes",
}
_SCRAPED, _REPORTERS, _PROTOCOLS = "scraped", "reporters", "protocols"
_PROVIDERS, _SOURCE_PROVIDERS = "providers", "source_providers"

_FLAG_BYTES = STEPS_PER_DAY // 8
_MAX_COVERAGE_BYTES = 4 * 1024 * 1024  # of packed flags, which take eight times as much in memory
_RATE_BITS = 12  # kept of a rate's mantissa: a relative error of at most 0.012 %


def usage_arrays(usage: UsageState) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of CPU and memory usage and of pressure, by their stored names."""
    size = len(usage.series.containers)
    for resource, histograms in usage.histograms.items():
        histograms.grow(size)
        yield from _with_prefix(RESOURCE_NAMES[resource], _histogram_arrays(histograms))
    for kind, pressure in usage.pressure.items():
        if kind in _ALWAYS_STORED or any(day.any() for day in pressure.days.values()):
            yield from _with_prefix(_PRESSURE[kind], _pressure_arrays(pressure, size))


def connection_arrays(connections: ConnectionHistory) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of edges and sources, by their stored names."""
    arrays = dict(_coverage_arrays(connections.coverage))
    arrays |= {_RATES[name]: _round_mantissa(ring.values) for name, ring in connections.rates.items()}
    arrays[_SCRAPED] = np.packbits(connections.scraped.values, axis=1)
    if (connections.reporters & np.uint8(Reporters.DESTINATION)).any():
        arrays[_REPORTERS] = connections.reporters
    if (connections.protocols != Protocol.HTTP).any():
        arrays[_PROTOCOLS] = connections.protocols
    if connections.providers.any():
        arrays[_PROVIDERS] = connections.providers
        observers = [source.provider for source in connections.sources]
        arrays[_SOURCE_PROVIDERS] = np.array(observers, dtype=np.uint8)
    return _with_prefix(_CONNECTIONS, arrays.items())


def read_usage(usage: UsageState, arrays: NamedArrays) -> None:
    """Fill *usage* from *arrays*; its series are already set."""
    size = len(usage.series.containers)
    for resource, histograms in usage.histograms.items():
        _read_histograms(histograms, _section(arrays, RESOURCE_NAMES[resource]), size)
    for kinds in PRESSURES_OF.values():
        first = _section(arrays, _PRESSURE[kinds[0]])
        for kind in kinds:
            section = _section(arrays, _PRESSURE[kind])
            if section or kind is kinds[0]:
                _read_pressure(usage.pressure[kind], section, size)
            else:  # one query reads all kinds
                usage.pressure[kind].coverage = _read_coverage(_section(first, _COVERAGE))


def read_connections(
    arrays: NamedArrays, edges: Sequence[Connection], sources: Sequence[Workload]
) -> ConnectionHistory:
    """The history of *edges* and *sources*, which are in the order of the rows."""
    section = _section(arrays, _CONNECTIONS)
    connections = ConnectionHistory()
    connections.providers = _providers(section, _PROVIDERS, len(edges))
    counted = zip(edges, connections.providers.tolist(), strict=True)
    observed = zip(sources, _providers(section, _SOURCE_PROVIDERS, len(sources)).tolist(), strict=True)
    connections.edges = {
        CountedEdge(edge, Provider(flags).counted_together): row for row, (edge, flags) in enumerate(counted)
    }
    connections.sources = {
        ObservedSource(source, Provider(flags).counted_together): row
        for row, (source, flags) in enumerate(observed)
    }
    if len(connections.edges) < len(edges) or len(connections.sources) < len(sources):
        raise _malformed(f"{_CONNECTIONS}/{_PROVIDERS}")
    connections.coverage = _read_coverage(_section(section, _COVERAGE))
    for name, ring in connections.rates.items():
        shape = (len(connections.edges), STEPS_PER_DAY)
        ring.values = _checked(section, _RATES[name], np.float32, shape)
    connections.scraped.values = _flags(section, _SCRAPED, len(connections.sources))
    connections.reporters = np.full(len(connections.edges), Reporters.SOURCE, dtype=np.uint8)
    if _REPORTERS in section:
        connections.reporters = _checked(section, _REPORTERS, np.uint8, connections.reporters.shape)
        if (connections.reporters > Reporters.BOTH).any():
            raise _malformed(f"{_CONNECTIONS}/{_REPORTERS}")
    connections.protocols = np.full(len(connections.edges), Protocol.HTTP, dtype=np.uint8)
    if _PROTOCOLS in section:
        connections.protocols = _checked(section, _PROTOCOLS, np.uint8, connections.protocols.shape)
        if (connections.protocols > max(Protocol)).any():
            raise _malformed(f"{_CONNECTIONS}/{_PROTOCOLS}")
    return connections


def _providers(section: NamedArrays, name: str, size: int) -> NDArray[np.uint8]:
    """The stored providers; there are none where they were not known."""
    if name not in section:
        return np.zeros(size, dtype=np.uint8)
    providers = _checked(section, name, np.uint8, (size,))
    if (providers > sum(Provider)).any():
        raise _malformed(f"{_CONNECTIONS}/{name}")
    return providers


def _histogram_arrays(histograms: UsageHistograms) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _coverage_arrays(histograms.coverage)
    yield _FIRST_SEEN, histograms.first_seen
    yield _LAST_SEEN, histograms.last_seen
    yield _RECENT, histograms.recent
    for number, day in sorted(histograms.days.items()):
        yield f"{number}/{_KEYS}", day.keys
        yield f"{number}/{_COUNTS}", day.counts
        yield f"{number}/{_MAXIMA}", day.maxima
        yield f"{number}/{_STEPS_SEEN}", day.steps_seen


def _read_histograms(histograms: UsageHistograms, arrays: NamedArrays, size: int) -> None:
    histograms.coverage = _read_coverage(_section(arrays, _COVERAGE))
    histograms.first_seen = _checked(arrays, _FIRST_SEEN, np.int64, (size,))
    histograms.last_seen = _checked(arrays, _LAST_SEEN, np.int64, (size,))
    histograms.recent = _checked(arrays, _RECENT, np.uint64, (size,))
    cells = size * histograms.timeslots
    for number in _day_numbers(arrays):
        day = histograms.days[number] = DayHistograms()
        day.keys = _checked(arrays, f"{number}/{_KEYS}", np.uint64)
        day.counts = _checked(arrays, f"{number}/{_COUNTS}", np.uint32, day.keys.shape)
        day.maxima = _checked(arrays, f"{number}/{_MAXIMA}", np.float64, at_most=cells)
        day.steps_seen = _checked(arrays, f"{number}/{_STEPS_SEEN}", np.uint16, at_most=size)
        has_order = bool((day.keys[1:] > day.keys[:-1]).all())
        if not has_order or (day.keys[-1:] >= np.uint64(cells * histograms.grid.size)).any():
            raise _malformed(f"{number}/{_KEYS}")


def _pressure_arrays(pressure: PressureHistory, size: int) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _coverage_arrays(pressure.coverage)
    yield _PRESSURE_LAST_SEEN, pressure.last_seen(size)
    if pressure.kill_limits.are_known:
        limits = pressure.kill_limits.padded(size)
        yield _LOWEST_LIMIT, limits.lowest
        yield _HIGHEST_LIMIT, limits.highest
    for number, shares in sorted(pressure.days.items()):
        yield f"{number}/{_SHARES}", shares


def _read_pressure(pressure: PressureHistory, arrays: NamedArrays, size: int) -> None:
    pressure.coverage = _read_coverage(_section(arrays, _COVERAGE))
    pressure.last_seen_steps = _checked(arrays, _PRESSURE_LAST_SEEN, np.int64, at_most=size)
    if _LOWEST_LIMIT in arrays:
        pressure.kill_limits = KillLimits(
            *(_checked(arrays, name, np.float64, (size,)) for name in (_LOWEST_LIMIT, _HIGHEST_LIMIT))
        )
    pressure.days = {
        number: _checked(arrays, f"{number}/{_SHARES}", np.int64, at_most=size)
        for number in _day_numbers(arrays)
    }


def _coverage_arrays(coverage: Coverage) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{_COVERAGE}/{_COVERAGE_STARTS}", coverage.starts
    for number, flags in sorted(coverage.days.items()):
        yield f"{_COVERAGE}/{number}", np.packbits(flags, axis=1)


def _read_coverage(arrays: NamedArrays) -> Coverage:
    coverage = Coverage()
    coverage.starts = _checked(arrays, _COVERAGE_STARTS, np.int64)
    has_order = bool((coverage.starts[1:] > coverage.starts[:-1]).all())
    if not len(coverage.starts) or not has_order:
        raise _malformed(_COVERAGE_STARTS)
    days = [name for name in arrays if name != _COVERAGE_STARTS]
    if sum(arrays[name].nbytes for name in days) > _MAX_COVERAGE_BYTES:
        raise _malformed(_COVERAGE)
    coverage.days = {int(name): _flags(arrays, name, len(coverage.starts)) for name in days}
    return coverage


def _flags(arrays: NamedArrays, name: str, rows: int) -> NDArray[np.bool_]:
    return np.unpackbits(_checked(arrays, name, np.uint8, (rows, _FLAG_BYTES)), axis=1).astype(np.bool_)


def _checked(
    arrays: NamedArrays,
    name: str,
    kind: type[np.generic],
    shape: tuple[int, ...] | None = None,
    *,
    at_most: int | None = None,
) -> NDArray[Any]:
    """The array, if it has this type and *shape*; without one, if it has one dimension of *at_most* items."""
    array = arrays[name]
    fits = array.shape == shape if shape else array.ndim == 1 and (at_most is None or len(array) <= at_most)
    if array.dtype != kind or not fits:
        raise _malformed(name)
    return array


def _malformed(name: str) -> UnreadableCheckpointError:
    return UnreadableCheckpointError("Malformed", f"its array {name} does not fit the others")


def _day_numbers(arrays: NamedArrays) -> list[int]:
    return sorted({int(day) for day, _, field in (name.partition("/") for name in arrays) if day.isdigit()})


def _with_prefix(
    prefix: str, arrays: Iterable[tuple[str, NDArray[Any]]]
) -> Iterator[tuple[str, NDArray[Any]]]:
    return ((f"{prefix}/{name}", array) for name, array in arrays)


def _section(arrays: Mapping[str, NDArray[Any]], prefix: str) -> NamedArrays:
    start = f"{prefix}/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _round_mantissa(rates: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rates rounded to `_RATE_BITS` bits of mantissa: the other bits are noise and do not compress."""
    dropped = 23 - _RATE_BITS
    bits = rates.view(np.uint32) + np.uint32(1 << (dropped - 1))
    rounded: NDArray[np.float32] = (bits & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)).view(np.float32)
    return np.where(np.isnan(rates), rates, rounded)
