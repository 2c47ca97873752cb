"""One kind of question to the source: the steps to query, and the namespaces that are queried apart.

A namespace without a result leaves the query on all namespaces, so that it stops no other. From then on it is
queried apart, together with others that failed, until none of its steps is missing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.domain.namespaces import NamespaceSelection
from app.errors import RefusedQueryError, SourceError, TooLargeError
from app.history.samples import STEPS_PER_DAY, StepRange, merge_adjacent
from app.profiler.cycle.signals import SignalResults

# After a day of failed reads of older steps, profiles are updated without them.
PATIENCE_STEPS = STEPS_PER_DAY
# Parts that fail are left out, so that older ones do not wait for them; a time-out counts twice.
_MAX_FAILED_PARTS = 3

FindMissing = Callable[[NamespaceSelection], list[StepRange]]
QueryPart = Callable[[StepRange, NamespaceSelection, SignalResults], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    since_step: int


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """The steps to query for some namespaces, newest part first."""

    namespaces: NamespaceSelection
    parts: list[StepRange]


PlannedQueries = tuple[PlannedQuery, PlannedQuery]  # on most namespaces, and on those that failed


@dataclass(slots=True)
class Question:
    """Asks for the missing steps of one signal; remembers which namespaces failed, and why."""

    _failures: dict[str, _Failure] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """The reason for each namespace that is queried apart."""
        return {namespace: failure.reason for namespace, failure in self._failures.items()}

    @property
    def others(self) -> NamespaceSelection:
        """All namespaces that are not queried apart."""
        return NamespaceSelection(excluded=frozenset(self._failures))

    def given_up(self, newest_step: int) -> set[str]:
        """The namespaces that failed for a day: their profiles do not wait for older steps any more."""
        return {
            namespace
            for namespace, failure in self._failures.items()
            if newest_step - failure.since_step >= PATIENCE_STEPS
        }

    def plan(
        self, find_missing: FindMissing, unlisted: Mapping[str, str], newest_step: int
    ) -> PlannedQueries:
        """The query on most namespaces, and the one on those that failed.

        The *unlisted* namespaces, whose Pods are not known, are in neither.
        """
        self._add(unlisted, newest_step)
        apart = NamespaceSelection(included=frozenset(self._failures.keys() - unlisted.keys()))
        return (
            PlannedQuery(self.others, merge_adjacent(find_missing(self.others))),
            PlannedQuery(apart, merge_adjacent(find_missing(apart)) if apart.included else []),
        )

    async def ask(
        self, query: QueryPart, most: PlannedQuery, apart: PlannedQuery, newest_step: int
    ) -> SignalResults:
        """Carry out the planned queries; the result is that of the query on most namespaces."""
        results = await query_parts(most, query, newest_step)
        self._add(results.failed, newest_step)
        if results.error is None or isinstance(results.error, RefusedQueryError):
            of_apart = await query_parts(apart, query, newest_step)
            self._add(of_apart.failed, newest_step)
            if of_apart.error:
                self._add(dict.fromkeys(apart.namespaces.included or (), str(of_apart.error)), newest_step)
            results.unusable += of_apart.unusable
        return results

    def forget_complete(self, find_missing: FindMissing) -> None:
        """Return the namespaces without a missing step to the query on most namespaces."""
        for namespace in list(self._failures):
            if not find_missing(NamespaceSelection(included=frozenset({namespace}))):
                del self._failures[namespace]

    def _add(self, failed: Mapping[str, str], newest_step: int) -> None:
        for namespace, reason in failed.items():
            before = self._failures.get(namespace)
            self._failures[namespace] = _Failure(reason, before.since_step if before else newest_step)


async def query_parts(planned: PlannedQuery, query: QueryPart, newest_step: int) -> SignalResults:
    """Query every part, newest first; a part that the source refuses is left out."""
    parts = planned.parts
    results = SignalResults(only_older_steps=bool(parts) and parts[0].last < newest_step)
    failures = 0
    for part in parts:
        results_before = len(results.series_counts)
        try:
            await query(part, planned.namespaces, results)
        except SourceError as error:
            results.error = results.error or error
            results.newest_failed |= part is parts[0] and len(results.series_counts) == results_before
            failures += _weight(error)
            if failures >= _MAX_FAILED_PARTS:
                break
    results.off = bool(parts) and not results.series_counts and results.error is None
    return results


def _weight(error: SourceError) -> int:
    """How much of the limit of failed parts *error* uses up: all of it if other parts would fail too."""
    match error:
        case TooLargeError(timed_out=True):
            return 2
        case TooLargeError() | RefusedQueryError():
            return 1
    return _MAX_FAILED_PARTS
