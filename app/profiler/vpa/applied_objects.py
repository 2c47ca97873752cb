"""The last writes of the VerticalPodAutoscalers that the profiler keeps: how long the next one waits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.vpa.keeping import Key, ObjectsByTarget
from app.vpa.ownership import digest_of

# After a write, the watch may not have reported it yet, or another writer may be at work. An object that
# stays another one, since its CRD drops a field, is written again less often.
_APPEARS, _SETTLES = timedelta(seconds=30), timedelta(hours=1)


@dataclass(slots=True)
class _Write:
    digest: bytes
    at: datetime
    is_reported: bool = False


@dataclass(slots=True)
class AppliedObjects:
    """The writes of the last hour."""

    _writes: dict[Key, _Write] = field(default_factory=dict)

    def note(self, manifest: Mapping[str, Any], now: datetime) -> None:
        """The object was applied."""
        self._writes[key_in(manifest)] = _Write(digest_of(manifest), now)

    def look_at(self, objects: ObjectsByTarget, now: datetime) -> None:
        """Note which writes the watch has reported."""
        self._writes = {key: write for key, write in self._writes.items() if now - write.at < _SETTLES}
        for key, write in self._writes.items():
            reported = objects.by_key.get(key)
            write.is_reported |= reported is not None and reported.digest == write.digest

    def is_settling(self, manifest: Mapping[str, Any], objects: ObjectsByTarget, now: datetime) -> bool:
        """True if the same was applied, and the next write of it waits."""
        write = self._writes.get(key_in(manifest))
        if write is None or write.digest != digest_of(manifest):
            return False
        is_changed = key_in(manifest) in objects.by_key and not write.is_reported
        return now - write.at < (_SETTLES if is_changed else _APPEARS)


def key_in(manifest: Mapping[str, Any]) -> Key:
    """The namespace and the name of an object."""
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
