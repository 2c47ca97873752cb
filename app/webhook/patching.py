"""JSON patches (RFC 6902) that set our annotations of a Pod and change no others."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from app.domain.annotations import is_ours

_PATH = "/metadata/annotations"
_encode = msgspec.json.Encoder().encode
Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations encoded once for the answer (base64 of JSON); false if there are none."""

    base64_json: bytes = b""

    @classmethod
    def of(cls, operations: Sequence[Operation]) -> Self:
        """The patch of *operations*."""
        return cls(base64.b64encode(_encode(operations)) if operations else b"")

    def __bool__(self) -> bool:
        return bool(self.base64_json)

    @property
    def operations(self) -> list[Operation]:
        """The decoded operations."""
        return msgspec.json.decode(base64.b64decode(self.base64_json), type=list[Operation]) if self else []


NO_PATCH = Patch()


def build_patch(
    present: Mapping[str, str] | None,
    wanted: Mapping[str, str],
    is_own: Callable[[str], bool] = is_ours,
) -> list[Operation]:
    """The operations that make our keys in *present* (None: no annotations at all) equal to *wanted*.

    *is_own* is true for our keys. The patch is idempotent: there are no operations if nothing has to change.
    """
    if present is None:
        return [{"op": "add", "path": _PATH, "value": dict(wanted)}] if wanted else []
    operations: list[Operation] = [
        {"op": "remove", "path": _pointer(key)} for key in present if is_own(key) and key not in wanted
    ]
    for key, value in wanted.items():
        if key not in present:
            operations.append({"op": "add", "path": _pointer(key), "value": value})
        elif present[key] != value:
            operations.append({"op": "replace", "path": _pointer(key), "value": value})
    return operations


def _pointer(key: str) -> str:
    """The JSON pointer (RFC 6901) of the annotation *key*."""
    return f"{_PATH}/{key.replace('~', '~0').replace('/', '~1')}"
