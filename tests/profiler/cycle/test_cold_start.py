"""A past too large for one cycle: the newest part counts at once, older parts after they are read."""

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import HALF_DAY_PER_CYCLE, NEWEST_STEP_SECONDS, Scenario

MIDNIGHT = NEWEST_STEP_SECONDS - 12 * 3600
VOTING = Identity(ProfileKind.CPU, Workload("emojivoto", "voting"))


async def test_the_newest_half_day_is_published_at_once() -> None:
    """12 of 84 hours: 144 samples, and a confidence of 12 / 36 = 0.33. One query on each resource is sent."""
    prometheus = EmojivotoPrometheus()
    scenario = Scenario(prometheus, history_days=3, limits=HALF_DAY_PER_CYCLE)

    await scenario.cycle()

    assert len(scenario.profiles.manifests) == 4 + 4 + 3
    voting = scenario.profiles.catalogue.get(VOTING)
    assert voting
    status = scenario.profiles.manifests[voting.name]["status"]
    assert (status["samples"], status["confidence"]) == (144, "0.33")
    queried = [
        (query.start, query.end) for query in prometheus.questions if query.signal in {"cpu", "memory"}
    ]
    assert queried == [(MIDNIGHT + 300, NEWEST_STEP_SECONDS)] * 2


async def test_the_rest_is_read_cycle_by_cycle() -> None:
    """Seven cycles for 3.5 days: 144 samples of five containers and two resources each, then none.

    The newest two steps have not settled: their samples are not folded yet.
    """
    scenario = Scenario(EmojivotoPrometheus(), history_days=3, limits=HALF_DAY_PER_CYCLE)

    samples = [(await scenario.cycle()).samples for _ in range(7)]

    assert samples == [142 * 5 * 2, *[144 * 5 * 2] * 6]
    scenario.prometheus.questions.clear()
    await scenario.cycle()
    assert not [query for query in scenario.prometheus.questions if query.signal in {"cpu", "memory"}]


async def test_stored_values_stay_until_the_past_is_read() -> None:
    """Until yesterday web used four times as much. A new leader has read only today: the stored values stay.

    After the cycle that completes the past, the derived values equal the stored ones: nothing is written.
    """

    def busy_until_today(second: int) -> float:
        return 4.0 if second <= MIDNIGHT else 1.0

    prometheus = EmojivotoPrometheus(cpu_factor=busy_until_today)
    first = Scenario(prometheus, history_days=3)
    await first.cycle()
    stored = first.stored
    restarted = Scenario(prometheus, first.profiles, history_days=3, limits=HALF_DAY_PER_CYCLE)

    for _ in range(7):
        report = await restarted.cycle()
        assert (report.written, restarted.stored) == (0, stored)
    assert report.samples > 0
    assert (await restarted.cycle()).samples == 0


async def test_a_missing_profile_is_published_while_the_past_is_read() -> None:
    """One profile was deleted: a new leader writes it from the part of the past that it has read."""
    prometheus = EmojivotoPrometheus()
    first = Scenario(prometheus, history_days=3)
    await first.cycle()
    deleted = first.profiles.catalogue.get(VOTING)
    assert deleted
    await first.profiles.remove(deleted)
    restarted = Scenario(prometheus, first.profiles, history_days=3, limits=HALF_DAY_PER_CYCLE)

    report = await restarted.cycle()

    assert report.written == 1
    assert deleted.name in restarted.values


async def test_progress_is_complete_at_the_end_of_a_cycle() -> None:
    """Steps that are left to later cycles count as done, so that a progress bar reaches its end."""
    calls: list[tuple[int, int]] = []
    scenario = Scenario(EmojivotoPrometheus(), history_days=3, limits=HALF_DAY_PER_CYCLE)

    await scenario.cycle(progress=lambda done, total: calls.append((done, total)))

    assert calls[-1] == (2 * 1008 + 288, 2 * 1008 + 288)
