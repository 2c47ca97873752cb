"""The mean of a directed edge over the last 24 hours of wall-clock time."""

import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from app.domain.protocols import Protocol
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.arrays import connection_arrays, read_connections
from app.history.connection_history import ConnectionHistory, ConnectionMean
from app.history.key_ranges import KeyRange
from app.history.samples import STEPS_PER_DAY, ConnectionSamples
from app.history.step_statistics import StepStatistics
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

    assert list(rows.means()) == []


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

    arrays = {name.removeprefix("connections/"): array for name, array in connection_arrays(history)}
    assert arrays["reporters"].tolist() == [Reporters.BOTH]
    restored = read_connections(
        {f"connections/{name}": array for name, array in arrays.items()}, [EDGE], [WEB]
    )
    assert restored.reporters.tolist() == [Reporters.BOTH]
    assert [mean.reporters for mean in history.means()] == [Reporters.BOTH]


def test_the_95th_percentile_of_the_steps() -> None:
    """An hour at 6,000 requests a minute in a day: a mean of 250, and no step of 95 % of them: 12 < 14.4.

    With 16 such steps (80 minutes), 272 of 288 steps are silent, and the rank of 95 % is step 274: 6,000. The
    maximum shows both.
    """
    for busy_steps, mean, p95 in ((12, 250.0, 0.0), (16, 333.333, 6000.0)):
        rates = [100.0] * busy_steps + [np.nan] * (STEPS_PER_DAY - busy_steps)
        result = mean_of(traffic(steps(1, STEPS_PER_DAY), {EDGE: (rates, 0.0)}, {WEB: True}))

        assert result.requests_per_minute == pytest.approx(mean, abs=0.001)
        assert result.messages == StepStatistics(p95, 6000.0)


def test_steps_without_a_scrape_are_none_of_the_percentile() -> None:
    """20 scraped steps, of which the largest is above 95 %: 19 * 60, while the source was not scraped after.

    Requests and responses of a step are one number of messages: (10 + 9) * 60 = 1,140 a minute.
    """
    rates = [1.0] * 18 + [10.0, 99.0] + [np.nan] * 20
    answers = [1.0] * 18 + [9.0, 1.0] + [np.nan] * 20
    scraped = [True] * 20 + [False] * 20

    result = mean_of(traffic(steps(1, 40), {EDGE: (rates, answers)}, {WEB: scraped}))

    assert result.messages == StepStatistics(1140.0, 6000.0)
    assert (result.request_bytes, result.response_bytes) == (None, None)


def tcp(sent: object, protocol: Protocol = Protocol.TCP, first: int = 1) -> ConnectionSamples:
    """An hour of an edge with bytes alone, of which as many come back."""
    hour = steps(first, first + 11)
    sizes = np.broadcast_to(np.array(sent, dtype=np.float64), (1, 12))
    requests = np.nan if protocol is Protocol.TCP else 1.0
    samples = traffic(hour, {EDGE: (requests, requests)}, {WEB: True})
    return replace(
        samples,
        request_bytes=sizes,
        response_bytes=sizes,
        protocols=np.array([protocol], dtype=np.uint8),
    )


def test_bytes_alone_are_an_edge_of_tcp() -> None:
    """6 of 12 steps with 100 bytes a second: a mean of 50, a percentile of 100, and no message."""
    result = mean_of(tcp([100.0] * 6 + [0.0] * 6))

    assert (result.protocol, result.requests_per_minute, result.responses_per_minute) == (Protocol.TCP, 0, 0)
    assert (result.request_bytes_per_second, result.response_bytes_per_second) == (50, 50)
    assert result.request_bytes == result.response_bytes == StepStatistics(100.0, 100.0)
    assert result.messages == StepStatistics(0.0, 0.0)


def test_the_protocol_is_the_one_that_was_seen_last() -> None:
    """An edge that changes from HTTP to gRPC; an hour with bytes alone leaves it, as does an older result."""
    hours = (tcp(1.0, Protocol.HTTP), tcp(1.0, Protocol.GRPC, 13), tcp(1.0, Protocol.TCP, 25))

    assert mean_of(hours[0]).protocol is Protocol.HTTP
    assert mean_of(*hours).protocol is Protocol.GRPC
    assert mean_of(hours[2], hours[1], hours[0]).protocol is Protocol.GRPC


@pytest.mark.parametrize("protocol", Protocol)
def test_the_protocol_is_in_the_check_point(protocol: Protocol) -> None:
    """Without the array, as an older release writes it, requests are of HTTP, and bytes alone TCP."""
    rows = ConnectionHistory()
    rows.fold(tcp(5.0, protocol))
    arrays = dict(connection_arrays(rows))
    stored = "connections/protocols" in arrays

    for known in (True, False):
        if not known:
            arrays.pop("connections/protocols", None)
        restored = read_connections(arrays, [EDGE], [WEB])
        restored.newest_step = rows.newest_step
        (mean,) = restored.means()
        assert mean.protocol is (protocol if known or not stored else Protocol.HTTP)


def test_the_means_of_many_edges_need_little_memory_at_a_time() -> None:
    """12,288 edges have 14 MB per rate; beside their means, never more than that is needed at a time.

    2,048 edges have 2.4 MB per rate: six times that is enough for the messages and three sorted copies.
    """
    clients = [Workload("flood", f"client-{number % 100}") for number in range(12_288)]
    edges = [
        Connection(client, Workload("flood", f"server-{number}")) for number, client in enumerate(clients)
    ]
    history = ConnectionHistory()
    history.fold(traffic(steps(1, 2), dict.fromkeys(edges, (1.0, 1.0)), dict.fromkeys(clients, True)))
    megabytes_per_rate = len(edges) * STEPS_PER_DAY * 4 / 1e6

    tracemalloc.start()
    means = list(history.means())
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(means) == len(edges)
    assert (peak - kept) / 1e6 < megabytes_per_rate


def test_a_restored_history_is_in_memory_once() -> None:
    """8,192 edges have 9.4 MB per rate: beside the parts, at most two of the four rates are needed at a time.

    The parts lose each rate as soon as the whole has it.
    """
    clients = [Workload(f"flood-{number % 64}", "client") for number in range(8_192)]
    edges = [
        Connection(client, Workload("flood", f"server-{number}")) for number, client in enumerate(clients)
    ]
    history = ConnectionHistory()
    history.fold(traffic(steps(1, 2), dict.fromkeys(edges, (1.0, 1.0)), dict.fromkeys(clients, True)))
    whole = KeyRange()
    middle = (whole.first + whole.last) // 2
    halves = [KeyRange(whole.first, middle), KeyRange(middle + 1, whole.last)]
    restored, means = ConnectionHistory(), sorted(history.means(), key=repr)

    tracemalloc.start()
    parts = {keys: history.within(keys) for keys in halves}
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    restored.replace_with(parts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sorted(restored.means(), key=repr) == means
    assert (peak - before) / 1e6 < 2 * len(edges) * STEPS_PER_DAY * 4 / 1e6
