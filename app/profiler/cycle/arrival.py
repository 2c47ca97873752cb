"""How late the samples of one signal arrive in the source; pure.

Whole store late: the newest steps have no sample. A step settles only if a later one has samples, so a store
may be any time behind. One writer late: a step has more samples when it is read again. The last steps of the
cycle before are read again once an hour, or in each cycle if these are rarer, in the query that reads the
newest ones: if samples came after a step had settled, later steps stay open for longer.
"""

from collections import Counter
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.open_steps import OPEN_STEPS, Settlement
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange, merge_adjacent
from app.profiler.cycle.step_readings import REVIEWED_STEPS, StepCounts, StepReadings, front_step

# A step stays open for less than an hour.
_MAX_OPEN_STEPS = REVIEWED_STEPS - 1
# After a longer time, what was read before is not read again.
_LONGEST_PERIOD_STEPS = STEPS_PER_DAY + REVIEWED_STEPS


@dataclass(slots=True)
class Arrival:
    """The arrival of one signal's samples, as its answers show it."""

    signal: str
    learned_open_steps: MutableMapping[str, int]  # of each signal with samples that come later than usual
    lost: Counter[str] = field(default_factory=Counter)  # too late to count, as the last review found
    _newest_step: int = 0  # as of which the source was asked last
    _read: StepRange = field(default_factory=lambda: StepRange(0, -1))  # what was read then
    _seen: dict[int, set[str]] = field(default_factory=dict)  # the namespaces with samples then, by step
    _settled_step: int = 0
    _furthest_step: int = 0  # the newest step that ever had samples
    _advanced_at: int = 0  # the newest step when that one changed
    _reviewed_at: int = 0
    _readings: StepReadings = field(default_factory=StepReadings)
    _store_lag_steps: int = 0  # the largest age of the newest samples, since the last review
    _lag_before: int = 0  # the lag in steps between the last two reviews

    @property
    def open_steps(self) -> int:
        """How many steps stay open."""
        return min(max(OPEN_STEPS, self.learned_open_steps.get(self.signal, 0)), _MAX_OPEN_STEPS)

    @property
    def lag_seconds(self) -> int:
        """The age at which steps had all their samples in the last two hours, in whole steps."""
        return max(self._lag_steps, self._lag_before) * STEP_SECONDS

    def settlement(self, newest_step: int) -> Settlement | None:
        """The last step that has settled as of *newest_step*; None if no sample was seen as of it."""
        if newest_step != self._newest_step or not self._seen:
            return None
        # If newer steps have no sample, the last one with samples may have a part of them only.
        front = front_step(self._seen)
        complete = front - (front < self._read.last)
        return Settlement(newest_step, min(newest_step - self.open_steps, complete))

    def is_stalled(self, newest_step: int) -> bool:
        """True if no newer sample came for longer than a step stays open: samples are not only late."""
        return bool(self._advanced_at) and newest_step - self._advanced_at > OPEN_STEPS

    def with_review(self, missing: list[StepRange], newest_step: int) -> list[StepRange]:
        """The *missing* parts; in a review, the last steps of the cycle before too, in the same query."""
        if not missing or missing[0].last != newest_step or not self._is_review_due(newest_step):
            return missing
        if newest_step - self._newest_step > _LONGEST_PERIOD_STEPS:
            return missing
        first = min(self._newest_step, newest_step) - REVIEWED_STEPS + 1
        older = [StepRange(part.first, min(part.last, first - 1)) for part in missing if part.first < first]
        return merge_adjacent([StepRange(first, newest_step), *older])

    def note(
        self,
        newest_step: int,
        steps: StepRange,
        namespaces: Sequence[str],
        present: NDArray[np.bool_],
        answered: NamespaceSelection = EVERY_NAMESPACE,
    ) -> None:
        """Record an answer as of *newest_step*: row i, of `namespaces[i]`, has the samples `present[i]`."""
        if newest_step < self._newest_step:
            self._begin_anew()
        if newest_step != self._newest_step:
            self._newest_step, self._read = newest_step, steps
            self._seen.clear()
        self._read = StepRange(min(self._read.first, steps.first), max(self._read.last, steps.last))
        columns = np.flatnonzero(present.any(axis=0))
        last_step = steps.first + int(columns[-1]) if columns.size else steps.last
        compared = [
            step
            for step in range(steps.first, steps.last + 1)
            if step > last_step - REVIEWED_STEPS or self._readings.has(step)
        ]
        counted = _by_namespace(steps, compared, namespaces, present)
        self._seen |= {
            step: self._seen.get(step, set()) | (+samples).keys()
            for step, samples in counted.items()
            if samples.total()
        }
        if max(self._seen, default=0) > self._furthest_step:
            self._furthest_step, self._advanced_at = max(self._seen), newest_step
            self._store_lag_steps = max(self._store_lag_steps, self._read.last - front_step(self._seen))
        self._readings.compare(newest_step, counted, answered, self._settled_step)

    def forget_counts(self) -> None:
        """Forget what was read before: namespaces that come into scope are new, and not late."""
        self._readings.forget()

    def finish(self, newest_step: int) -> None:
        """End the answers of a cycle; after a review, steps stay open for as long as samples were late."""
        self._readings.finish(self._newest_step)
        settlement = self.settlement(newest_step)
        if settlement is None:
            return
        self._settled_step = max(self._settled_step, settlement.settled_step)
        is_reviewed = self._read.first <= newest_step - _MAX_OPEN_STEPS and self._read.last == newest_step
        if not is_reviewed or not self._is_review_due(newest_step):
            self._reviewed_at = self._reviewed_at or newest_step
            return
        self._lag_before = self._lag_steps
        self.lost = self._readings.take_lost()
        self.learned_open_steps.pop(self.signal, None)
        if OPEN_STEPS <= self._lag_before < _MAX_OPEN_STEPS:
            self.learned_open_steps[self.signal] = self._lag_before + 1
        self._reviewed_at, self._store_lag_steps = newest_step, 0

    @property
    def _lag_steps(self) -> int:
        return max(self._store_lag_steps, self._readings.lag_steps)

    def _is_review_due(self, newest_step: int) -> bool:
        return bool(self._reviewed_at) and newest_step - self._reviewed_at >= REVIEWED_STEPS

    def _begin_anew(self) -> None:
        """Forget the times of all answers: they were those of a clock that has been set back."""
        self._settled_step = self._furthest_step = self._advanced_at = self._reviewed_at = 0
        self._readings = StepReadings()


def _by_namespace(
    steps: StepRange, compared: Iterable[int], namespaces: Sequence[str], present: NDArray[np.bool_]
) -> StepCounts:
    """The number of samples of each namespace in the *compared* ones of *steps*."""
    names = {name: number for number, name in enumerate(dict.fromkeys(namespaces))}
    numbers = np.array([names[name] for name in namespaces], dtype=np.int64)
    counted = {}
    for step in compared:
        of_step = np.bincount(numbers[present[:, step - steps.first]], minlength=len(names)).tolist()
        counted[step] = Counter(dict(zip(names, of_step, strict=True)))
    return counted
