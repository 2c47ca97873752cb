"""The whole learned state, split into check-points and restored from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.namespaces import NamespaceSelection
from app.history.checkpoint.codec import Checkpoint
from app.history.checkpoint.shards import plan_ranges
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange, Keys, range_of
from app.history.usage import UsageState

# The estimated compressed size of one sample of a connection.
_SAMPLE_BYTES = 2.0


@dataclass(frozen=True, slots=True)
class LearnedState:
    """The usage and connections of all workloads."""

    usage: UsageState
    connections: ConnectionHistory

    @property
    def keys(self) -> Keys:
        """The keys of all series and all edges."""
        edges, _ = self.connections.keys_and_sample_counts()
        return np.concatenate((np.array(self.usage.series.keys, dtype=np.int64), edges))

    def ranges(self, starts: Sequence[int], *, most_bytes: float) -> list[KeyRange]:
        """The ranges of the check-points, derived from the present ones at *starts*; sizes are estimates."""
        _, samples = self.connections.keys_and_sample_counts()
        weights = np.concatenate((self.usage.stored_bytes(), samples * _SAMPLE_BYTES))
        return plan_ranges(starts, self.keys, weights, max_weight=most_bytes)

    def piece(self, keys: KeyRange, asked: NamespaceSelection) -> Checkpoint:
        """What is known of *keys*."""
        return Checkpoint(keys, within(asked, keys), self.usage.within(keys), self.connections.within(keys))

    def restore(self, pieces: Iterable[Checkpoint], asked: NamespaceSelection) -> None:
        """Become what *pieces* tell; all steps are missing of what they do not tell.

        A piece ends where the next one begins. Of namespaces that are *asked* for now and were not when a
        piece was made, nothing is known either: their past was never read.
        """
        found: dict[KeyRange, Checkpoint] = {}
        for piece in _side_by_side(pieces):
            found |= {part.keys: part for part in _asked_parts(piece, asked)}
        if not found:
            return
        self.usage.replace_with({keys: piece.usage for keys, piece in found.items()})
        self.connections.replace_with({keys: piece.connections for keys, piece in found.items()})
        for namespace in {name for piece in found.values() for name in _arrived(piece, asked)}:
            self.forget(namespace)

    def forget(self, namespace: str) -> None:
        """Drop all data of *namespace*, so that all its steps are missing; other namespaces are unchanged."""
        keys = range_of(namespace)
        self.usage.forget(keys)
        self.connections.forget(keys)


def within(namespaces: NamespaceSelection, keys: KeyRange) -> NamespaceSelection:
    """The selection restricted to namespaces with keys in *keys*."""
    included = None if namespaces.included is None else _overlapping(namespaces.included, keys)
    return NamespaceSelection(included, _overlapping(namespaces.excluded, keys))


def _overlapping(namespaces: Iterable[str], keys: KeyRange) -> frozenset[str]:
    return frozenset(namespace for namespace in namespaces if keys.overlaps(range_of(namespace)))


def _side_by_side(pieces: Iterable[Checkpoint]) -> Iterable[Checkpoint]:
    ordered = sorted(pieces, key=lambda piece: piece.keys)
    ends = [*(piece.keys.first - 1 for piece in ordered), KeyRange().last][1:]
    for piece, end in zip(ordered, ends, strict=True):
        yield piece if piece.keys.last <= end else _part(piece, KeyRange(piece.keys.first, end))


def _asked_parts(piece: Checkpoint, asked: NamespaceSelection) -> list[Checkpoint]:
    """The piece or, where all namespaces are asked for by now, the parts of those that were."""
    if piece.namespaces.included is None or asked.included is not None:
        return [piece]
    ranges = sorted({_common(range_of(name), piece.keys) for name in piece.namespaces.included})
    return [_part(piece, keys) for keys in ranges]


def _arrived(piece: Checkpoint, asked: NamespaceSelection) -> set[str]:
    """The namespaces, of those that are named, that are asked for now and were not for *piece*."""
    before, now = piece.namespaces, within(asked, piece.keys)
    named = before.excluded | (now.included or frozenset())
    return {name for name in named if now.covers(name) and not before.covers(name)}


def _part(piece: Checkpoint, keys: KeyRange) -> Checkpoint:
    return Checkpoint(
        keys, within(piece.namespaces, keys), piece.usage.within(keys), piece.connections.within(keys)
    )


def _common(one: KeyRange, other: KeyRange) -> KeyRange:
    return KeyRange(max(one.first, other.first), min(one.last, other.last))
