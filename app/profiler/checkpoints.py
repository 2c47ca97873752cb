"""Check-points of the learned state: restored once per leader's term, written when due.

Each shard covers a range of workload keys and states which steps it contains, so it can be used alone: shards
may be of different age, and a missing one is read from the source again. Shards are written in descending
order of keys: if a leader is killed while it splits a shard, the new shard exists before the old one is
narrowed, and a shard ends where the next one begins.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import structlog

from app.domain.namespaces import NamespaceSelection
from app.errors import ClusterError, ForbiddenError
from app.history.checkpoint.array_format import OversizedCheckpointError, UnreadableCheckpointError
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.shards import halves
from app.history.checkpoint.split import LearnedState
from app.history.key_ranges import KeyRange
from app.history.open_steps import OPEN_STEPS
from app.history.samples import STEP_SECONDS
from app.outage_log import OutageLog
from app.profiler.ports import CheckpointStore, ReportSink

FetchRetention = Callable[[], Awaitable[float | None]]
log = structlog.get_logger(__name__)

MAX_BYTES = 512 * 1024
# The API server refuses a ConfigMap of 1 MiB. One workload may have more: containers by the thousand.
_MOST_BYTES_OF_WORKLOAD = 1_000_000
# Of the decoded shards that a leader restores together; those of 10,000 workloads take 300 MiB.
MAX_DECODED_BYTES = 512 * 1024 * 1024
_MAX_INTERVAL_SECONDS = 3600.0
_RETENTION_FRACTION = 0.25
_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _StoredShard:
    """The version of a stored shard and the digest of its content; None if it is unknown or unreadable."""

    version: str
    digest: bytes | None = None


class Checkpoints:
    """The stored shards as one leader's term sees them.

    Each shard records the *query_scope*: the namespaces that queries cover when it is written.
    """

    def __init__(
        self,
        store: CheckpointStore,
        sink: ReportSink,
        retention: FetchRetention,
        planned_bytes: int = MAX_BYTES,
    ) -> None:
        self._planned_bytes = planned_bytes  # target for estimated shard sizes; estimates are high
        self._store, self._sink, self._retention = store, sink, retention
        self._stored: dict[str, _StoredShard] = {}
        self._stored_is_current = False
        self._interval_seconds = _MAX_INTERVAL_SECONDS
        self._saved_at_seconds = self._not_before_seconds = 0.0
        self._outage = OutageLog(log, "checkpoints_not_written")
        self._unreadable: dict[str, str] = {}  # until all are written again

    def faults(self) -> dict[str, str]:
        """The reason for each check-point that was not restored, and that of the last save if it failed."""
        written = self._outage.faults("writes of check-points")
        return self._unreadable | written

    async def restore(self, learned: LearnedState, query_scope: NamespaceSelection) -> None:
        """Fill *learned*, which is empty, from the shards; missing rights and unreadable shards are reported.

        Raises:
            ClusterError: the shards can't be read for another reason.
        """
        try:
            shards = await self._load(learned)
        except ForbiddenError as error:
            await self._report_fault("CheckpointsForbidden", f"check-points can't be restored: {error}")
            self._unreadable["check-points"] = str(error)
            return
        if shards:
            await asyncio.to_thread(learned.restore, shards, query_scope)
            self._interval_seconds = await self._interval()
            if len(shards) == len(self._stored):  # all shards were readable
                oldest = min(shard.newest_step for shard in shards)
                # Written when that step had settled.
                self._saved_at_seconds = float((oldest + OPEN_STEPS) * STEP_SECONDS)
            log.info("checkpoints_restored", pieces=len(shards), series=len(learned.usage.series.keys))

    async def save_if_due(self, learned: LearnedState, query_scope: NamespaceSelection, now: datetime) -> int:
        """Write the shards that changed, if a save is due; returns how many were written."""
        seconds, written = now.timestamp(), 0
        is_fresh = 0 <= seconds - self._saved_at_seconds < self._interval_seconds
        if is_fresh or seconds < self._not_before_seconds:
            return 0
        try:
            written = await self._save(learned, query_scope)
        except ClusterError as error:
            self._stored_is_current = False
            self._not_before_seconds = seconds + _RETRY_SECONDS
            self._outage.failed(error)
            return 0
        self._outage.succeeded()
        self._unreadable.clear()
        self._saved_at_seconds = seconds
        self._interval_seconds = await self._interval()
        return written

    async def _interval(self) -> float:
        """A quarter of the source's retention, so that samples are stored before the source deletes them."""
        retention_seconds = await self._retention()
        longest = _MAX_INTERVAL_SECONDS
        return longest if retention_seconds is None else min(retention_seconds * _RETENTION_FRACTION, longest)

    async def _load(self, learned: LearnedState) -> list[Checkpoint]:
        await self._list_stored()
        shards: list[Checkpoint] = []
        for name, stored in list(self._stored.items()):
            data = await self._store.read(name)
            if data is None:
                continue
            try:
                room_bytes = MAX_DECODED_BYTES - sum(shard.body_bytes for shard in shards)
                shard = await asyncio.to_thread(_decode_shard, name, data, learned, room_bytes)
            except UnreadableCheckpointError as error:
                message = f"check-point {name} is not used: {error}"
                await self._report_fault(f"Checkpoint{error.reason}", message)
                self._unreadable[f"check-point {name}"] = str(error)
                continue
            shards.append(shard)
            self._stored[name] = _StoredShard(stored.version, sha256(data).digest())
        return shards

    async def _list_stored(self) -> None:
        """Read the names and versions of the stored shards."""
        versions = await self._store.versions()
        self._stored = {name: _StoredShard(version) for name, version in versions.items()}
        self._stored_is_current = True

    async def _save(self, learned: LearnedState, query_scope: NamespaceSelection) -> int:
        if not self._stored_is_current:
            await self._list_stored()
        waiting = await asyncio.to_thread(
            learned.ranges, [int(name, 16) for name in self._stored], max_bytes=self._planned_bytes
        )
        names, written = set(), 0
        while waiting:
            keys = waiting.pop()
            data = await asyncio.to_thread(_encode_shard, learned, query_scope, keys)
            if (data is None or len(data) > MAX_BYTES) and (split := halves(keys, learned.keys)):
                waiting += split
                continue
            if data is None or len(data) > _MOST_BYTES_OF_WORKLOAD:
                log.warning("checkpoint_too_large", name=_shard_name(keys))
                continue
            names.add(name := _shard_name(keys))
            written += await self._write(name, data)
        for name in sorted(self._stored.keys() - names):
            await self._store.remove(name, self._stored[name].version)
            del self._stored[name]
        return written

    async def _write(self, name: str, data: bytes) -> bool:
        stored, digest = self._stored.get(name), sha256(data).digest()
        if stored and stored.digest == digest:
            return False
        version = await self._store.write(name, data, stored.version if stored else None)
        self._stored[name] = _StoredShard(version, digest)
        return True

    async def _report_fault(self, reason: str, message: str) -> None:
        log.warning("checkpoint_unreadable", reason=reason, message=message)
        await self._sink.record_event(reason, message, warning=True)


def _shard_name(keys: KeyRange) -> str:
    return f"{keys.first:012x}"


def _decode_shard(name: str, data: bytes, learned: LearnedState, max_bytes: int) -> Checkpoint:
    usage = learned.usage
    shard = decode(data, timeslots=usage.timeslots, retained_days=usage.retained_days, max_bytes=max_bytes)
    if _shard_name(shard.keys) != name:
        raise UnreadableCheckpointError("Malformed", f"its content is that of {_shard_name(shard.keys)}")
    return shard


def _encode_shard(learned: LearnedState, query_scope: NamespaceSelection, keys: KeyRange) -> bytes | None:
    """The shard as bytes; None if no leader would read it, because of its size."""
    try:
        return encode(learned.shard(keys, query_scope))
    except OversizedCheckpointError:
        return None
