"""Workload keys and ranges of keys, by which check-points are sharded.

A workload's key is the hash of its namespace followed by the hash of its kind and name; it never changes. The
keys of one namespace are adjacent. So a range of keys is a subset of the namespaces, or a part of one that is
too large for one shard.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Workload

_NAMESPACE_BITS, _WORKLOAD_BITS = 32, 16
Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class KeyRange:
    """The keys *first* to *last*, both included."""

    first: int = 0
    last: int = (1 << (_NAMESPACE_BITS + _WORKLOAD_BITS)) - 1

    def contains(self, key: int) -> bool:
        """True if *key* is in the range."""
        return self.first <= key <= self.last

    def overlaps(self, other: "KeyRange") -> bool:
        """True if the ranges have a key in common."""
        return self.first <= other.last and other.first <= self.last

    def covers(self, keys: Keys) -> NDArray[np.bool_]:
        """True for each of *keys* that is in the range."""
        return (keys >= self.first) & (keys <= self.last)


def key_of(workload: Workload) -> int:
    """The key of a workload, of its containers and of the edges that start at it."""
    name_hash = _hash(f"{workload.kind}/{workload.name}", _WORKLOAD_BITS)
    return range_of(workload.namespace).first | name_hash


def keys_of(workloads: Sequence[Workload]) -> Keys:
    """The key of each workload."""
    key_by_workload = {workload: key_of(workload) for workload in set(workloads)}
    return np.array([key_by_workload[workload] for workload in workloads], dtype=np.int64)


@lru_cache(maxsize=4096)
def range_of(namespace: str) -> KeyRange:
    """The keys of a namespace; two namespaces share them with a chance of 2^-32."""
    first = _hash(namespace, _NAMESPACE_BITS) << _WORKLOAD_BITS
    return KeyRange(first, first + (1 << _WORKLOAD_BITS) - 1)


def are_of(namespaces: NamespaceSelection, keys: Keys) -> NDArray[np.bool_]:
    """True for each of *keys* that is one of *namespaces*."""
    of_keys = keys >> _WORKLOAD_BITS

    def are_named(names: Iterable[str]) -> NDArray[np.bool_]:
        return np.isin(of_keys, [range_of(name).first >> _WORKLOAD_BITS for name in names])

    excluded = are_named(namespaces.excluded) if namespaces.excluded else np.zeros(len(keys), dtype=np.bool_)
    return ~excluded if namespaces.included is None else are_named(namespaces.included) & ~excluded


def _hash(text: str, bits: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=bits // 8).digest(), "big")
