"""Faults of watches: which ones fail, why, and the namespaces that can't be read because of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.kubernetes.reflector import Reflector
from app.kubernetes.server_clock import ServerClock

Watches = Iterable[Reflector[Any]]


def watch_faults(watches: Watches) -> dict[str, str]:
    """The reason of each failing watch, by what it watches."""
    return {f"watch of {watch.selection}": str(watch.fault) for watch in watches if watch.fault}


def clock_fault(subject: str, clock: ServerClock) -> dict[str, str]:
    """The difference between this process's clock and the API server's as the fault of *subject*, if any."""
    seconds = clock.ahead_seconds
    if seconds is None or not clock.differs:
        return {}
    way = "ahead of" if seconds > 0 else "behind"
    return {subject: f"{abs(seconds):.0f} s {way} the API server's: certificates and ages depend on both"}


class TermWatches:
    """The watches of one leader's term, for its cycles.

    *decisive* are those without which a namespace is not profiled: of its Pods, and of its labels.
    *task_faults* has the reasons of tasks that fail beside the watches.
    """

    def __init__(
        self,
        all_watches: Callable[[], Watches],
        decisive: Watches,
        task_faults: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._all, self._decisive, self._task_faults = all_watches, tuple(decisive), task_faults

    def faults(self) -> Mapping[str, str]:
        """The reason of each failing watch, by what it watches, and of each failing task."""
        return {**watch_faults(self._all()), **self._task_faults()}

    def unlisted_namespaces(self) -> Mapping[str, str]:
        """The reason for each namespace that can't be read, since one of its watches has no list."""
        unlisted = (watch for watch in self._decisive if not watch.is_synced and watch.selection.namespace)
        return {
            watch.selection.namespace: f"{watch.selection.resource} can't be listed: {watch.fault}"
            for watch in unlisted
        }
