"""JSON patches (RFC 6902) that give a Pod's annotations exactly our keys and touch no other."""

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.annotations import is_ours

_PATH = "/metadata/annotations"


def build_patch(
    present: Mapping[str, str] | None,
    wanted: Mapping[str, str],
    is_own: Callable[[str], bool] = is_ours,
) -> list[dict[str, Any]]:
    """The operations that make our keys in *present* (None: no annotations at all) equal to *wanted*.

    *is_own* tells which keys are ours. Applied twice the operations change nothing: where all is as wanted,
    there are none.
    """
    if present is None:
        return [{"op": "add", "path": _PATH, "value": dict(wanted)}] if wanted else []
    operations: list[dict[str, Any]] = [
        {"op": "remove", "path": _pointer(key)} for key in present if is_own(key) and key not in wanted
    ]
    for key, value in wanted.items():
        if key not in present:
            operations.append({"op": "add", "path": _pointer(key), "value": value})
        elif present[key] != value:
            operations.append({"op": "replace", "path": _pointer(key), "value": value})
    return operations


def _pointer(key: str) -> str:
    """A JSON pointer (RFC 6901) to the annotation *key*."""
    return f"{_PATH}/{key.replace('~', '~0').replace('/', '~1')}"
