"""The file of a recorded history: reading with every fault named, and writing with the same bytes each time.

The format is described in `docs/history-format.md`. Nothing in a file is ever executed: pickled content is
refused.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import HistoryFileError

CONTAINER_VALUES = ("cpu_cores", "memory_bytes")
EDGE_VALUES = ("edge_requests_per_second", "edge_responses_per_second")
_CONTAINER_KEYS = ("names", "offsets", "timestamps", *CONTAINER_VALUES)
_FACT_KEYS = (
    "workloads",
    "cpu_request_cores",
    "memory_request_bytes",
)  # of each container; each may be absent
_EDGE_KEYS = ("edge_names", "edge_offsets", "edge_timestamps", *EDGE_VALUES)

_LATEST_SECONDS = 2**32 - 1  # the year 2106; times in milliseconds are beyond it
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the zip format's zero: when a file was written must not change its bytes


@dataclass(frozen=True, slots=True, eq=False)
class RecordedSeries:
    """Series of unequal length, one after the other: `series[k]` is the number of the series of sample k."""

    names: tuple[str, ...]
    series: NDArray[np.int64]
    timestamps: NDArray[np.float64]
    values: tuple[NDArray[np.float64], NDArray[np.float64]]
    # Of each name, where the file tells it: `Kind/namespace/name` or empty; CPU and memory, NaN for none.
    workloads: tuple[str, ...] = ()
    requests: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedContainer:
    """One container's samples: *name* is `namespace/pod/container`, or a word for what stands alone.

    `workload` is `Kind/namespace/name`, empty where nobody told it; requests are NaN where there are none.
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
        HistoryFileError: names the file and what is wrong in it.
    """
    try:
        return _tables(_load(path))
    except _FaultError as fault:
        raise HistoryFileError(f"{path}: {fault}; docs/history-format.md describes the format") from fault


class _FaultError(Exception):
    """What is wrong in a file whose name the caller knows."""


Arrays = dict[str, NDArray[np.generic]]


def _load(path: Path) -> Arrays:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise _FaultError("this is a single array and not an .npz archive of several")
            return {key: loaded[key] for key in (*_CONTAINER_KEYS, *_FACT_KEYS, *_EDGE_KEYS) if key in loaded}
    except FileNotFoundError as error:
        raise _FaultError("there is no such file") from error
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise _FaultError(f"this can't be read as an .npz archive of plain arrays ({error})") from error


def _tables(arrays: Arrays) -> tuple[RecordedSeries, RecordedSeries]:
    edge_keys = _EDGE_KEYS if any(key in arrays for key in _EDGE_KEYS) else ()
    containers = _with_facts(_table(arrays, _CONTAINER_KEYS, _is_container_name), arrays)
    edges = _table(arrays, edge_keys, _is_edge_name)
    if all(np.isnan(values).all() for values in (*containers.values, *edges.values)):
        raise _FaultError("it holds no sample")
    return containers, edges


def _table(arrays: Arrays, keys: Sequence[str], is_name: Callable[[str], bool]) -> RecordedSeries:
    if not keys:
        nothing = np.empty(0)
        return RecordedSeries((), np.empty(0, dtype=np.int64), nothing, (nothing, nothing))
    if missing := [key for key in keys if key not in arrays]:
        raise _FaultError(f"{_quoted(missing)} missing")
    names_key, offsets_key, timestamps_key, *value_keys = keys
    names = _names(arrays, names_key, is_name)
    timestamps = _numbers(arrays, timestamps_key)
    if not ((timestamps >= 0) & (timestamps <= _LATEST_SECONDS)).all():
        raise _FaultError(f"`{timestamps_key}` must hold Unix times in seconds, 0 to {_LATEST_SECONDS}")
    lengths = _lengths(arrays, offsets_key, names=len(names), samples=len(timestamps))
    first, second = (_values(arrays, key, len(timestamps)) for key in value_keys)
    return RecordedSeries(names, np.repeat(np.arange(len(names)), lengths), timestamps, (first, second))


def _with_facts(table: RecordedSeries, arrays: Arrays) -> RecordedSeries:
    workloads_key, *request_keys = _FACT_KEYS
    workloads: tuple[str, ...] = ()
    if workloads_key in arrays:
        workloads = tuple(map(str, _one_dimension(arrays, workloads_key, "U", "texts")))
        _must_be_one_each(workloads_key, len(workloads), len(table.names))
        for text in workloads:
            if text and (text.count("/") != 2 or not all(text.split("/"))):
                raise _FaultError(f"`{workloads_key}` holds {text!r}, which is not Kind/namespace/name")
    if not any(key in arrays for key in request_keys):
        return replace(table, workloads=workloads)
    cpu, memory = (_requests(arrays, key, len(table.names)) for key in request_keys)
    return replace(table, workloads=workloads, requests=(cpu, memory))


def _requests(arrays: Arrays, key: str, names: int) -> NDArray[np.float64]:
    if key not in arrays:
        return np.full(names, np.nan)
    requests = _numbers(arrays, key)
    _must_be_one_each(key, len(requests), names)
    return _usable(requests, key)


def _must_be_one_each(key: str, found: int, names: int) -> None:
    if found != names:
        raise _FaultError(f"`{key}` must hold {names}, one for each name, and holds {found}")


def _quoted(keys: Iterable[str]) -> str:
    listed = [f"`{key}`" for key in keys]
    return f"{', '.join(listed)} {'is' if len(listed) == 1 else 'are'}"


def _one_dimension(arrays: Arrays, key: str, kinds: str, wanted: str) -> NDArray[np.generic]:
    array = arrays[key]
    if array.dtype.kind not in kinds or array.ndim != 1:
        found = f"{array.dtype} with {array.ndim} dimensions"
        raise _FaultError(f"`{key}` must be an array of {wanted} with one dimension, and is {found}")
    return array


def _names(arrays: Arrays, key: str, is_name: Callable[[str], bool]) -> tuple[str, ...]:
    names = tuple(map(str, _one_dimension(arrays, key, "U", "texts")))
    for name in names:
        if not is_name(name):
            raise _FaultError(f"`{key}` holds {name!r}, which is not a name of the format")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _FaultError(f"`{key}` holds {twice!r} twice")
    return names


def _is_container_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) in {1, 3} and all(parts)


def _is_edge_name(name: str) -> bool:
    ends = [end.split("/") for end in name.split(">")]
    return len(ends) == 2 and all(len(end) == 2 and all(end) for end in ends)


def _numbers(arrays: Arrays, key: str) -> NDArray[np.float64]:
    return _one_dimension(arrays, key, "iuf", "numbers").astype(np.float64)


def _lengths(arrays: Arrays, key: str, *, names: int, samples: int) -> NDArray[np.int64]:
    offsets = _one_dimension(arrays, key, "iu", "integers").astype(np.int64)
    if len(offsets) != names + 1:
        raise _FaultError(
            f"`{key}` must hold {names + 1} numbers (one more than names), and holds {len(offsets)}"
        )
    lengths = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != samples or (lengths < 0).any():
        raise _FaultError(f"`{key}` must rise from 0 to {samples}, the number of samples")
    return lengths


def _values(arrays: Arrays, key: str, samples: int) -> NDArray[np.float64]:
    values = _numbers(arrays, key)
    if len(values) != samples:
        raise _FaultError(f"`{key}` must hold {samples} numbers, one for each time, and holds {len(values)}")
    return _usable(values, key)


def _usable(values: NDArray[np.float64], key: str) -> NDArray[np.float64]:
    if not (np.isnan(values) | ((values >= 0) & (values < np.inf))).all():
        raise _FaultError(f"`{key}` holds a number that is negative or infinite (NaN stands for no sample)")
    return values


def write_history_file(
    path: Path, containers: Sequence[RecordedContainer], edges: Sequence[RecordedEdge] = ()
) -> None:
    """Writes a file that `read_history_file` reads; the same content gives the same bytes.

    Nothing is compressed: the bytes would depend on the release of the library that does it.
    """
    arrays = _columns(
        _CONTAINER_KEYS,
        [(each.name, each.timestamps, each.cpu_cores, each.memory_bytes) for each in containers],
    )
    arrays |= _facts(containers)
    if edges:
        rows = [
            (each.name, each.timestamps, each.requests_per_second, each.responses_per_second)
            for each in edges
        ]
        arrays |= _columns(_EDGE_KEYS, rows)
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{key}.npy", _ZIP_TIME), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _facts(containers: Sequence[RecordedContainer]) -> Arrays:
    """What is known of the containers besides, where it is of any of them."""
    workloads = np.array([each.workload for each in containers], dtype=np.str_)
    requests = [(each.cpu_request_cores, each.memory_request_bytes) for each in containers]
    cpu, memory = np.array(requests, dtype="<f4").reshape(-1, 2).T
    facts = dict(zip(_FACT_KEYS, (workloads, cpu, memory), strict=True))
    return {key: array for key, array in facts.items() if _tells_something(array)}


def _tells_something(array: NDArray[np.generic]) -> bool:
    return any(array) if array.dtype.kind == "U" else not np.isnan(array.astype(np.float64)).all()


Row = tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _columns(keys: Sequence[str], rows: Sequence[Row]) -> Arrays:
    """The rows' arrays, one after the other, in the narrowest types that hold them well."""
    names = np.array([name for name, *_ in rows], dtype=np.str_)
    offsets = np.cumsum([0, *(len(times) for _, times, *_ in rows)]).astype("<u4")
    columns = [np.concatenate([np.empty(0), *(row[column] for row in rows)]) for column in (1, 2, 3)]
    types = ("<u4", "<f4", "<f4")
    values = (column.astype(kind) for column, kind in zip(columns, types, strict=True))
    return dict(zip(keys, (names, offsets, *values), strict=True))
