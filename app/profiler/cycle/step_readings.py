"""What later readings of a step found that earlier ones lacked; pure.

A reading of a step has an age, in steps: 0 while the step is the newest one. How often a step is read depends
on the period of the cycles, so samples are never dated by the reading that found them alone: they are later
than the last reading that lacked them, and not later than the youngest one that had all.

A tenant writes its own samples when it likes, with any timestamps. Late samples of a few namespaces are no
sign of a writer, which has Pods of many: they are named if they are lost, and no lag.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.namespaces import NamespaceSelection

# So many steps are read again, once an hour.
REVIEWED_STEPS = 12
# Of the samples of a step or of an hour: fewer late ones are not worth waiting for, or a message.
_LEAST_LATE_SHARE = 0.005
# Of the namespaces, or of the samples: that of a writer. From so many namespaces on, fewer are enough.
_SHARE_OF_WRITER, _SEVERAL_NAMESPACES, _SHARE_OF_SEVERAL = 0.2, 3, 0.05

StepCounts = Mapping[int, Counter[str]]  # the samples of each namespace, by step


def are_of_writer(namespaces: Collection[str], among: Collection[str]) -> bool:
    """True if *namespaces* are too many to be those of a tenant."""
    count, share = len(namespaces), len(namespaces) / max(len(among), 1)
    return share >= _SHARE_OF_WRITER or (count >= _SEVERAL_NAMESPACES and share >= _SHARE_OF_SEVERAL)


@dataclass(slots=True)
class _Step:
    """The samples of one step by namespace, and the newest step when each selection was read last."""

    samples: Counter[str] = field(default_factory=Counter)
    read_at: dict[NamespaceSelection, int] = field(default_factory=dict)

    def last_read(self, namespace: str) -> int:
        """The newest step when *namespace* was read last; 0 if it never was."""
        return max((at for names, at in self.read_at.items() if names.covers(namespace)), default=0)


@dataclass(slots=True)
class StepReadings:
    """The last readings of the newest steps, and what the samples that came later say of the lag."""

    lost: Counter[str] = field(default_factory=Counter)  # that came after their step had settled
    _steps: dict[int, _Step] = field(default_factory=dict)
    _late: dict[tuple[int, int], Counter[str]] = field(
        default_factory=dict
    )  # by step and last age, this cycle
    _lacking_age: int = -1  # the largest age of a reading that lacked samples
    _whole_ages: set[int] = field(default_factory=set)  # of readings that had all

    @property
    def lag_steps(self) -> int:
        """The age at which a step has all its samples, at most; 0 if none was late."""
        later = (age for age in self._whole_ages if age > self._lacking_age)
        return min(later) if self._lacking_age >= 0 else 0

    def has(self, step: int) -> bool:
        """True for a step that a later answer is compared with."""
        return step in self._steps

    def compare(
        self, newest_step: int, counted: StepCounts, answered: NamespaceSelection, settled_step: int
    ) -> None:
        """Compare an answer on the *answered* namespaces with the readings before."""
        for number, samples in counted.items():
            if number not in self._steps and number <= newest_step - REVIEWED_STEPS:
                continue
            step = self._steps.setdefault(number, _Step())
            for name, count in samples.items():
                read_at = step.last_read(name)
                if not read_at or read_at == newest_step:
                    continue
                late = self._late.setdefault((number, read_at - number), Counter())
                if (more := count - step.samples[name]) > 0:
                    late[name] = more
                    if number <= settled_step:
                        self.lost[name] += more
            step.samples |= samples
            step.read_at[answered] = newest_step

    def finish(self, newest_step: int) -> None:
        """End the answers of a cycle; only the newest steps are compared with later answers."""
        every = self._namespaces()
        for (number, age), late in self._late.items():
            total = self._steps[number].samples.total()
            is_late = late.total() > _LEAST_LATE_SHARE * total
            if is_late and (late.total() >= _SHARE_OF_WRITER * total or are_of_writer(late, every)):
                self._lacking_age = max(self._lacking_age, age)
                self._whole_ages.add(newest_step - number)
            else:
                self._whole_ages.add(age)
        self._late.clear()
        kept = range(newest_step - REVIEWED_STEPS + 1, newest_step + 1)
        self._steps = {number: step for number, step in self._steps.items() if number in kept}

    def take_lost(self) -> Counter[str]:
        """The samples that were lost since the last review, if they are many; then begin anew."""
        total = sum(step.samples.total() for step in self._steps.values())
        is_lost = self.lost.total() > _LEAST_LATE_SHARE * total
        lost = self.lost if is_lost else Counter[str]()
        self.lost, self._lacking_age = Counter(), -1
        self._whole_ages.clear()
        return lost

    def forget(self) -> None:
        """Forget all readings: namespaces that come into scope are new, and not late."""
        self._steps.clear()
        self._late.clear()

    def _namespaces(self) -> set[str]:
        return set[str]().union(*(step.samples for step in self._steps.values()))


def front_step(seen: Mapping[int, Iterable[str]]) -> int:
    """The newest step with samples of as many namespaces as a writer has; *seen* names those of each step.

    An hour after the others have ended, the samples of few count: most Pods are gone.
    """
    newest = max(seen)
    recent = {step: set(names) for step, names in seen.items() if step > newest - REVIEWED_STEPS}
    every = set[str]().union(*recent.values())
    return max((step for step, names in recent.items() if are_of_writer(names, every)), default=newest)
