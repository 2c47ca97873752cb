"""The order in which state is cut into pieces: by namespace first, then by workload within it.

Every workload has a key, made of two hashes that never change; those of one namespace lie together. A range
of keys is thus a share of all namespaces, or a share of one that is too large for one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload

_NAMESPACE_BITS, _WORKLOAD_BITS = 32, 16
Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class KeyRange:
    """The keys *first* to *last*, both included."""

    first: int = 0
    last: int = (1 << (_NAMESPACE_BITS + _WORKLOAD_BITS)) - 1

    def holds(self, key: int) -> bool:
        """True where *key* lies in it."""
        return self.first <= key <= self.last

    def overlaps(self, other: "KeyRange") -> bool:
        """True where they have a key in common."""
        return self.first <= other.last and other.first <= self.last

    def covers(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of *keys* lie in it."""
        return (keys >= self.first) & (keys <= self.last)


def key_of(workload: Workload) -> int:
    """The key of a workload, of all its containers and of the edges that begin at it."""
    within = _hash(f"{workload.kind}/{workload.name}", _WORKLOAD_BITS)
    return range_of(workload.namespace).first | within


def keys_of(workloads: Sequence[Workload]) -> Keys:
    """The key of each."""
    known = {workload: key_of(workload) for workload in set(workloads)}
    return np.array([known[workload] for workload in workloads], dtype=np.int64)


@lru_cache(maxsize=4096)
def range_of(namespace: str) -> KeyRange:
    """The keys of a namespace; one of four thousand million shares them with another."""
    first = _hash(namespace, _NAMESPACE_BITS) << _WORKLOAD_BITS
    return KeyRange(first, first + (1 << _WORKLOAD_BITS) - 1)


def _hash(text: str, bits: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=bits // 8).digest(), "big")
