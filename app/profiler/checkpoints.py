"""What was learned, kept beyond a process: restored once in a term of a leader, written when it is due.

Each piece tells of a range of keys, with the steps that it covers, so that it stands for itself: pieces may
be of different age, and one that is missing is read from the source again. The last ones are written first:
where a leader is killed in the middle of a cut, the new piece is there before the old one is narrowed, and a
piece ends where the next one begins.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import structlog

from app.domain.namespaces import NamespaceSelection
from app.errors import ClusterError, ForbiddenError
from app.history.checkpoint.array_format import UnreadableCheckpointError
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.shards import halves
from app.history.checkpoint.split import LearnedState
from app.history.key_ranges import KeyRange
from app.history.samples import STEP_SECONDS
from app.outage_log import OutageLog
from app.profiler.ports import CheckpointStore, ReportSink

Retention = Callable[[], Awaitable[float | None]]
log = structlog.get_logger(__name__)

MAX_BYTES = 512 * 1024
_LONGEST_SECONDS = 3600.0
_OF_RETENTION = 0.25
_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A stored piece: its version, and what is in it, None where that is not known or not ours."""

    version: str
    digest: bytes | None = None


class Checkpoints:
    """One term's view of the stored pieces; *asked* is always what the source is asked for."""

    def __init__(
        self, store: CheckpointStore, sink: ReportSink, retention: Retention, planned_bytes: int = MAX_BYTES
    ) -> None:
        self._planned_bytes = planned_bytes  # by estimates, which are rather too large
        self._store, self._sink, self._retention = store, sink, retention
        self._held: dict[str, _Held] = {}
        self._is_current = False
        self._interval_seconds = _LONGEST_SECONDS
        self._saved_at_seconds = self._not_before_seconds = 0.0
        self._outage = OutageLog(log, "checkpoints_not_written")

    async def restore(self, learned: LearnedState, asked: NamespaceSelection) -> None:
        """Make *learned*, which is empty, what the pieces tell; raises ClusterError where it may later."""
        try:
            found = await self._load(learned)
        except ForbiddenError as error:
            await self._tell("CheckpointsForbidden", f"nothing can be restored: {error}")
            return
        if found:
            await asyncio.to_thread(learned.restore, found, asked)
            self._interval_seconds = await self._interval()
            if len(found) == len(self._held):
                oldest = min(piece.newest_step for piece in found)
                self._saved_at_seconds = float(oldest * STEP_SECONDS)
            log.info("checkpoints_restored", pieces=len(found), series=len(learned.usage.series.keys))

    async def save_if_due(self, learned: LearnedState, asked: NamespaceSelection, now: datetime) -> int:
        """Write the pieces that changed, if it is time; returns how many were written."""
        seconds, written = now.timestamp(), 0
        is_fresh = 0 <= seconds - self._saved_at_seconds < self._interval_seconds
        if is_fresh or seconds < self._not_before_seconds:
            return 0
        try:
            written = await self._save(learned, asked)
        except ClusterError as error:
            self._is_current = False
            self._not_before_seconds = seconds + _RETRY_SECONDS
            self._outage.failed(error)
            return 0
        self._outage.succeeded()
        self._saved_at_seconds = seconds
        self._interval_seconds = await self._interval()
        return written

    async def _interval(self) -> float:
        """A quarter of what the source remembers, so that nothing has left it that is not stored."""
        retention_seconds = await self._retention()
        longest = _LONGEST_SECONDS
        return longest if retention_seconds is None else min(retention_seconds * _OF_RETENTION, longest)

    async def _load(self, learned: LearnedState) -> list[Checkpoint]:
        await self._look()
        found = []
        for name, held in list(self._held.items()):
            data = await self._store.read(name)
            if data is None:
                continue
            try:
                piece = await asyncio.to_thread(_decoded, name, data, learned)
            except UnreadableCheckpointError as error:
                await self._tell(f"Checkpoint{error.reason}", f"check-point {name} is not used: {error}")
                continue
            found.append(piece)
            self._held[name] = _Held(held.version, sha256(data).digest())
        return found

    async def _look(self) -> None:
        """Learn which pieces are stored, and their versions."""
        self._held = {name: _Held(version) for name, version in (await self._store.versions()).items()}
        self._is_current = True

    async def _save(self, learned: LearnedState, asked: NamespaceSelection) -> int:
        if not self._is_current:
            await self._look()
        waiting = await asyncio.to_thread(
            learned.ranges, [int(name, 16) for name in self._held], most_bytes=self._planned_bytes
        )
        names, written = set(), 0
        while waiting:
            keys = waiting.pop()
            data = await asyncio.to_thread(_encoded, learned, asked, keys)
            if len(data) > MAX_BYTES and (cut := halves(keys, learned.keys)):
                waiting += cut
                continue
            names.add(name := _name(keys))
            written += await self._write(name, data)
        for name in sorted(self._held.keys() - names):
            await self._store.remove(name, self._held[name].version)
            del self._held[name]
        return written

    async def _write(self, name: str, data: bytes) -> bool:
        held, digest = self._held.get(name), sha256(data).digest()
        if held and held.digest == digest:
            return False
        version = await self._store.write(name, data, held.version if held else None)
        self._held[name] = _Held(version, digest)
        return True

    async def _tell(self, reason: str, message: str) -> None:
        log.warning("checkpoint_unreadable", reason=reason, message=message)
        try:
            await self._sink.announce(reason, message, warning=True)
        except ClusterError as error:
            log.warning("report_not_written", error=str(error))


def _name(keys: KeyRange) -> str:
    return f"{keys.first:012x}"


def _decoded(name: str, data: bytes, learned: LearnedState) -> Checkpoint:
    usage = learned.usage
    piece = decode(data, timeslots=usage.timeslots, retained_days=usage.retained_days)
    if _name(piece.keys) != name:
        raise UnreadableCheckpointError("Malformed", f"it is that of {_name(piece.keys)}")
    return piece


def _encoded(learned: LearnedState, asked: NamespaceSelection, keys: KeyRange) -> bytes:
    return encode(learned.piece(keys, asked))
