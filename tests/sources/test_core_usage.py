"""Series of single cores become one series per container."""

from dataclasses import replace

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


def test_the_larger_of_rate_and_slope_counts() -> None:
    """Of two cores, one is young in the first step: 0.4 + 0.2 by rates, and its slope of 1 counts: 1.2.

    A slope without a rate counts too: its rate is that of a step with one sample.
    """
    rates = result(
        {("cpu00", ""): [0.4, 1, 1], ("cpu01", ""): [0.2, 0.2, None], ("cpu00", "1"): [1, 0.9, None]}
    )

    after = usage_of_containers(replace(rates, keys=tuple((*key[:2], "app", *key[2:]) for key in rates.keys)))

    assert shown(after) == {"app": [1.2, 1.2, 1]}


def test_without_a_slope_samples_stay_as_they_are() -> None:
    """The usual case: two labels are dropped."""
    rates = result({("total", ""): [1, 2, 3]})
    rates = replace(rates, keys=tuple((*key[:2], "app", *key[2:]) for key in rates.keys))

    after = usage_of_containers(rates)

    assert after.samples is rates.samples
    assert shown(after) == {"app": [1, 2, 3]}
