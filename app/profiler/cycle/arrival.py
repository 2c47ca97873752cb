"""How late the samples of one signal arrive in the source; pure.

Whole store late: the newest steps have no sample. A step settles only if a later one has samples, so a store
may be any time behind. One writer late: a step has more samples when it is read again. Steps that have
settled are read again once an hour, in the query that reads the newest ones: if samples came after a step had
settled, later steps stay open for longer. Ages are counted in steps: a sample that is first seen when its
step is the newest has age 0.

A tenant writes its own samples when it likes, with any timestamps. What a few namespaces have is therefore no
sign of the store or of a writer, which has Pods of many: neither are their samples late for all, nor is a
step complete since theirs of a later one came.
"""

from collections import Counter
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.open_steps import OPEN_STEPS, Settlement
from app.history.samples import STEP_SECONDS, StepRange, merge_adjacent

# Once an hour, the steps of an hour are read again. A step stays open for less than that.
REVIEWED_STEPS = 12
_MAX_OPEN_STEPS = REVIEWED_STEPS - 1
# Of the samples of a step or of an hour: fewer late ones are not worth waiting for, or a message.
_LEAST_LATE_SHARE = 0.005
# Of the namespaces, or of the samples: that of a writer. From so many namespaces on, fewer are enough.
_SHARE_OF_WRITER, _SEVERAL_NAMESPACES, _SHARE_OF_SEVERAL = 0.2, 3, 0.05


def _are_of_writer(namespaces: Collection[str], among: Collection[str]) -> bool:
    """True if *namespaces* are too many to be those of a tenant."""
    count, share = len(namespaces), len(namespaces) / max(len(among), 1)
    return share >= _SHARE_OF_WRITER or (count >= _SEVERAL_NAMESPACES and share >= _SHARE_OF_SEVERAL)


@dataclass(slots=True)
class _Count:
    """The samples of one step by namespace, and the selections of namespaces that they were read for."""

    samples: Counter[str] = field(default_factory=Counter)
    answered: list[NamespaceSelection] = field(default_factory=list)

    def later(self, samples: Counter[str]) -> Counter[str]:
        """The samples that are new in *samples*, of namespaces that were read before."""
        new = samples - self.samples
        return Counter(
            {name: n for name, n in new.items() if any(names.covers(name) for names in self.answered)}
        )


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
    _counts: dict[int, _Count] = field(default_factory=dict)  # of the last hour, as last read
    _late_steps: int = 0  # the largest age at which samples were first seen, since the last review
    _late_before: int = 0  # that of the time between the last two reviews
    _late_now: dict[int, Counter[str]] = field(default_factory=dict)  # first seen in this cycle, by step
    _lost_now: Counter[str] = field(default_factory=Counter)
    _lost_age: int = REVIEWED_STEPS  # the smallest age of samples that came after their step had settled

    @property
    def open_steps(self) -> int:
        """How many steps stay open."""
        return min(max(OPEN_STEPS, self.learned_open_steps.get(self.signal, 0)), _MAX_OPEN_STEPS)

    @property
    def lag_seconds(self) -> int:
        """The largest age at which samples were first seen in the last two hours, in whole steps."""
        return max(self._late_steps, self._late_before) * STEP_SECONDS

    def settlement(self, newest_step: int) -> Settlement | None:
        """The last step that has settled as of *newest_step*; None if no sample was seen as of it."""
        if newest_step != self._newest_step or not self._seen:
            return None
        # If newer steps have no sample, the last one with samples may have a part of them only.
        front_step = self._front_step()
        complete = front_step - (front_step < self._read.last)
        return Settlement(newest_step, min(newest_step - self.open_steps, complete))

    def is_stalled(self, newest_step: int) -> bool:
        """True if no newer sample came for longer than a step stays open: samples are not only late."""
        return bool(self._advanced_at) and newest_step - self._advanced_at > OPEN_STEPS

    def with_review(self, missing: list[StepRange], newest_step: int) -> list[StepRange]:
        """The *missing* parts; if a review is due, the steps of the last hour too, in the same query."""
        if not missing or missing[0].last != newest_step or not self._is_review_due(newest_step):
            return missing
        first = newest_step - REVIEWED_STEPS + 1
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
        if newest_step != self._newest_step:
            self._newest_step, self._read = newest_step, steps
            self._seen.clear()
            self._late_now.clear()
        self._read = StepRange(min(self._read.first, steps.first), max(self._read.last, steps.last))
        if (columns := np.flatnonzero(present.any(axis=0))).size:
            last_step = steps.first + int(columns[-1])
            counted = _by_namespace(steps, namespaces, present, last_step - REVIEWED_STEPS + 1)
            for step, samples in counted.items():
                self._seen.setdefault(step, set()).update(+samples)
            if last_step > self._furthest_step:
                self._furthest_step, self._advanced_at = last_step, newest_step
                self._late_steps = max(self._late_steps, self._read.last - self._front_step())
        self._compare(_by_namespace(steps, namespaces, present, newest_step - REVIEWED_STEPS + 1), answered)

    def forget_counts(self) -> None:
        """Forget what was read before: namespaces that come into scope are new, and not late."""
        self._counts.clear()

    def finish(self, newest_step: int) -> None:
        """End the answers of a cycle; after a review, steps stay open for as long as samples were late."""
        self._note_late()
        settlement = self.settlement(newest_step)
        if settlement is None:
            return
        self._settled_step = max(self._settled_step, settlement.settled_step)
        is_reviewed = self._read.first <= newest_step - _MAX_OPEN_STEPS and self._read.last == newest_step
        if not is_reviewed or not self._is_review_due(newest_step):
            self._reviewed_at = self._reviewed_at or newest_step
            return
        total = sum(count.samples.total() for count in self._counts.values())
        is_lost = self._lost_now.total() > _LEAST_LATE_SHARE * total
        self.lost = self._lost_now if is_lost else Counter()
        is_of_writer = is_lost and self._is_of_writer(self._lost_now, total)
        self._late_before = max(self._late_steps, self._lost_age if is_of_writer else 0)
        self.learned_open_steps.pop(self.signal, None)
        if self._late_before >= OPEN_STEPS:
            self.learned_open_steps[self.signal] = self._late_before + 1
        self._reviewed_at, self._late_steps = newest_step, 0
        self._lost_now, self._lost_age = Counter(), REVIEWED_STEPS

    def _is_review_due(self, newest_step: int) -> bool:
        return bool(self._reviewed_at) and newest_step - self._reviewed_at >= REVIEWED_STEPS

    def _front_step(self) -> int:
        """The newest step with samples of as many namespaces as a writer has.

        An hour after the others have ended, the samples of few count: most Pods are gone.
        """
        newest = max(self._seen)
        recent = {step: names for step, names in self._seen.items() if step > newest - REVIEWED_STEPS}
        every = set[str]().union(*recent.values())
        return max((step for step, names in recent.items() if _are_of_writer(names, every)), default=newest)

    def _note_late(self) -> None:
        """Note the age of samples that were late in this cycle, if they are those of a writer."""
        for step, late in self._late_now.items():
            total = self._counts[step].samples.total()
            if late.total() > _LEAST_LATE_SHARE * total and self._is_of_writer(late, total):
                self._late_steps = max(self._late_steps, self._newest_step - step)
        self._late_now.clear()

    def _is_of_writer(self, samples: Counter[str], total: int) -> bool:
        """True for *samples* of many namespaces, or for many of a *total*."""
        every = set[str]().union(*(count.samples for count in self._counts.values()))
        return samples.total() >= _SHARE_OF_WRITER * total or _are_of_writer(samples, every)

    def _compare(self, counted: Mapping[int, Counter[str]], answered: NamespaceSelection) -> None:
        """Compare the samples of the last hour with those that were read before."""
        oldest = self._newest_step - REVIEWED_STEPS + 1
        self._counts = {step: count for step, count in self._counts.items() if step >= oldest}
        for step, samples in counted.items():
            count = self._counts.setdefault(step, _Count())
            if late := count.later(samples):
                if step <= self._settled_step:
                    self._lost_now += late
                    self._lost_age = min(self._lost_age, self._newest_step - step)
                else:
                    self._late_now.setdefault(step, Counter()).update(late)
            count.samples |= samples
            if answered not in count.answered:
                count.answered.append(answered)


def _by_namespace(
    steps: StepRange, namespaces: Sequence[str], present: NDArray[np.bool_], oldest: int
) -> dict[int, Counter[str]]:
    """The number of samples of each namespace, for the *steps* from the *oldest* on."""
    names = {name: number for number, name in enumerate(dict.fromkeys(namespaces))}
    numbers = np.array([names[name] for name in namespaces], dtype=np.int64)
    counted = {}
    for step in range(max(steps.first, oldest), steps.last + 1):
        of_step = np.bincount(numbers[present[:, step - steps.first]], minlength=len(names)).tolist()
        counted[step] = Counter(dict(zip(names, of_step, strict=True)))
    return counted
