"""The plan of an examination: its number of queries, and their lengths."""

from collections.abc import Iterable

from app.diagnosis.examination import MAX_QUERIES, examine
from app.diagnosis.observations import Answer, Observations
from app.diagnosis.questions import Kind, MetricQuestion
from app.diagnosis.target import Target
from app.errors import SourceError, TooLargeError
from app.sources.queries import Scope

NOW = 1_772_373_620.0
# VictoriaMetrics refuses longer queries.
_LONGEST_QUERY = 16 * 1024


def everything(question: MetricQuestion) -> Answer:
    """Each query has one series, with the time of now or as a number."""
    return {fact: {tuple("x" for _ in part.labels): NOW} for fact, part in question.parts.items()}


def run(target: Target, answers: Iterable[Answer] | None = None) -> tuple[list[MetricQuestion], Observations]:
    """All questions, and what was seen; each question has the next of *answers*, or everything."""
    script = iter(answers or ())
    examination = examine(target, NOW)
    asked: list[MetricQuestion] = []
    batch = next(examination)
    while True:
        asked += batch
        try:
            batch = examination.send([next(script, everything(question)) for question in batch])
        except StopIteration as end:
            seen: Observations = end.value
            return asked, seen


def test_all_exporters_with_many_namespaces() -> None:
    """33 queries, and one for the retention; 20 long names of excluded namespaces fit into each."""
    excluded = frozenset(f"{number:02}-{'n' * 60}" for number in range(20))

    asked, _ = run(Target(Scope(excluded=excluded, cluster="east")))

    assert len(asked) == 33 < MAX_QUERIES
    assert max(len(question.batch.query) for question in asked) < _LONGEST_QUERY


def test_nothing_more_is_asked_of_a_server_that_is_away() -> None:
    """One question; nothing is known, and nothing is called absent."""
    asked, seen = run(Target(Scope()), [SourceError("Unreachable", "away")])

    assert len(asked) == 1
    assert not seen.counts


def test_a_query_that_is_too_large_does_not_end_the_examination() -> None:
    """The newest samples could not be read: the questions after that are on the current time."""
    asked, seen = run(Target(Scope()), [TooLargeError("TimedOut", "slow", timed_out=True)])

    assert len(asked) == 33
    [series] = [
        question
        for question in asked
        if any(fact.kind is Kind.OBJECTS and fact.subject == "kubelet" for fact in question.parts)
    ]
    assert (series.steps.first, series.steps.last) == (NOW // 300, NOW // 300 + 1)
    assert seen.counts
