"""Arrays of a check-point: their stored names, and conversion from and to the history.

The names are part of the stored format: a rename in the code must not change them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.history.connection_history import ConnectionHistory
from app.history.coverage import Coverage
from app.history.day_histograms import DayHistograms, UsageHistograms
from app.history.pressure_history import PressureHistory
from app.history.samples import STEPS_PER_DAY
from app.history.usage import UsageState

NamedArrays = dict[str, NDArray[Any]]

RESOURCE_NAMES = {Resource.CPU: "cpu", Resource.MEMORY: "memory"}
_PRESSURE = {Pressure.CPU_THROTTLING: "CPUThrottling", Pressure.OOM_KILLED: "OOMKilled"}
_CONNECTIONS = "connections"
_COVERAGE, _COVERAGE_STARTS = "coverage", "starts"
# Per day.
_KEYS, _COUNTS, _MAXIMA, _STEPS_SEEN = "keys", "counts", "maxima", "steps_seen"
_SHARES = "parts"
# Per series.
_FIRST_SEEN, _LAST_SEEN, _RECENT = "first_seen", "last_seen", "recent"
_PRESSURE_LAST_SEEN = "seen_last"
# Per edge and per source.
_RATES = {
    "requests": "requests",
    "responses": "responses",
    "request_bytes": "request_bytes",
    "response_bytes": "response_bytes",
}
_SCRAPED = "scraped"

_RATE_BITS = 12  # kept of a rate's mantissa: a relative error of at most 0.012 %


def usage_arrays(usage: UsageState) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of CPU and memory usage and of pressure, by their stored names."""
    size = len(usage.series.containers)
    for resource, histograms in usage.histograms.items():
        histograms.grow(size)
        yield from _with_prefix(RESOURCE_NAMES[resource], _histogram_arrays(histograms))
    for kind, pressure in usage.pressure.items():
        yield from _with_prefix(_PRESSURE[kind], _pressure_arrays(pressure, size))


def connection_arrays(connections: ConnectionHistory) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of edges and sources, by their stored names."""
    arrays = dict(_coverage_arrays(connections.coverage))
    arrays |= {_RATES[name]: _round_mantissa(ring.values) for name, ring in connections.rates.items()}
    arrays[_SCRAPED] = np.packbits(connections.scraped.values, axis=1)
    return _with_prefix(_CONNECTIONS, arrays.items())


def read_usage(usage: UsageState, arrays: NamedArrays) -> None:
    """Fill *usage* from *arrays*; its series are already set."""
    for resource, histograms in usage.histograms.items():
        _read_histograms(histograms, _section(arrays, RESOURCE_NAMES[resource]))
    for kind, pressure in usage.pressure.items():
        _read_pressure(pressure, _section(arrays, _PRESSURE[kind]))


def read_connections(connections: ConnectionHistory, arrays: NamedArrays) -> None:
    """Fill *connections* from *arrays*; its edges and sources are already set."""
    section = _section(arrays, _CONNECTIONS)
    connections.coverage = _read_coverage(_section(section, _COVERAGE))
    for name, ring in connections.rates.items():
        ring.values = section[_RATES[name]].reshape(len(connections.edges), STEPS_PER_DAY)
    connections.scraped.values = _flags(section[_SCRAPED], len(connections.sources))


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


def _read_histograms(histograms: UsageHistograms, arrays: NamedArrays) -> None:
    histograms.coverage = _read_coverage(_section(arrays, _COVERAGE))
    histograms.first_seen = arrays[_FIRST_SEEN]
    histograms.last_seen = arrays[_LAST_SEEN]
    histograms.recent = arrays[_RECENT]
    for number in _day_numbers(arrays):
        day = histograms.days[number] = DayHistograms()
        day.keys, day.counts = arrays[f"{number}/{_KEYS}"], arrays[f"{number}/{_COUNTS}"]
        day.maxima, day.steps_seen = arrays[f"{number}/{_MAXIMA}"], arrays[f"{number}/{_STEPS_SEEN}"]


def _pressure_arrays(pressure: PressureHistory, size: int) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _coverage_arrays(pressure.coverage)
    yield _PRESSURE_LAST_SEEN, pressure.last_seen(size)
    for number, shares in sorted(pressure.days.items()):
        yield f"{number}/{_SHARES}", shares


def _read_pressure(pressure: PressureHistory, arrays: NamedArrays) -> None:
    pressure.coverage = _read_coverage(_section(arrays, _COVERAGE))
    pressure.last_seen_steps = arrays[_PRESSURE_LAST_SEEN]
    pressure.days = {number: arrays[f"{number}/{_SHARES}"] for number in _day_numbers(arrays)}


def _coverage_arrays(coverage: Coverage) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{_COVERAGE}/{_COVERAGE_STARTS}", coverage.starts
    for number, flags in sorted(coverage.days.items()):
        yield f"{_COVERAGE}/{number}", np.packbits(flags, axis=1)


def _read_coverage(arrays: NamedArrays) -> Coverage:
    coverage = Coverage()
    coverage.starts = arrays.pop(_COVERAGE_STARTS)
    for number, packed in arrays.items():
        coverage.days[int(number)] = _flags(packed, len(coverage.starts))
    return coverage


def _flags(packed: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    return np.unpackbits(packed, axis=1).astype(np.bool_).reshape(rows, STEPS_PER_DAY)


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
