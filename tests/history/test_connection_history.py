"""The mean of a directed edge over the last 24 hours of wall-clock time."""

import random
from dataclasses import replace

import numpy as np
import pytest

from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.arrays import connection_arrays, read_connections
from app.history.connection_history import ConnectionHistory, ConnectionMean
from app.history.samples import STEPS_PER_DAY
from tests.recommendation.builders import MIDNIGHT, WEB, steps, traffic

VOTING = Workload("emojivoto", "voting")
EDGE = Connection(WEB, VOTING)


def mean_of(*answers: object) -> ConnectionMean:
    rows = ConnectionHistory()
    for answer in answers:
        rows.fold(answer)  # type: ignore[arg-type]
    (mean,) = rows.means()
    return mean


def test_requests_and_responses_are_both_counted() -> None:
    """1 request and 0.9 responses a second: 60 and 54 a minute."""
    mean = mean_of(traffic(steps(1, 12), {EDGE: (1.0, 0.9)}, {WEB: True}))

    assert mean.requests_per_minute == pytest.approx(60)
    assert mean.responses_per_minute == pytest.approx(54)
    assert mean.scraped_steps == 12


def test_silent_minutes_of_a_scraped_source_count_as_zero() -> None:
    """Busy in 6 of 24 steps, scraped in all: a quarter of 60 a minute is 15, whether 0 or no sample."""
    for silence in (0.0, np.nan):
        busy = [1.0] * 6 + [silence] * 18
        mean = mean_of(traffic(steps(1, 24), {EDGE: (busy, busy)}, {WEB: True}))
        assert mean.requests_per_minute == pytest.approx(15)


def test_time_in_which_the_source_was_not_scraped_does_not_count() -> None:
    """Busy in 6 steps, scraped in the 12 first of 24: half of 60 a minute is 30."""
    busy = [1.0] * 6 + [np.nan] * 18
    mean = mean_of(traffic(steps(1, 24), {EDGE: (busy, busy)}, {WEB: [True] * 12 + [False] * 12}))

    assert mean.requests_per_minute == pytest.approx(30)
    assert mean.scraped_steps == 12


def test_what_is_older_than_a_day_does_not_count() -> None:
    """One busy hour, then a day at a tenth of its rate: only the last 288 steps count, 6 a minute."""
    rates = [1.0] * 12 + [0.1] * STEPS_PER_DAY
    mean = mean_of(traffic(steps(1, len(rates)), {EDGE: (rates, 0.0)}, {WEB: True}))

    assert mean.requests_per_minute == pytest.approx(6)
    assert mean.scraped_steps == STEPS_PER_DAY


def test_the_order_of_results_and_repeated_results_change_nothing() -> None:
    """Ten results of one hour each, shuffled, half of them twice: 10 hours at 60 a minute."""
    parts = [steps(first, first + 11) for first in range(1, 121, 12)]
    parts += parts[:5]
    random.Random(7).shuffle(parts)

    mean = mean_of(*(traffic(part, {EDGE: (1.0, 1.0)}, {WEB: True}) for part in parts))

    assert mean.requests_per_minute == pytest.approx(60)
    assert mean.scraped_steps == 120
    assert (mean.first_step, mean.last_step) == (MIDNIGHT + 1, MIDNIGHT + 120)


def test_an_edge_that_was_silent_all_day_has_no_mean() -> None:
    """A silent edge gets no mean, because a mean of 0 could also be missing data."""
    rows = ConnectionHistory()
    rows.fold(traffic(steps(1, 12), {EDGE: (0.0, 0.0)}, {WEB: True}))

    assert rows.means() == []


def test_direction_is_kept() -> None:
    """The edge web → voting does not create voting → web."""
    mean = mean_of(traffic(steps(1, 12), {EDGE: (1.0, 1.0)}, {WEB: True, VOTING: True}))

    assert mean.connection == EDGE


def test_only_missing_steps_are_queried_again() -> None:
    """Steps 277-288 were read; of the 24 hours up to 300, 289-300 and 13-276 are missing."""
    rows = ConnectionHistory()
    rows.fold(traffic(steps(277, 288), {EDGE: (1.0, 1.0)}, {WEB: True}))

    assert rows.missing(MIDNIGHT + 300) == [steps(289, 300), steps(13, 276)]


def test_bytes_are_means_over_the_same_steps() -> None:
    """4000 bytes a second in 6 of 24 scraped steps are 1000; response bytes were not measured, so None."""
    of = steps(1, 24)
    sizes = np.array([[4000.0] * 6 + [np.nan] * 18])
    mean = mean_of(replace(traffic(of, {EDGE: (1.0, 1.0)}, {WEB: True}), request_bytes=sizes))

    assert mean.request_bytes_per_second == pytest.approx(1000)
    assert mean.response_bytes_per_second is None


def test_bytes_are_forgotten_after_a_day() -> None:
    """Measured in the first hour only: 25 hours later the mean of the bytes is None."""
    first = replace(
        traffic(steps(1, 12), {EDGE: (1.0, 1.0)}, {WEB: True}), request_bytes=np.full((1, 12), 4000.0)
    )
    later = traffic(steps(301, 312), {EDGE: (1.0, 1.0)}, {WEB: True})

    assert mean_of(first).request_bytes_per_second == pytest.approx(4000)
    assert mean_of(first, later).request_bytes_per_second is None


def test_the_ends_that_report_an_edge_are_kept() -> None:
    """The source reports first, then the destination: both do, also after a check-point and in a mean."""
    history = ConnectionHistory()
    by_source = traffic(steps(1, 1), {EDGE: (1.0, 1.0)}, {WEB: True})
    by_destination = traffic(steps(2, 2), {EDGE: (1.0, 1.0)}, {WEB: True})
    history.fold(by_source)
    assert [mean.reporters for mean in history.means()] == [Reporters.SOURCE]

    history.fold(replace(by_destination, reporters=np.array([Reporters.DESTINATION], dtype=np.uint8)))

    restored = ConnectionHistory()
    restored.edges, restored.sources = dict(history.edges), dict(history.sources)
    arrays = {name.removeprefix("connections/"): array for name, array in connection_arrays(history)}
    assert arrays["reporters"].tolist() == [Reporters.BOTH]
    read_connections(restored, {f"connections/{name}": array for name, array in arrays.items()})
    assert restored.reporters.tolist() == [Reporters.BOTH]
    assert [mean.reporters for mean in history.means()] == [Reporters.BOTH]
