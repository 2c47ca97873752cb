"""Parts of decoded JSON that people can edit: a part of another type counts as absent."""

from collections.abc import Mapping
from sys import float_info
from typing import Any


def mapping_in(value: object) -> Mapping[str, Any]:
    """*value* if it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def list_in(value: object) -> list[Any]:
    """*value* if it is a list; else an empty one."""
    return value if isinstance(value, list) else []


def text_in(value: object) -> str:
    """*value* if it is a text; else an empty one."""
    return value if isinstance(value, str) else ""


def ratio_in(value: object) -> float:
    """*value* if it is a finite number of at least 1; else 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 1.0
    return float(value) if 1 <= value <= float_info.max else 1.0


def count_in(value: object) -> int:
    """*value* if it is an integer; else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
