"""The file format of check-points: named arrays, compressed and with a checksum; the same on every machine.

    "JPCP"    4 bytes
    version   2 bytes, unsigned, little-endian
    digest    32 bytes, SHA-256 of all that follows
    body      zlib: length of the header (4 bytes, unsigned, little-endian), the header, the arrays

The header is JSON: `document`, which the caller passes, and `arrays`, with the name, numpy dtype
(little-endian) and shape of each array, in the order of their bytes. Items of several bytes are stored by
byte position: all first bytes, then all second ones, which compresses better. Sorted keys are stored as
differences.

A check-point may come from any user who can write ConfigMaps. So the body is inflated up to a limit only, and
what the header declares is compared with the bytes that are there before an array is made.
"""

import math
import re
import struct
import zlib
from collections.abc import Mapping
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

MAGIC = b"JPCP"
# A document without the fields of version 2 is stored as version 1, which older releases read too.
FIRST_VERSION, VERSION = 1, 2
_PREFIX = struct.Struct("<4sH32s")
_LENGTH = struct.Struct("<I")
# The state of a shard of 512 KiB is 4 MiB; one that is larger is not written, but split.
MAX_BODY_BYTES, MAX_HEADER_BYTES = 32 * 1024 * 1024, 4 * 1024 * 1024
_DTYPE = re.compile(r"[<|][biuf][1248]")
Arrays = Mapping[str, NDArray[Any]]


class UnreadableCheckpointError(ValueError):
    """Bytes that are no readable check-point; `reason` is a CamelCase word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OversizedCheckpointError(ValueError):
    """A state that is too large for one check-point, however well it is compressed."""


class Unpacked(NamedTuple):
    """The document (as JSON), the arrays by name, and the size of both before the compression."""

    document: msgspec.Raw
    arrays: dict[str, NDArray[Any]]
    body_bytes: int


class _Array(msgspec.Struct, array_like=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    sorted: bool


class _Header(msgspec.Struct):
    document: msgspec.Raw
    arrays: list[_Array]


def pack(document: msgspec.Struct, arrays: Arrays, version: int = VERSION) -> bytes:
    """*document* and *arrays* as bytes of a *version*; equal input gives equal bytes.

    Raises:
        OversizedCheckpointError: `unpack` would refuse it.
    """
    stored = [array.astype(array.dtype.newbyteorder("<"), copy=False) for array in arrays.values()]
    descriptions = [
        _Array(name, array.dtype.str, array.shape, _is_sorted(array))
        for name, array in zip(arrays, stored, strict=True)
    ]
    header = msgspec.json.encode(_Header(msgspec.Raw(msgspec.json.encode(document)), descriptions))
    plain_bytes = _LENGTH.size + len(header) + sum(array.nbytes for array in stored)
    if len(header) > MAX_HEADER_BYTES or plain_bytes > MAX_BODY_BYTES:
        raise OversizedCheckpointError(f"{plain_bytes} bytes, {len(header)} of them in the header")
    compressor = zlib.compressobj()
    # One array after the other: the plain bytes of all would be in memory twice.
    plain = chain((_LENGTH.pack(len(header)), header), map(_content, stored))
    body = b"".join([*map(compressor.compress, plain), compressor.flush()])
    return _PREFIX.pack(MAGIC, version, sha256(body).digest()) + body


def unpack(packed: bytes, max_bytes: int = MAX_BODY_BYTES) -> Unpacked:
    """What `pack` stored; raises UnreadableCheckpointError, also if the body has more than *max_bytes*."""
    body = memoryview(_inflate(_verify(packed), min(max_bytes, MAX_BODY_BYTES)))
    (length,) = _LENGTH.unpack_from(body)
    if MAX_HEADER_BYTES < length <= len(body):
        raise UnreadableCheckpointError("TooLarge", f"its header has more than {MAX_HEADER_BYTES} bytes")
    offset = _LENGTH.size + length
    try:
        header = msgspec.json.decode(body[_LENGTH.size : offset], type=_Header)
    except msgspec.DecodeError as error:
        raise UnreadableCheckpointError("Malformed", f"its header can't be read: {error}") from error
    arrays = {}
    for description in header.arrays:
        end = offset + _stored_bytes(description)
        if end > len(body):
            message = f"its array {description.name} is declared larger than the check-point"
            raise UnreadableCheckpointError("Malformed", message)
        arrays[description.name] = _array(description, body[offset:end])
        offset = end
    if offset != len(body):
        raise UnreadableCheckpointError("Malformed", "its arrays do not match its header")
    return Unpacked(header.document, arrays, len(body))


def _inflate(compressed: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    body = inflater.decompress(compressed, max_bytes + 1)
    if len(body) > max_bytes:
        raise UnreadableCheckpointError("TooLarge", f"it inflates to more than {max_bytes} bytes")
    if not inflater.eof or inflater.unused_data:
        raise UnreadableCheckpointError("Malformed", "its compressed body has another end")
    return body


def _stored_bytes(description: _Array) -> int:
    """The declared size of an array."""
    is_plain = _DTYPE.fullmatch(description.dtype) and all(size >= 0 for size in description.shape)
    is_sorted_alike = not description.sorted or (description.dtype == "<u8" and len(description.shape) == 1)
    if not is_plain or not is_sorted_alike:
        raise UnreadableCheckpointError("Malformed", f"its array {description.name} is not of the format")
    return math.prod(description.shape) * np.dtype(description.dtype).itemsize


def _array(description: _Array, stored: memoryview) -> NDArray[Any]:
    dtype = np.dtype(description.dtype)
    planes = np.frombuffer(stored, dtype=np.uint8).reshape(dtype.itemsize, -1)
    array = np.array(planes.T, order="C").view(dtype).reshape(description.shape)
    return array.cumsum(dtype=np.uint64) if description.sorted else array


def _verify(packed: bytes) -> bytes:
    if len(packed) < _PREFIX.size or not packed.startswith(MAGIC):
        raise UnreadableCheckpointError("Corrupt", "it is not a check-point")
    _, version, digest = _PREFIX.unpack_from(packed)
    if not FIRST_VERSION <= version <= VERSION:
        raise UnreadableCheckpointError(
            "OtherVersion", f"it has version {version}, and {FIRST_VERSION} to {VERSION} can be read"
        )
    if sha256(packed[_PREFIX.size :]).digest() != digest:
        raise UnreadableCheckpointError("Corrupt", "its checksum is wrong")
    return packed[_PREFIX.size :]


def _is_sorted(array: NDArray[Any]) -> bool:
    """True for the keys of histograms, of which the differences are stored."""
    return bool(array.dtype == np.uint64 and array.ndim == 1)


def _content(array: NDArray[Any]) -> bytes:
    """The stored bytes of an array."""
    return _planes(np.diff(array, prepend=np.uint64(0)) if _is_sorted(array) else array)


def _planes(array: NDArray[Any]) -> bytes:
    """The bytes of *array* by byte position within its items."""
    items = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.dtype.itemsize)
    return np.ascontiguousarray(items.T).tobytes()
