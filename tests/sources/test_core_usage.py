"""Rates, slopes and series of single cores become one series per container."""

import numpy as np

from app.history.samples import StepRange
from app.sources.core_usage import add_up_cores, usage_of_containers
from app.sources.query_result import QueryResult

STEPS = StepRange(100, 102)


def result(rows: dict[tuple[str, str], list[float | None]]) -> QueryResult:
    """Series of containers and cores; None for a step without a point."""
    keys = tuple(("shop", "web-0", container, core) for container, core in rows)
    points = [
        (row, column, value)
        for row, values in enumerate(rows.values())
        for column, value in enumerate(values)
        if value is not None
    ]
    series, columns, samples = zip(*points, strict=True)
    return QueryResult(
        keys,
        STEPS,
        np.array(series, dtype=np.int32),
        np.array(columns, dtype=np.int32),
        np.array(samples, dtype=float),
    )


def shown(found: QueryResult) -> dict[str, list[float]]:
    return {key[2]: values for key, values in zip(found.keys, found.matrix().values.tolist(), strict=True)}


def test_one_series_per_container_stays_as_it_is() -> None:
    """The usual case: only the label is dropped."""
    before = result({("app", "total"): [1, 2, 3], ("proxy", ""): [4, 5, 6]})

    after = add_up_cores(before)

    assert after.samples is before.samples
    assert shown(after) == {"app": [1, 2, 3], "proxy": [4, 5, 6]}


def test_cores_are_added_up_and_a_total_counts_if_it_is_larger() -> None:
    """Cores of 0.25 and 0.5 are 0.75; a core without a point adds nothing; the total of 2 is larger than 0.5.

    The rows of a container need not follow each other.
    """
    after = add_up_cores(
        result(
            {
                ("app", "cpu00"): [0.25, 0.25, None],
                ("proxy", "total"): [1, 1, 1],
                ("app", "cpu01"): [0.5, None, None],
                ("app", "total"): [None, 2, 3],
            }
        )
    )

    assert shown(after) == {"app": [0.75, 2, 3], "proxy": [1, 1, 1]}
    assert after.rows.tolist() == sorted(after.rows.tolist())


def test_a_core_without_a_usable_number_leaves_the_step_unusable() -> None:
    """NaN is counted as unusable, and is never a part of a sum."""
    after = add_up_cores(result({("app", "cpu00"): [1, float("nan"), 1], ("app", "cpu01"): [1, 1, 1]}))

    assert after.unusable == 1
    np.testing.assert_equal(shown(after), {"app": [2, float("nan"), 2]})


def test_slopes_count_where_they_are_larger_and_marked() -> None:
    """At step 101 of `app` the slope of 3 counts, not that of 0.5 at 102, nor that of an unmarked series.

    Each of two cores has its own slope.
    """
    keys = [("app", "total", ""), ("app", "total", "young"), ("proxy", "c0", ""), ("proxy", "c1", "")]
    marks = [("proxy", "c0", "young"), ("proxy", "c1", "young")]
    usage = QueryResult(
        tuple(("shop", "web-0", *key) for key in (*keys, *marks)),
        STEPS,
        np.array([0, 0, 0, 1, 1, 2, 3, 4, 5], dtype=np.int32),
        np.array([0, 1, 2, 1, 2, 0, 0, 0, 0], dtype=np.int32),
        np.array([1.0, 1.0, 1.0, 5.0, 5.0, 0.1, 0.2, 4.0, 4.0]),
    )
    slopes = [
        QueryResult(
            (("shop", "web-0", "app", "total", ""), ("shop", "web-0", "old", "total", "")),
            StepRange(101, 102),
            np.array([0, 0, 1], dtype=np.int32),
            np.array([0, 1, 0], dtype=np.int32),
            np.array([3.0, 0.5, 9.0]),
        ),
        QueryResult(
            (("shop", "web-0", "proxy", "c0", ""), ("shop", "web-0", "proxy", "c1", "")),
            StepRange(100, 100),
            np.array([0, 1], dtype=np.int32),
            np.array([0, 0], dtype=np.int32),
            np.array([0.5, 0.7]),
        ),
    ]

    found = usage_of_containers(usage, slopes)

    nan = float("nan")
    np.testing.assert_equal(
        {name: values for name, values in shown(found).items() if name != "old"},
        {"app": [1, 3, 1], "proxy": [1.2, nan, nan]},
    )
    assert found.unusable == 0
