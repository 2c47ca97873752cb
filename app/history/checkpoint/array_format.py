"""The file format of check-points: named arrays, compressed and with a checksum; the same on every machine.

    "JPCP"    4 bytes
    version   2 bytes, unsigned, little-endian
    digest    32 bytes, SHA-256 of all that follows
    body      zlib: length of the header (4 bytes, unsigned, little-endian), the header, the arrays

The header is JSON: `document`, which the caller passes, and `arrays`, with the name, numpy dtype
(little-endian) and shape of each array, in the order of their bytes. Items of several bytes are stored by
byte position: all first bytes, then all second ones, which compresses better. Sorted keys are stored as
differences.
"""

import struct
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = b"JPCP", 1
_PREFIX = struct.Struct("<4sH32s")
_LENGTH = struct.Struct("<I")
Arrays = Mapping[str, NDArray[Any]]


class UnreadableCheckpointError(ValueError):
    """Bytes that are no readable check-point; `reason` is a CamelCase word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Array(msgspec.Struct, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    sorted: bool


class _Header(msgspec.Struct):
    document: msgspec.Raw
    arrays: list[_Array]


def pack(document: msgspec.Struct, arrays: Arrays) -> bytes:
    """*document* and *arrays* as bytes; equal input gives equal bytes."""
    descriptions, contents = [], []
    for name, array in arrays.items():
        stored = array.astype(array.dtype.newbyteorder("<"), copy=False)
        is_sorted = stored.dtype == np.uint64 and stored.ndim == 1
        descriptions.append(_Array(name, stored.dtype.str, stored.shape, is_sorted))
        contents.append(_planes(np.diff(stored, prepend=np.uint64(0)) if is_sorted else stored))
    header = msgspec.json.encode(_Header(msgspec.Raw(msgspec.json.encode(document)), descriptions))
    body = zlib.compress(b"".join((_LENGTH.pack(len(header)), header, *contents)))
    return _PREFIX.pack(MAGIC, VERSION, sha256(body).digest()) + body


def unpack(packed: bytes) -> tuple[msgspec.Raw, dict[str, NDArray[Any]]]:
    """The document (as JSON) and arrays that `pack` stored; raises UnreadableCheckpointError."""
    body = memoryview(zlib.decompress(_verify(packed)))
    (length,) = _LENGTH.unpack_from(body)
    offset = _LENGTH.size + length
    try:
        header = msgspec.json.decode(body[_LENGTH.size : offset], type=_Header)
    except msgspec.DecodeError as error:
        raise UnreadableCheckpointError("Malformed", f"its header can't be read: {error}") from error
    arrays = {}
    for description in header.arrays:
        dtype, size = np.dtype(description.dtype), int(np.prod(description.shape))
        planes = np.frombuffer(body[offset : offset + size * dtype.itemsize], dtype=np.uint8)
        items = np.array(planes.reshape(dtype.itemsize, size).T, order="C")
        array = items.view(dtype).reshape(description.shape)
        arrays[description.name] = array.cumsum(dtype=np.uint64) if description.sorted else array
        offset += size * dtype.itemsize
    if offset != len(body):
        raise UnreadableCheckpointError("Malformed", "its arrays do not match its header")
    return header.document, arrays


def _verify(packed: bytes) -> bytes:
    if len(packed) < _PREFIX.size or not packed.startswith(MAGIC):
        raise UnreadableCheckpointError("Corrupt", "it is not a check-point")
    _, version, digest = _PREFIX.unpack_from(packed)
    if version != VERSION:
        raise UnreadableCheckpointError(
            "OtherVersion", f"it has version {version}, and {VERSION} can be read"
        )
    if sha256(packed[_PREFIX.size :]).digest() != digest:
        raise UnreadableCheckpointError("Corrupt", "its checksum is wrong")
    return packed[_PREFIX.size :]


def _planes(array: NDArray[Any]) -> bytes:
    """The bytes of *array* by byte position within its items."""
    items = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.dtype.itemsize)
    return np.ascontiguousarray(items.T).tobytes()
