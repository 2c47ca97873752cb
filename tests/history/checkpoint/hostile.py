"""Check-points as any user who can write ConfigMaps could make them: small, valid, and huge inside."""

import struct
import zlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import msgspec

from app.domain.namespaces import NamespaceSelection
from app.history.checkpoint.array_format import UnreadableCheckpointError
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange
from app.history.usage import UsageState

MIB = 2**20


def sealed(chunks: Iterable[bytes]) -> bytes:
    """The chunks, compressed, with magic, version and checksum."""
    compressor = zlib.compressobj(9)
    body = b"".join([*map(compressor.compress, chunks), compressor.flush()])
    return b"JPCP\x01\x00" + sha256(body).digest() + body


def opened(packed: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes of the arrays."""
    body = zlib.decompress(packed[38:])
    (length,) = struct.unpack_from("<I", body)
    return msgspec.json.decode(body[4 : 4 + length]), body[4 + length :]


def with_header(header: object, arrays: Iterable[bytes] = ()) -> bytes:
    """A check-point with any header."""
    text = msgspec.json.encode(header)
    return sealed([struct.pack("<I", len(text)), text, *arrays])


def empty() -> tuple[dict[str, Any], bytes]:
    """The header and arrays of a check-point without workloads."""
    state = UsageState(timeslots=4, retained_days=15)
    return opened(encode(Checkpoint(KeyRange(), NamespaceSelection(), state, ConnectionHistory())))


def zeros(mib: int = 960) -> bytes:
    """990 kB of deflated zeros: 960 MiB."""
    return sealed([bytes(MIB)] * mib)


def flags() -> bytes:
    """Coverage of 20,000 ranges on 40 days, whose bits take eight times their 28 MiB."""
    header, content = empty()
    rows, days = 20_000, 40
    arrays = [["cpu/coverage/starts", "<i8", [rows], False]]
    arrays += [[f"cpu/coverage/{day}", "|u1", [rows, 36], False] for day in range(days)]
    header["arrays"] = arrays + [item for item in header["arrays"] if not item[0].startswith("cpu/coverage")]
    starts = b"".join(bytes([start >> 8 * byte & 255]) for byte in range(8) for start in range(rows))
    return with_header(header, [starts, bytes(rows * 36 * days), content[8:]])


def edges() -> bytes:
    """A document of 28 MiB, of which each six bytes become an object of 200 bytes."""
    header, content = empty()
    header["document"]["workloads"] = [["a", "b", "Deployment"]]
    text = msgspec.json.encode(header).replace(
        b'"edges":[]', b'"edges":[' + b"[0,0]," * (4 * MIB) + b"[0,0]]"
    )
    return sealed([struct.pack("<I", len(text)), text, content])


def declared(dtype: str, *shape: int, is_sorted: bool = False, content: bytes = b"") -> Callable[[], bytes]:
    """An array that is declared in any way."""

    def build() -> bytes:
        header, rest = empty()
        header["arrays"].insert(0, ["x", dtype, shape, is_sorted])
        return with_header(header, [content, rest])

    return build


ATTACKS: dict[str, Callable[[], bytes]] = {
    "zeros": zeros,
    "flags": flags,
    "edges": edges,
    "huge item": declared("S2000000000", 1),
    "huge void": declared("V2000000000", 1),
    "objects": declared("|O", 10),
    "structure": declared("f8,f8", 10),
    "huge shape": declared("<f8", 2**40),
    "product beyond 64 bits": declared("<f8", 2**32, 2**32),
    "negative": declared("<f8", -1, -(2**20)),
    "sorted bytes": declared("|u1", 16 * MIB, is_sorted=True, content=bytes(16 * MIB)),
    "deep": lambda: sealed([struct.pack("<I", 2 * MIB), b"[" * (2 * MIB)]),
    "a huge header": lambda: sealed([struct.pack("<I", 2**31), bytes(16)]),
}


def read(name: str) -> list[Any]:
    """The size of the attack, and the reason for which it is not read."""
    packed = ATTACKS[name]()
    return [len(packed), *_read(packed)]


def _read(packed: bytes) -> list[str]:
    try:
        decode(packed, timeslots=4, retained_days=15)
    except UnreadableCheckpointError as error:
        return [error.reason, str(error)]
    return ["", ""]
