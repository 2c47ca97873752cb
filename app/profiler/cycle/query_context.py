"""The inputs and the outcome that all queries of one cycle share."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.profiler.cycle.attributions import Attributions
from app.profiler.cycle.collected_samples import CollectedSamples

Progress = Callable[[int, int], None]


class Meter:
    """Counts the steps of all signals that were read or given up."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def advance(self, steps: int) -> None:
        """Count *steps* that were read."""
        self._done = min(self._done + steps, self._total)
        self._progress(self._done, self._total)

    def finish(self) -> None:
        """Count the steps that this cycle gives up."""
        if self._done < self._total:
            self.advance(self._total)


@dataclass(frozen=True, slots=True)
class QueryContext:
    """The newest step, the attributions of Pods, the *unlisted* namespaces, and what was collected so far."""

    newest_step: int
    attributions: Attributions
    meter: Meter
    unlisted: Mapping[str, str]
    collected: CollectedSamples = field(default_factory=CollectedSamples)
    usage_collected: asyncio.Event = field(default_factory=asyncio.Event)
