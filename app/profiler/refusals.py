"""Pauses of the writes that the API server refuses, for each object by itself; pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=1)


@dataclass(slots=True)
class _Refusal:
    count: int
    not_before: datetime


@dataclass(slots=True)
class Refusals:
    """The objects with a refused last write, by name.

    The next cycle tries a refused write once more. After that the pause is 5 minutes, and doubles up to an
    hour: a right or a policy that caused the refusals may have changed.
    """

    _by_name: dict[str, _Refusal] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def is_paused(self, name: str, now: datetime) -> bool:
        """True while the object is not to be written."""
        refusal = self._by_name.get(name)
        return refusal is not None and now < refusal.not_before

    def add(self, name: str, now: datetime) -> None:
        """The API server refused a write of the object."""
        count = self._by_name[name].count + 1 if name in self._by_name else 1
        pause = timedelta(0) if count == 1 else min(_FIRST_PAUSE * 2 ** min(count - 2, 10), _LONGEST_PAUSE)
        self._by_name[name] = _Refusal(count, now + pause)

    def discard(self, name: str) -> None:
        """The API server accepted a write of the object."""
        self._by_name.pop(name, None)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget the objects that are not to be written any more."""
        self._by_name = {name: refusal for name, refusal in self._by_name.items() if name in names}
