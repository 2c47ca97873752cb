"""Arrays of one dimension from an `.npz` archive; what a member declares is checked before it is read.

A zip archive can hold a thousand times its size, and the header of an array can declare any shape and type.
So all arrays together may take a multiple of the file's size; nothing that is pickled is read.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]

# Usage that varies is compressed to a quarter or more of its size in memory.
MAX_GROWTH, ALWAYS_ALLOWED_BYTES = 16, 64 * 2**20
# As Python objects: text beside its characters, and each series in the matrix of one day (288 numbers).
_TEXT_BYTES, _NUMBER_BYTES = 64 + 288 * 8, 8
_MAX_MEMBERS = 1000
_VERSION = (1, 0)  # its header has at most 64 KiB; later versions are for structures, and allow 4 GiB
_UNREADABLE = (OSError, EOFError, ValueError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


class ArchiveError(Exception):
    """The file is no archive of plain arrays, or too large; the text names the member."""


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    offset: int

    @property
    def needed_bytes(self) -> int:
        """The memory for the array as the history uses it."""
        items = self.shape[0] if self.shape else 1
        return items * (self.dtype.itemsize + _TEXT_BYTES if self.dtype.kind == "U" else _NUMBER_BYTES)


def read_arrays(path: Path, kinds: Mapping[str, str]) -> Arrays:
    """The arrays with these names that the file has; *kinds* are the letters of their numpy types.

    Raises:
        ArchiveError: the file can't be read, or an array has another type or shape, or is too large.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
                raise ArchiveError("the file is a single array, not an .npz archive of arrays")
            with zipfile.ZipFile(file) as archive:
                return _read(archive, kinds, ALWAYS_ALLOWED_BYTES + MAX_GROWTH * path.stat().st_size)
    except FileNotFoundError as error:
        raise ArchiveError("there is no such file") from error
    except _UNREADABLE as error:
        raise ArchiveError(f"the file can't be read as an .npz archive of plain arrays ({error})") from error


def _read(archive: zipfile.ZipFile, kinds: Mapping[str, str], room_bytes: int) -> Arrays:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise ArchiveError(f"the file has {len(members)} members, more than {_MAX_MEMBERS}")
    arrays: Arrays = {}
    for member in members:
        key = member.filename.removesuffix(".npy")
        if key not in kinds or key == member.filename:
            continue
        if key in arrays:
            raise ArchiveError(f"the file has the member {member.filename} twice")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ArchiveError(f"the member {member.filename} is compressed by another method than deflate")
        with archive.open(member) as content:
            try:
                header = _header(content, member, kinds[key])
                room_bytes -= header.needed_bytes
                if room_bytes < 0:
                    raise ArchiveError(_too_large(member, header))
                arrays[key] = _values(content, header)
            except _UNREADABLE as error:
                raise ArchiveError(f"the member {member.filename} is no plain array ({error})") from error
    return arrays


def _header(content: IO[bytes], member: zipfile.ZipInfo, kinds: str) -> _Header:
    version = np.lib.format.read_magic(content)
    if version != _VERSION:
        raise ArchiveError(
            f"the member {member.filename} has version {version} of the format, not {_VERSION}"
        )
    shape, _, dtype = np.lib.format.read_array_header_1_0(content)
    header = _Header(dtype, shape, content.tell())
    if dtype.hasobject:
        raise ArchiveError(f"the member {member.filename} holds objects, and pickled content is not read")
    if dtype.kind not in kinds or len(shape) != 1:
        content_type = {"U": "strings", "iu": "integers"}.get(kinds, "numbers")
        raise ArchiveError(
            f"`{member.filename.removesuffix('.npy')}` must be an array of {content_type} with one dimension,"
            f" and is {dtype} with {len(shape)} dimensions"
        )
    if shape[0] < 0 or header.offset + shape[0] * dtype.itemsize != member.file_size:
        raise ArchiveError(
            f"the member {member.filename} declares {dtype}{list(shape)}, which is not its size"
        )
    return header


def _values(content: IO[bytes], header: _Header) -> NDArray[np.generic]:
    size = header.shape[0] * header.dtype.itemsize
    data = content.read(size)
    if len(data) != size:
        raise ValueError("it ends early")
    return np.frombuffer(data, header.dtype) if size else np.empty(header.shape, header.dtype)


def _too_large(member: zipfile.ZipInfo, header: _Header) -> str:
    return (
        f"the member {member.filename} with {header.dtype}{list(header.shape)} would take the arrays beyond"
        f" {MAX_GROWTH} times the size of the file; if it is right, save it without compression"
    )
