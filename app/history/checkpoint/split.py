"""The whole learned state, split into check-points and restored from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain.namespaces import NamespaceSelection
from app.history.checkpoint.codec import Checkpoint
from app.history.checkpoint.shards import plan_ranges
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange, Keys, range_of
from app.history.samples import day_of
from app.history.usage import UsageState

# The estimated compressed size of one sample of a connection.
_SAMPLE_BYTES = 2.0
# A clock that is set back by less was only adjusted.
_ADJUSTED_STEPS = 12


@dataclass(frozen=True, slots=True)
class LearnedState:
    """The usage and connections of all workloads.

    `open_steps` has the number of steps that stay open, for each signal with samples that come later than
    usual.
    """

    usage: UsageState
    connections: ConnectionHistory
    open_steps: dict[str, int] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """The keys of all series and all edges."""
        series = np.array(self.usage.series.keys, dtype=np.int64)
        return np.concatenate((series, self.connections.edge_keys()))

    def ranges(self, starts: Sequence[int], *, max_bytes: float) -> list[KeyRange]:
        """The ranges of the check-points, derived from the present ones at *starts*; sizes are estimates."""
        edge_bytes = self.connections.sample_counts() * _SAMPLE_BYTES
        weights = np.concatenate((self.usage.stored_bytes(), edge_bytes))
        return plan_ranges(starts, self.keys, weights, max_weight=max_bytes)

    def shard(self, keys: KeyRange, query_scope: NamespaceSelection) -> Checkpoint:
        """The shard of *keys*; *query_scope* are the namespaces that are queried."""
        namespaces = within(query_scope, keys)
        usage, connections = self.usage.within(keys), self.connections.within(keys)
        return Checkpoint(keys, namespaces, usage, connections, dict(self.open_steps))

    def restore(self, shards: Iterable[Checkpoint], query_scope: NamespaceSelection) -> None:
        """Replace the state by that of *shards*; all steps are missing for keys that they do not cover.

        A shard ends where the next one begins. The history is also missing for namespaces in *query_scope*
        that were not queried when their shard was written: their past was never read.
        """
        by_keys: dict[KeyRange, Checkpoint] = {}
        for shard in _without_overlap(shards):
            by_keys |= {part.keys: part for part in _queried_parts(shard, query_scope)}
        if not by_keys:
            return
        self.usage.replace_with({keys: shard.usage for keys, shard in by_keys.items()})
        self.connections.replace_with({keys: shard.connections for keys, shard in by_keys.items()})
        for shard in by_keys.values():
            for signal, steps in shard.open_steps.items():
                self.open_steps[signal] = max(steps, self.open_steps.get(signal, 0))
        for namespace in {name for shard in by_keys.values() for name in _added_names(shard, query_scope)}:
            self.forget(namespace)

    def forget_ahead(self, newest_step: int) -> bool:
        """Drop today and what is later if steps after *newest_step* were read; True if there were any.

        The clock ran ahead and was set back: steps that were still to come are marked as read, without
        samples, and in the rings of connections they displaced others.
        """
        usage = [histograms.newest_step for histograms in self.usage.histograms.values()]
        if max(*usage, self.connections.newest_read_step) <= newest_step + _ADJUSTED_STEPS:
            return False
        self.usage.forget_from(day_of(newest_step))
        self.connections.clear_all()
        return True

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


def _without_overlap(shards: Iterable[Checkpoint]) -> Iterable[Checkpoint]:
    ordered = sorted(shards, key=lambda shard: shard.keys)
    ends = [*(shard.keys.first - 1 for shard in ordered), KeyRange().last][1:]
    for shard, end in zip(ordered, ends, strict=True):
        yield shard if shard.keys.last <= end else _part(shard, KeyRange(shard.keys.first, end))


def _queried_parts(shard: Checkpoint, query_scope: NamespaceSelection) -> list[Checkpoint]:
    """The shard; if all namespaces are queried now, only the parts of the namespaces queried for it."""
    if shard.namespaces.included is None or query_scope.included is not None:
        return [shard]
    ranges = sorted({_intersection(range_of(name), shard.keys) for name in shard.namespaces.included})
    return [_part(shard, keys) for keys in ranges]


def _added_names(shard: Checkpoint, query_scope: NamespaceSelection) -> set[str]:
    """The namespaces, out of those named in a selection, that are queried now and were not for *shard*."""
    before, now = shard.namespaces, within(query_scope, shard.keys)
    named = {*before.excluded, *(now.included or ())}
    return {name for name in named if now.covers(name) and not before.covers(name)}


def _part(shard: Checkpoint, keys: KeyRange) -> Checkpoint:
    namespaces, usage = within(shard.namespaces, keys), shard.usage.within(keys)
    return Checkpoint(keys, namespaces, usage, shard.connections.within(keys), shard.open_steps)


def _intersection(first: KeyRange, second: KeyRange) -> KeyRange:
    return KeyRange(max(first.first, second.first), min(first.last, second.last))
