"""History files: errors are specific, and the same content gives the same bytes."""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import HistoryFileError
from app.sources.history_file import (
    RecordedContainer,
    RecordedEdge,
    read_history_file,
    write_history_file,
)

TIMES = np.array([300, 600], dtype=np.int64)
WEB = RecordedContainer("emojivoto/web-1/web-svc", TIMES, np.array([0.25, 0.5]), np.array([1e6, 2e6]))
VM = RecordedContainer("vm001", TIMES[:1], np.array([1.0]), np.array([3e6]))
EDGE = RecordedEdge("emojivoto/web>emojivoto/emoji", TIMES, np.array([2.0, 4.0]), np.array([1.0, 3.0]))


def arrays(**changes: Any) -> dict[str, Any]:
    """A valid file's arrays: one container of two samples, one edge of one sample; None removes an array."""
    valid: dict[str, Any] = {
        "names": np.array(["emojivoto/web-1/web-svc"]),
        "offsets": np.array([0, 2]),
        "timestamps": np.array([300, 600]),
        "cpu_cores": np.array([0.25, 0.5]),
        "memory_bytes": np.array([1e6, 2e6]),
        "edge_names": np.array(["emojivoto/web>emojivoto/emoji"]),
        "edge_offsets": np.array([0, 1]),
        "edge_timestamps": np.array([300]),
        "edge_requests_per_second": np.array([2.0]),
        "edge_responses_per_second": np.array([1.0]),
    }
    return {key: value for key, value in (valid | changes).items() if value is not None}


def refusal(path: Path) -> str:
    with pytest.raises(HistoryFileError) as caught:
        read_history_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("; docs/pages/history-format.md describes the format")
    return message


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Names, samples in the order of their series, and edges are read unchanged; float32 holds them."""
    path = tmp_path / "history.npz"
    write_history_file(path, [WEB, VM], [EDGE])

    containers, edges = read_history_file(path)

    assert containers.names == ("emojivoto/web-1/web-svc", "vm001")
    assert containers.series.tolist() == [0, 0, 1]
    assert containers.timestamps.tolist() == [300, 600, 300]
    assert [values.tolist() for values in containers.values] == [[0.25, 0.5, 1.0], [1e6, 2e6, 3e6]]
    assert edges.names == ("emojivoto/web>emojivoto/emoji",)
    assert [values.tolist() for values in edges.values] == [[2.0, 4.0], [1.0, 3.0]]


def test_edges_may_be_absent(tmp_path: Path) -> None:
    """A file with containers only has an empty table of edges."""
    path = tmp_path / "history.npz"
    write_history_file(path, [WEB])

    assert read_history_file(path)[1].names == ()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes depend neither on the file's name nor on the time of writing (here: 2001 and 2033)."""
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for path, now in zip(paths, (1e9, 2e9), strict=True):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_history_file(path, [WEB, VM], [EDGE])

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_compressed_files_are_read(tmp_path: Path) -> None:
    """NumPy's `savez_compressed` writes files of the format; additional keys are ignored."""
    path = tmp_path / "history.npz"
    np.savez_compressed(path, **arrays(network_receive_bytes_per_second=np.zeros(2)))

    assert read_history_file(path)[0].names == ("emojivoto/web-1/web-svc",)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing key": ({"cpu_cores": None}, "`cpu_cores` is missing"),
    "missing keys": ({"names": None, "offsets": None}, "`names`, `offsets` are missing"),
    "half of the edges": (
        {"edge_names": None, "edge_offsets": None},
        "`edge_names`, `edge_offsets` are missing",
    ),
    "names of bytes": (
        {"names": np.array([b"web"])},
        "`names` must be an array of strings with one dimension, and is |S3 with 1 dimensions",
    ),
    "names in a table": (
        {"names": np.array([["a"]])},
        "`names` must be an array of strings with one dimension, and is <U1 with 2 dimensions",
    ),
    "two parts": (
        {"names": np.array(["emojivoto/web-1"])},
        "`names` has 'emojivoto/web-1', which is not a name of the format",
    ),
    "empty part": (
        {"names": np.array(["emojivoto//web"])},
        "`names` has 'emojivoto//web', which is not a name of the format",
    ),
    "the same name twice": (
        {"names": np.array(["vm", "vm"]), "offsets": np.array([0, 1, 2])},
        "`names` has 'vm' twice",
    ),
    "one end": (
        {"edge_names": np.array(["emojivoto/web"])},
        "`edge_names` has 'emojivoto/web', which is not a name of the format",
    ),
    "an end without namespace": (
        {"edge_names": np.array(["web>emojivoto/emoji"])},
        "`edge_names` has 'web>emojivoto/emoji', which is not a name of the format",
    ),
    "fractional offsets": (
        {"offsets": np.array([0.0, 2.0])},
        "`offsets` must be an array of integers with one dimension, and is float64 with 1 dimensions",
    ),
    "too few offsets": (
        {"offsets": np.array([0])},
        "`offsets` must have 2 numbers (one more than names), and has 1",
    ),
    "falling offsets": (
        {"names": np.array(["a", "b", "c"]), "offsets": np.array([0, 2, 1, 2])},
        "`offsets` must rise from 0 to 2, the number of samples",
    ),
    "short offsets": (
        {"offsets": np.array([0, 1])},
        "`offsets` must rise from 0 to 2, the number of samples",
    ),
    "late offsets": ({"offsets": np.array([1, 2])}, "`offsets` must rise from 0 to 2, the number of samples"),
    "milliseconds": (
        {"timestamps": np.array([1.7e12, 1.7e12])},
        "`timestamps` must have Unix times in seconds, 0 to 4294967295",
    ),
    "a time that is none": (
        {"timestamps": np.array([np.nan, 300])},
        "`timestamps` must have Unix times in seconds, 0 to 4294967295",
    ),
    "times as text": (
        {"timestamps": np.array(["300", "600"])},
        "`timestamps` must be an array of numbers with one dimension, and is <U3 with 1 dimensions",
    ),
    "too few values": (
        {"memory_bytes": np.array([1e6])},
        "`memory_bytes` must have 2 numbers, one per time, and has 1",
    ),
    "a negative value": (
        {"cpu_cores": np.array([0.5, -0.1])},
        "`cpu_cores` has a number that is negative or infinite (NaN means no sample)",
    ),
    "an infinite value": (
        {"edge_requests_per_second": np.array([np.inf])},
        "`edge_requests_per_second` has a number that is negative or infinite (NaN means no sample)",
    ),
    "nothing but NaN": (
        {
            "cpu_cores": np.full(2, np.nan),
            "memory_bytes": np.full(2, np.nan),
            "edge_requests_per_second": np.full(1, np.nan),
            "edge_responses_per_second": np.full(1, np.nan),
        },
        "the file has no sample",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_of_the_content(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    """One array is wrong or absent; the message names it and the expected content."""
    path = tmp_path / "history.npz"
    np.savez(path, **arrays(**changes))

    assert expected in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"names,cpu\nweb,0.5\n", b"PK\x03\x04 and no more", b"\x80\x04N."],
    ids=["empty", "text", "broken archive", "pickle"],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes) -> None:
    """A file that is no archive of arrays is refused."""
    path = tmp_path / "history.npz"
    path.write_bytes(content)

    assert "the file can't be read as an .npz archive of plain arrays" in refusal(path)


def test_no_file(tmp_path: Path) -> None:
    """The message says that the file does not exist."""
    assert ": there is no such file;" in refusal(tmp_path / "nowhere.npz")


def test_a_single_array(tmp_path: Path) -> None:
    """An .npy file is readable, but no archive."""
    path = tmp_path / "history.npy"
    np.save(path, np.zeros(3))

    assert "a single array, not an .npz archive" in refusal(path)


class Exploit:
    """Pickled: loading it would create the file `trace`."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_pickled_content_is_never_loaded(tmp_path: Path) -> None:
    """An array of objects is refused, and its code is not executed."""
    path, trace = tmp_path / "history.npz", tmp_path / "trace"
    np.savez(path, **arrays(names=np.array([Exploit(trace)], dtype=object)))

    assert "holds objects, and pickled content is not read" in refusal(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8, 0.99])
def test_a_truncated_archive(tmp_path: Path, kept: float) -> None:
    """A file that is cut off is refused at any length."""
    path = tmp_path / "history.npz"
    write_history_file(path, [WEB, VM], [EDGE])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])

    refusal(path)


def test_a_damaged_member(tmp_path: Path) -> None:
    """A flipped byte in the stored samples fails the archive's checksum."""
    path = tmp_path / "history.npz"
    write_history_file(path, [WEB])
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("cpu_cores.npy").header_offset
    content = bytearray(path.read_bytes())
    end_of_header = content.index(b"\n", offset) + 1
    content[end_of_header] ^= 0xFF
    path.write_bytes(content)

    assert re.search("CRC", refusal(path))
