"""Named arrays as one compressed text of bytes with a check on it; explicit, and the same on every machine.

    "JPCP"    4 bytes
    version   2 bytes, unsigned, little-endian
    digest    32 bytes, SHA-256 of all that follows
    body      zlib: length of the header (4 bytes, unsigned, little-endian), the header, the arrays

The header is JSON: `document`, whatever the caller gave, and `arrays`, which names each array, its numpy
dtype (little-endian) and its shape, in the order in which their bytes follow. Of items of several bytes come
first all first bytes, then all second ones: like with like packs well. Of sorted keys, only the differences
are stored.
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
    """Bytes that are no arrays of ours; `reason` is a CamelCase word."""

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
    """*document* and *arrays* as bytes: the same for the same."""
    described, contents = [], []
    for name, array in arrays.items():
        stored = array.astype(array.dtype.newbyteorder("<"), copy=False)
        is_sorted = stored.dtype == np.uint64 and stored.ndim == 1
        described.append(_Array(name, stored.dtype.str, stored.shape, is_sorted))
        contents.append(_planes(np.diff(stored, prepend=np.uint64(0)) if is_sorted else stored))
    header = msgspec.json.encode(_Header(msgspec.Raw(msgspec.json.encode(document)), described))
    body = zlib.compress(b"".join((_LENGTH.pack(len(header)), header, *contents)))
    return _PREFIX.pack(MAGIC, VERSION, sha256(body).digest()) + body


def unpack(packed: bytes) -> tuple[msgspec.Raw, dict[str, NDArray[Any]]]:
    """What `pack` was given, the document as JSON; raises UnreadableError."""
    body = memoryview(zlib.decompress(_checked(packed)))
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    try:
        header = msgspec.json.decode(body[_LENGTH.size : at], type=_Header)
    except msgspec.DecodeError as error:
        raise UnreadableCheckpointError("Malformed", f"its header can't be read: {error}") from error
    arrays = {}
    for each in header.arrays:
        dtype, size = np.dtype(each.dtype), int(np.prod(each.shape))
        planes = np.frombuffer(body[at : at + size * dtype.itemsize], dtype=np.uint8)
        items = np.array(planes.reshape(dtype.itemsize, size).T, order="C")
        found = items.view(dtype).reshape(each.shape)
        arrays[each.name] = found.cumsum(dtype=np.uint64) if each.sorted else found
        at += size * dtype.itemsize
    if at != len(body):
        raise UnreadableCheckpointError("Malformed", "its arrays are not those of its header")
    return header.document, arrays


def _checked(packed: bytes) -> bytes:
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
    items = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.dtype.itemsize)
    return np.ascontiguousarray(items.T).tobytes()
