"""Samples that reach a server more than an hour late, as the query on loads shows them; pure.

That query is sent once an hour at most, and counts the samples of the newest step by namespace. Twice a day
it counts one older step too: an hour after its end, and again a day later. New samples of it were too late.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, STEPS_PER_HOUR
from app.sources.connections.conversation import LabeledQuery
from app.sources.queries import WINDOW, Scope
from app.sources.query_result import QueryResult

# The profiler's own label on the older counts. Scraped series have no label with this beginning.
_EARLIER_LABEL = "__earlier"
_LEAST_LATE_SHARE = 0.005  # of a step's samples: fewer late ones are not worth a message
_LEAST_NEWEST_SHARE = 0.5  # of the namespaces: with fewer in the newest step, the whole server may be late


@dataclass(slots=True)
class LateCounts:
    """The counts of one older step, and the namespaces with samples that came to it later."""

    namespaces: tuple[str, ...] = ()  # those with most late samples first
    _scope: Scope | None = None
    _step: int = 0
    _counts: Mapping[str, float] = field(default_factory=dict)
    _asked_at: int = 0  # the newest step then

    def earlier_step(self, scope: Scope, newest_step: int) -> int:
        """The step to count beside the *newest_step*; 0 for none."""
        if abs(newest_step - self._asked_at) < STEPS_PER_HOUR:
            return 0
        age_steps = newest_step - self._step
        if scope != self._scope or (age_steps >= STEPS_PER_DAY and not self._counts):
            return newest_step - STEPS_PER_HOUR
        return self._step if age_steps >= STEPS_PER_DAY else 0

    def note(
        self,
        scope: Scope,
        steps: tuple[int, int],
        earlier: Mapping[str, float],
        newest: Mapping[str, float],
    ) -> None:
        """Record the counts of an earlier and the newest one of *steps*."""
        self._asked_at = steps[1]
        if scope == self._scope and steps[0] == self._step and self._counts:
            late = Counter(earlier)
            late.subtract(self._counts)
            late = +late
            is_much = late.total() > _LEAST_LATE_SHARE * sum(earlier.values())
            ordered = sorted(late, key=lambda name: (-late[name], name))
            self.namespaces, self._counts = tuple(ordered) if is_much else (), {}
        elif earlier and len(newest) >= _LEAST_NEWEST_SHARE * len(earlier):
            self._scope, self._step, self._counts = scope, steps[0], dict(earlier)

    def refuse(self, scope: Scope, newest_step: int) -> None:
        """Count no older step for a day: the server refuses it."""
        self._scope, self._step, self._counts = scope, newest_step, {}


def with_earlier(query: LabeledQuery, age_steps: int) -> LabeledQuery:
    """*query* on counts over one window, and the same counts *age_steps* ago."""
    offset = f"[{WINDOW}] offset {age_steps * STEP_SECONDS}s"
    earlier = query.query.replace(f"[{WINDOW}]", offset)
    text = f'{query.query} or label_replace({earlier},"{_EARLIER_LABEL}","1","","")'
    return LabeledQuery(text, (*query.labels, _EARLIER_LABEL), query.optional | {_EARLIER_LABEL})


def without_earlier(result: QueryResult) -> tuple[QueryResult, QueryResult]:
    """The newest counts and the earlier ones, out of the result of `with_earlier`."""
    is_earlier = np.array([bool(key[-1]) for key in result.keys], dtype=np.bool_)
    newest, earlier = (
        replace(part, keys=tuple(key[:-1] for key in part.keys))
        for part in (result.select(~is_earlier), result.select(is_earlier))
    )
    return newest, earlier
