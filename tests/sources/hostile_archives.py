"""History files that are small and huge inside, or are no plain arrays; each is a function of the path."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.errors import HistoryFileError
from app.sources.recorded import read_recorded_history

MIB = 2**20


def npy_header(
    dtype: str, shape: object, version: tuple[int, int] = (1, 0), length: int | None = None
) -> bytes:
    """The beginning of an array's file."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode("latin-1")
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes(version) + size.to_bytes(2 if version == (1, 0) else 4, "little") + text


def write(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes | tuple[bytes, int]) -> None:
    """An archive; a member is its bytes, or its beginning and a number of MiB of zeros."""
    valid: dict[str, np.ndarray] = {
        "names": np.array(["vm"]),
        "offsets": np.array([0, 2]),
        "timestamps": np.array([300, 600]),
        "cpu_cores": np.array([0.5, 0.5]),
        "memory_bytes": np.array([1e6, 1e6]),
    }
    with zipfile.ZipFile(path, "w", method, compresslevel=9) as archive:
        for key, array in valid.items():
            if key not in members:
                buffer = io.BytesIO()
                np.save(buffer, array)
                archive.writestr(f"{key}.npy", buffer.getvalue())
        for key, content in members.items():
            begin, mib = content if isinstance(content, tuple) else (content, 0)
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                member.write(begin)
                for _ in range(mib):
                    member.write(bytes(MIB))


def bomb(path: Path) -> None:
    """1 GiB of zeros as times, in 1 MB."""
    write(path, timestamps=(npy_header("<f4", (2**28,)), 1024))


def bytes_as_numbers(path: Path) -> None:
    """134 million times of one byte, of which each becomes a number of eight."""
    write(path, timestamps=(npy_header("|u1", (128 * MIB,)), 128))


def many_names(path: Path) -> None:
    """16 million names of one character, of which each becomes a series."""
    write(path, names=(npy_header("<U1", (16 * MIB,)), 64))


def one_long_name(path: Path) -> None:
    """One name of 134 million characters."""
    write(path, names=(npy_header("<U134217728", (1,)), 512))


def long_header(path: Path) -> None:
    """A header of 256 MiB, in a later version of the format."""
    write(path, names=(npy_header("<U1", (1,), (2, 0), 2**28), 256))


def pickled(path: Path) -> None:
    """Objects, as pickle."""
    write(path, names=npy_header("|O", (1,)) + pickle.dumps(["vm"]))


def many_members(path: Path) -> None:
    """20,000 empty members."""
    write(path)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(20_000):
            archive.writestr(f"m{number}", b"")


def by_lzma(path: Path) -> None:
    """A method whose decoder in Python has no limit."""
    write(path, zipfile.ZIP_LZMA, timestamps=(npy_header("<f4", (2**26,)), 256))


def long_span(path: Path) -> None:
    """Two samples with 136 years between them: 49,710 days to read."""
    times = npy_header("<i8", (2,)) + np.array([0, 2**32 - 1]).tobytes()
    write(path, timestamps=times)


def declared(dtype: str, shape: object) -> Callable[[Path], None]:
    """Times that are declared in any way."""
    return lambda path: write(path, timestamps=npy_header(dtype, shape) + bytes(16))


ATTACKS: dict[str, Callable[[Path], None]] = {
    "bomb": bomb,
    "bytes as numbers": bytes_as_numbers,
    "many names": many_names,
    "one long name": one_long_name,
    "long header": long_header,
    "pickled": pickled,
    "many members": many_members,
    "lzma": by_lzma,
    "long span": long_span,
    "huge shape": declared("<f8", (2**40,)),
    "negative shape": declared("<f8", (-2,)),
    "no bytes per item": declared("<U0", (2**40,)),
    "dimensions": declared("<f8", (2,) * 30),
    "structure": declared("f8,f8", (1,)),
    "void": declared("|V2000000000", (1,)),
    "no tuple": declared("<f8", 2),
    "code": declared("<f8", "__import__('os')"),
}


def read(name: str, directory: str) -> list[object]:
    """The size of the file and the refusal of the reader; the file is made by another process."""
    path = Path(directory) / "history.npz"
    try:
        read_recorded_history(path)
    except HistoryFileError as error:
        return [path.stat().st_size, str(error)]
    return [path.stat().st_size, ""]
