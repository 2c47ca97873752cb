"""Random changes of a body's bytes."""

import json
from collections.abc import Callable
from random import Random

_NAMES = ("metadata", "annotations", "request", "uid", "object", "kind", "apiVersion", "namespace", "", "x")
_VALUES = (None, True, 0, "", "x", 1e308, "CREATE", "AdmissionReview")
_ODD = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\x00",
    b'"',
    b"{",
    b"]",
    b",",
    b"\\u",
    b"1e999",
    b"NaN",
    b"//",
)
_SPOILING = (b"\xff", b"\xc3", b"\xf5\x80", b"\\ud800", b"\\x")
_PADDING = (b" " * 5000, b"\xef\xbb\xbf", b"\r\n\t")


class ByteMutator:
    """Mutates bodies with random choices from *chance*."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._mutations: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flip, self._cut, self._insert, self._copy_slice, self._remove_slice),
            *(self._spoil_text, self._repeat_member, self._pad),
        )

    def mutate(self, body: bytes) -> bytes:
        """*body* after one to four changes."""
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            body = self._chance.choice(self._mutations)(body)
        return body

    def _flip(self, body: bytes) -> bytes:
        changed = bytearray(body)
        for _ in range(self._chance.choice((1, 1, 3, 20))):
            if changed:
                changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _cut(self, body: bytes) -> bytes:
        return body[: self._chance.randrange(len(body) + 1)]

    def _insert(self, body: bytes) -> bytes:
        at = self._chance.randrange(len(body) + 1)
        return body[:at] + self._chance.choice((*_ODD, self._chance.randbytes(8))) + body[at:]

    def _copy_slice(self, body: bytes) -> bytes:
        start, end = self._slice(body)
        at = self._chance.randrange(len(body) + 1)
        return body[:at] + body[start:end] + body[at:]

    def _remove_slice(self, body: bytes) -> bytes:
        start, end = self._slice(body)
        return body[:start] + body[end:]

    def _spoil_text(self, body: bytes) -> bytes:
        """Insert invalid UTF-8 or escapes into a string, which a decoder may skip."""
        quotes = [at for at in range(min(len(body), 20_000)) if body[at : at + 1] == b'"']
        if not quotes:
            return body
        at = self._chance.choice(quotes) + 1
        return body[:at] + self._chance.choice(_SPOILING) + body[at:]

    def _repeat_member(self, body: bytes) -> bytes:
        """Repeat a name in an object; the API server uses the last value."""
        name = f'"{self._chance.choice(_NAMES)}":'.encode("utf-8", "surrogatepass")
        value = json.dumps(self._chance.choice(_VALUES)).encode()
        at = body.find(b"{", self._chance.randrange(len(body) + 1))
        return body if at < 0 else body[: at + 1] + name + value + b"," + body[at + 1 :]

    def _pad(self, body: bytes) -> bytes:
        return self._chance.choice(_PADDING) + body

    def _slice(self, body: bytes) -> tuple[int, int]:
        start = self._chance.randrange(len(body) + 1)
        return start, start + self._chance.choice((1, 5, 50, 500))
