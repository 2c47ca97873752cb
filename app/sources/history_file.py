"""Reads and writes history files: every error is specific, the same content gives the same bytes.

`docs/pages/history-format.md` describes the format. Nothing in a file is executed: pickled content is
refused.
"""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import HistoryFileError
from app.sources.npz_archive import ArchiveError, Arrays, read_arrays

CONTAINER_VALUES = ("cpu_cores", "memory_bytes")
EDGE_VALUES = ("edge_requests_per_second", "edge_responses_per_second")
_CONTAINER_KEYS = ("names", "offsets", "timestamps", *CONTAINER_VALUES)
# One value per container; each key may be absent.
_FACT_KEYS = ("workloads", "cpu_request_cores", "memory_request_bytes")
_EDGE_KEYS = ("edge_names", "edge_offsets", "edge_timestamps", *EDGE_VALUES)
_TEXTS, _INTEGERS = ("names", "workloads", "edge_names"), ("offsets", "edge_offsets")
# The letters of the numpy types that each array may have.
_TYPES = {
    key: "U" if key in _TEXTS else "iu" if key in _INTEGERS else "iuf"
    for key in (*_CONTAINER_KEYS, *_FACT_KEYS, *_EDGE_KEYS)
}

_LATEST_SECONDS = 2**32 - 1  # in the year 2106; a time in milliseconds is larger
_LONGEST_DAYS = 3653  # every day of a history is read for itself, also one without samples
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the zip format's zero: the bytes must not depend on the time of writing


@dataclass(frozen=True, slots=True, eq=False)
class RecordedSeries:
    """Series of unequal length, one after the other: sample k belongs to the series number `series[k]`."""

    names: tuple[str, ...]
    series: NDArray[np.int64]
    timestamps: NDArray[np.float64]
    values: tuple[NDArray[np.float64], NDArray[np.float64]]
    # One per name, if the file has them: `Kind/namespace/name` or empty; CPU and memory, NaN for none.
    workloads: tuple[str, ...] = ()
    requests: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedContainer:
    """One container's samples: *name* is `namespace/pod/container`, or one word for a standalone series.

    `workload` is `Kind/namespace/name`, empty if unknown; requests are NaN if there are none.
    """

    name: str
    timestamps: NDArray[np.int64]
    cpu_cores: NDArray[np.float64]
    memory_bytes: NDArray[np.float64]
    workload: str = ""
    cpu_request_cores: float = np.nan
    memory_request_bytes: float = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class RecordedEdge:
    """One directed edge's samples: *name* is `namespace/deployment>namespace/deployment`."""

    name: str
    timestamps: NDArray[np.int64]
    requests_per_second: NDArray[np.float64]
    responses_per_second: NDArray[np.float64]


def read_history_file(path: Path) -> tuple[RecordedSeries, RecordedSeries]:
    """The containers (CPU, memory) and the edges (requests, responses) of the file.

    Raises:
        HistoryFileError: names the file and the error in it.
    """
    try:
        return _tables(_load(path))
    except _FormatError as error:
        raise HistoryFileError(
            f"{path}: {error}; docs/pages/history-format.md describes the format"
        ) from error


class _FormatError(Exception):
    """An error in a file; the caller adds the name of the file."""


def _load(path: Path) -> Arrays:
    try:
        return read_arrays(path, _TYPES)
    except ArchiveError as error:
        raise _FormatError(str(error)) from error


def _tables(arrays: Arrays) -> tuple[RecordedSeries, RecordedSeries]:
    edge_keys = _EDGE_KEYS if any(key in arrays for key in _EDGE_KEYS) else ()
    containers = _with_facts(_table(arrays, _CONTAINER_KEYS, _is_container_name), arrays)
    edges = _table(arrays, edge_keys, _is_edge_name)
    if all(np.isnan(values).all() for values in (*containers.values, *edges.values)):
        raise _FormatError("the file has no sample")
    return containers, edges


def _table(arrays: Arrays, keys: Sequence[str], is_name: Callable[[str], bool]) -> RecordedSeries:
    if not keys:
        empty = np.empty(0)
        return RecordedSeries((), np.empty(0, dtype=np.int64), empty, (empty, empty))
    if missing := [key for key in keys if key not in arrays]:
        raise _FormatError(f"{_list_keys(missing)} missing")
    names_key, offsets_key, timestamps_key, *value_keys = keys
    names = _names(arrays, names_key, is_name)
    timestamps = _numbers(arrays, timestamps_key)
    if not ((timestamps >= 0) & (timestamps <= _LATEST_SECONDS)).all():
        raise _FormatError(f"`{timestamps_key}` must have Unix times in seconds, 0 to {_LATEST_SECONDS}")
    if timestamps.size and np.ptp(timestamps) > _LONGEST_DAYS * 86_400:
        raise _FormatError(f"`{timestamps_key}` must not span more than {_LONGEST_DAYS} days")
    lengths = _lengths(arrays, offsets_key, names=len(names), samples=len(timestamps))
    first, second = (_values(arrays, key, len(timestamps)) for key in value_keys)
    return RecordedSeries(names, np.repeat(np.arange(len(names)), lengths), timestamps, (first, second))


def _with_facts(table: RecordedSeries, arrays: Arrays) -> RecordedSeries:
    workloads_key, *request_keys = _FACT_KEYS
    workloads: tuple[str, ...] = ()
    if workloads_key in arrays:
        workloads = tuple(map(str, arrays[workloads_key]))
        _check_count(workloads_key, len(workloads), len(table.names))
        for text in workloads:
            if text and (text.count("/") != 2 or not all(text.split("/"))):
                raise _FormatError(f"`{workloads_key}` has {text!r}, which is not Kind/namespace/name")
    if not any(key in arrays for key in request_keys):
        return replace(table, workloads=workloads)
    cpu, memory = (_requests(arrays, key, len(table.names)) for key in request_keys)
    return replace(table, workloads=workloads, requests=(cpu, memory))


def _requests(arrays: Arrays, key: str, names: int) -> NDArray[np.float64]:
    if key not in arrays:
        return np.full(names, np.nan)
    requests = _numbers(arrays, key)
    _check_count(key, len(requests), names)
    return _usable(requests, key)


def _check_count(key: str, values: int, names: int) -> None:
    if values != names:
        raise _FormatError(f"`{key}` must have {names} values, one per name, and has {values}")


def _list_keys(keys: Iterable[str]) -> str:
    listed = [f"`{key}`" for key in keys]
    return f"{', '.join(listed)} {'is' if len(listed) == 1 else 'are'}"


def _names(arrays: Arrays, key: str, is_name: Callable[[str], bool]) -> tuple[str, ...]:
    names = tuple(map(str, arrays[key]))
    for name in names:
        if not is_name(name):
            raise _FormatError(f"`{key}` has {name!r}, which is not a name of the format")
    if len(set(names)) < len(names):
        duplicate = next(name for name, count in Counter(names).items() if count > 1)
        raise _FormatError(f"`{key}` has {duplicate!r} twice")
    return names


def _is_container_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) in {1, 3} and all(parts)


def _is_edge_name(name: str) -> bool:
    endpoints = [endpoint.split("/") for endpoint in name.split(">")]
    return len(endpoints) == 2 and all(len(parts) == 2 and all(parts) for parts in endpoints)


def _numbers(arrays: Arrays, key: str) -> NDArray[np.float64]:
    return arrays[key].astype(np.float64)


def _lengths(arrays: Arrays, key: str, *, names: int, samples: int) -> NDArray[np.int64]:
    offsets = arrays[key].astype(np.int64)
    if len(offsets) != names + 1:
        raise _FormatError(
            f"`{key}` must have {names + 1} numbers (one more than names), and has {len(offsets)}"
        )
    lengths = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != samples or (lengths < 0).any():
        raise _FormatError(f"`{key}` must rise from 0 to {samples}, the number of samples")
    return lengths


def _values(arrays: Arrays, key: str, samples: int) -> NDArray[np.float64]:
    values = _numbers(arrays, key)
    if len(values) != samples:
        raise _FormatError(f"`{key}` must have {samples} numbers, one per time, and has {len(values)}")
    return _usable(values, key)


def _usable(values: NDArray[np.float64], key: str) -> NDArray[np.float64]:
    if not (np.isnan(values) | ((values >= 0) & (values < np.inf))).all():
        raise _FormatError(f"`{key}` has a number that is negative or infinite (NaN means no sample)")
    return values


def write_history_file(
    path: Path, containers: Sequence[RecordedContainer], edges: Sequence[RecordedEdge] = ()
) -> None:
    """Writes a file for `read_history_file`; the same content gives the same bytes.

    Nothing is compressed: the bytes would depend on the release of the compression library.
    """
    arrays = _columns(
        _CONTAINER_KEYS,
        [(series.name, series.timestamps, series.cpu_cores, series.memory_bytes) for series in containers],
    )
    arrays |= _facts(containers)
    if edges:
        rows = [
            (edge.name, edge.timestamps, edge.requests_per_second, edge.responses_per_second)
            for edge in edges
        ]
        arrays |= _columns(_EDGE_KEYS, rows)
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{key}.npy", _ZIP_TIME), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _facts(containers: Sequence[RecordedContainer]) -> Arrays:
    """Workloads and requests of the containers, each if any container has a value."""
    workloads = np.array([container.workload for container in containers], dtype=np.str_)
    requests = [(container.cpu_request_cores, container.memory_request_bytes) for container in containers]
    cpu, memory = np.array(requests, dtype="<f4").reshape(-1, 2).T
    facts = dict(zip(_FACT_KEYS, (workloads, cpu, memory), strict=True))
    return {key: array for key, array in facts.items() if _has_values(array)}


def _has_values(array: NDArray[np.generic]) -> bool:
    return any(array) if array.dtype.kind == "U" else not np.isnan(array.astype(np.float64)).all()


Row = tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _columns(keys: Sequence[str], rows: Sequence[Row]) -> Arrays:
    """The arrays of all rows, concatenated, in the smallest sufficient types."""
    names = np.array([name for name, *_ in rows], dtype=np.str_)
    offsets = np.cumsum([0, *(len(times) for _, times, *_ in rows)]).astype("<u4")
    columns = [np.concatenate([np.empty(0), *(row[column] for row in rows)]) for column in (1, 2, 3)]
    types = ("<u4", "<f4", "<f4")
    values = (column.astype(kind) for column, kind in zip(columns, types, strict=True))
    return dict(zip(keys, (names, offsets, *values), strict=True))
