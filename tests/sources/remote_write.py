"""Prometheus' remote-write protocol 0.1.0: sends series to a server that runs with the receiver enabled."""

import struct
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

# The value that ends a series, as Prometheus writes it when a target no longer has the series.
[STALE] = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
RECEIVER = "--web.enable-remote-write-receiver"
_SECONDS = 30
_LITERAL_BYTES = 1 << 16


class Written(NamedTuple):
    """A series: its labels, `__name__` among them, and (Unix seconds, value) of each sample in order."""

    labels: Mapping[str, str]
    samples: Iterable[tuple[float, float]]


def remote_write(prometheus_url: str, series: Iterable[Written]) -> None:
    """Send *series* in one request; raises HTTPError if the server refuses a sample."""
    message = b"".join(_field(1, _time_series(*each)) for each in series)
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    request = urllib.request.Request(f"{prometheus_url}/api/v1/write", _snappy(message), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_SECONDS):
        pass


def _time_series(labels: Mapping[str, str], samples: Iterable[tuple[float, float]]) -> bytes:
    names = (_field(1, name.encode()) + _field(2, value.encode()) for name, value in sorted(labels.items()))
    points = (
        b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(int(seconds * 1000))
        for seconds, value in samples
    )
    return b"".join((*(_field(1, name) for name in names), *(_field(2, point) for point in points)))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*groups, number))


def _snappy(content: bytes) -> bytes:
    """Snappy's block format, of literals only."""
    return _varint(len(content)) + b"".join(_literals(content))


def _literals(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), _LITERAL_BYTES):
        part = content[begin : begin + _LITERAL_BYTES]
        yield b"\xf4" + struct.pack("<H", len(part) - 1) + part
