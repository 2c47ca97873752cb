"""The last changes of a profile's value: time, old and new value, and the main reason."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any

import msgspec

from app.domain.profiles import Pressure, ResourceProfile, StoredProfile
from app.domain.quantities import format_time, parse_time
from app.domain.stored_state import StoredState
from app.domain.untyped import list_in, mapping_in, text_in

MAX_CHANGES = 10
_MAX_TEXT = 64
_LEAST_RAISE_CHANGE = 0.01
_LEAST_SHORT_PAST = 0.01
_NO_STATE = StoredState()


class ChangeReason(StrEnum):
    """The main reason for a change of a value; pressure has the names of its kinds."""

    USAGE_ROSE = "UsageRose"
    USAGE_FELL = "UsageFell"
    CPU_THROTTLING = Pressure.CPU_THROTTLING.value
    CPU_WAITING = Pressure.CPU_WAITING.value
    OOM_KILLED = Pressure.OOM_KILLED.value
    MEMORY_STALLED = Pressure.MEMORY_STALLED.value
    PRESSURE_EASED = "PressureEased"
    LONGER_HISTORY = "LongerHistory"
    CONTAINERS_CHANGED = "ContainersChanged"
    RISK_CHANGED = "RiskChanged"
    CORRECTED = "Corrected"


_WORDS: Mapping[str, str] = {
    ChangeReason.USAGE_ROSE: "usage rose",
    ChangeReason.USAGE_FELL: "usage fell",
    ChangeReason.CPU_THROTTLING: "a container was throttled: it needed more CPU than it used",
    ChangeReason.CPU_WAITING: "a container waited for CPU (PSI): it needed more than it used",
    ChangeReason.OOM_KILLED: "a container was OOM-killed: it needed more memory than it used",
    ChangeReason.MEMORY_STALLED: "a container stalled on memory (PSI): it needed more than it used",
    ChangeReason.PRESSURE_EASED: "earlier pressure (throttling, OOM kills or stalls) has not come again",
    ChangeReason.LONGER_HISTORY: "a longer history needs a smaller raise for what was not seen yet",
    ChangeReason.CONTAINERS_CHANGED: "other containers run in the Pods",
    ChangeReason.RISK_CHANGED: "the risk was changed, by the setting RISK or by an annotation",
    ChangeReason.CORRECTED: "the stored value was not the last one on record: another writer had changed it",
}


class ValueChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of a value; `old` and `new` are in the format of the profile."""

    at_seconds: int
    old: str
    new: str
    reason: str

    @property
    def time(self) -> datetime:
        """When the value changed."""
        return datetime.fromtimestamp(self.at_seconds, UTC)

    @property
    def words(self) -> str:
        """The reason in words; a reason of a newer release as it stands."""
        return _WORDS.get(self.reason, self.reason)


_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(tuple[ValueChange, ...]).decode


def pack(changes: Sequence[ValueChange]) -> bytes:
    """*changes* in little memory."""
    return _encode(changes) if changes else b""


def unpack(history: bytes) -> tuple[ValueChange, ...]:
    """The changes, newest first."""
    return _decode(history) if history else ()


def to_items(changes: Sequence[ValueChange]) -> list[dict[str, str]]:
    """*changes* as a status holds them."""
    return [
        {"time": format_time(change.time), "old": change.old, "new": change.new, "reason": change.reason}
        for change in changes
    ]


def from_items(items: object) -> tuple[ValueChange, ...]:
    """The changes in a status, newest first; what people wrote that is none is left out."""
    return tuple(_read_items(list_in(items)[:MAX_CHANGES]))


def _read_items(items: Sequence[Any]) -> Iterator[ValueChange]:
    for item in map(mapping_in, items):
        moment = parse_time(text_in(item.get("time")))
        old, new, reason = (text_in(item.get(key))[:_MAX_TEXT] for key in ("old", "new", "reason"))
        if moment and old and new and reason:
            yield ValueChange(int(moment.timestamp()), old, new, reason)


def history_with(stored: StoredProfile, profile: ResourceProfile, now: datetime) -> tuple[ValueChange, ...]:
    """The stored history, and the change from the stored value to that of *profile* if they differ."""
    history = unpack((stored.state or _NO_STATE).history)
    if profile.value == stored.value:
        return history
    change = ValueChange(
        int(now.timestamp()),
        stored.value[:_MAX_TEXT],
        profile.value,
        reason_for_change(stored, profile).value,
    )
    return (change, *history)[:MAX_CHANGES]


def reason_for_change(stored: StoredProfile, profile: ResourceProfile) -> ChangeReason:
    """The main reason why *profile* has another value than *stored*; the first that applies."""
    state, old = stored.state or _NO_STATE, _number(stored.value)
    history = unpack(state.history)
    if not old or (history and history[0].new != stored.value):
        return ChangeReason.CORRECTED
    if profile.risk and state.risk and profile.risk.level.value != state.risk:
        return ChangeReason.RISK_CHANGED
    if state.containers and state.containers != tuple(need.name for need in profile.containers):
        return ChangeReason.CONTAINERS_CHANGED
    strongest = max(profile.signals, key=lambda signal: signal.raised_by, default=None)
    raised_by = strongest.raised_by if strongest else 0.0
    if float(profile.value) > old:
        is_pressed = strongest and raised_by > state.raised_by + _LEAST_RAISE_CHANGE
        return ChangeReason(strongest.reason.value) if strongest and is_pressed else ChangeReason.USAGE_ROSE
    if raised_by < state.raised_by - _LEAST_RAISE_CHANGE:
        return ChangeReason.PRESSURE_EASED
    rules = (need.rule for need in profile.containers if need.rule)
    is_young = any(rule.short_past > _LEAST_SHORT_PAST for rule in rules)
    return ChangeReason.LONGER_HISTORY if is_young else ChangeReason.USAGE_FELL


def _number(value: str) -> float:
    """The number in a stored value; 0 if another writer put something else there."""
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0
