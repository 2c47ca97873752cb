"""Pods with young series: which are asked for, in which steps, and in how many queries."""

import numpy as np

from app.history.samples import StepRange
from app.sources.queries import YOUNG
from app.sources.query_result import QueryResult
from app.sources.young_series import MOST_YOUNG_PODS_PER_HOUR, with_rates, young_pods


def marked(*pods: tuple[str, str, int]) -> QueryResult:
    """A mark for each Pod, given by its namespace, its name and a step after 100."""
    keys = tuple((namespace, pod, "app", YOUNG) for namespace, pod, _ in pods)
    columns = np.array([column for *_, column in pods], dtype=np.int32)
    rows = np.arange(len(pods), dtype=np.int32)
    return QueryResult(keys, StepRange(100, 111), rows, columns, np.ones(len(pods)))


def test_marks_without_a_rate_are_left_out() -> None:
    """`a` has a rate at its second mark, `b` at none: a scrape of its first step was its only one."""
    keys = (
        ("ci", "a", "app", YOUNG),
        ("ci", "b", "app", YOUNG),
        ("ci", "a", "app", ""),
        ("ci", "c", "app", ""),
    )
    rows, columns = (
        np.array(numbers, dtype=np.int32) for numbers in ([0, 0, 1, 2, 2, 3], [1, 2, 1, 2, 3, 1])
    )

    found = with_rates(QueryResult(keys, StepRange(100, 111), rows, columns, np.arange(6.0)))

    assert [*zip(found.rows.tolist(), found.columns.tolist(), found.samples.tolist(), strict=True)] == [
        (0, 2, 1.0),
        (2, 2, 3.0),
        (2, 3, 4.0),
        (3, 1, 5.0),
    ]


def test_young_pods_are_asked_for_where_they_are_young() -> None:
    """Steps 101 to 104 for these two; 108 is in the next hour, and a name of two namespaces occurs once."""
    found = young_pods(
        marked(("ci", "b", 1), ("ci", "b", 2), ("ci", "a", 4), ("ci", "c", 8), ("shop", "c", 9))
    )

    assert [(part.pods, part.steps) for part in found] == [
        (("a", "b"), StepRange(101, 104)),
        (("c",), StepRange(108, 109)),
    ]


def test_no_namespace_takes_all_queries() -> None:
    """Of 5,000 Pods of `ci` and 10 of `shop`, 2,000 are asked for, among them all of `shop`.

    Names of 41 characters with what is between them, at most 3,500 in a query with those of the namespaces (8
    for both, 3 for one): (3500 - 3) / 41 = 85 Pods are in one, so that 1,990 Pods are 24 queries.
    """
    many = [("ci", f"build-{number:034}", 3) for number in range(5_000)]
    few = [("shop", f"web-{number}", 3) for number in range(10)]

    found = young_pods(marked(*many, *few))

    pods = [pod for part in found for pod in part.pods]
    assert len(pods) == len(set(pods)) == MOST_YOUNG_PODS_PER_HOUR
    assert {name for _, name, _ in few} <= set(pods)
    assert len(found) == 24
    assert all(sum(map(len, part.pods)) <= 3_500 for part in found)


def test_the_names_of_namespaces_are_in_the_query_too() -> None:
    """60 namespaces with names of 59 characters and one Pod of 6 in each: 60 characters and 7 for all Pods.

    (3500 - 7) / 60 = 58 fit, so these are two queries, each with its own namespaces.
    """
    found = young_pods(marked(*((f"tenant-{number:052}", "web-00", 3) for number in range(60))))

    assert [(len(part.namespaces), part.pods) for part in found] == [(58, ("web-00",)), (2, ("web-00",))]
