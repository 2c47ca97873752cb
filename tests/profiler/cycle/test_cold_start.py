"""A past that is too large for one cycle: the newest part counts at once, older parts once they are read."""

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import HALF_DAY_PER_CYCLE, NEWEST_STEP_SECONDS, Scenario

MIDNIGHT = NEWEST_STEP_SECONDS - 12 * 3600
VOTING = Identity(ProfileKind.CPU, Workload("emojivoto", "voting"))


async def test_the_newest_half_day_is_published_at_once() -> None:
    """12 of the 84 hours: 144 samples, and a confidence of 12 / 36 = 0.33. Nothing else is asked of usage."""
    prometheus = EmojivotoPrometheus()
    scenario = Scenario(prometheus, history_days=3, limits=HALF_DAY_PER_CYCLE)

    await scenario.cycle()

    assert len(scenario.profiles.manifests) == 4 + 4 + 3
    voting = scenario.profiles.catalogue.get(VOTING)
    assert voting
    status = scenario.profiles.manifests[voting.name]["status"]
    assert (status["samples"], status["confidence"]) == (144, "0.33")
    asked = [(each.start, each.end) for each in prometheus.questions if each.signal in {"cpu", "memory"}]
    assert asked == [(MIDNIGHT + 300, NEWEST_STEP_SECONDS)] * 2


async def test_the_rest_is_read_cycle_by_cycle() -> None:
    """Seven cycles for 3.5 days: 144 samples of five containers and two resources each, then nothing."""
    scenario = Scenario(EmojivotoPrometheus(), history_days=3, limits=HALF_DAY_PER_CYCLE)

    samples = [(await scenario.cycle()).samples for _ in range(7)]

    assert samples == [144 * 5 * 2] * 7
    scenario.prometheus.questions.clear()
    await scenario.cycle()
    assert not [each for each in scenario.prometheus.questions if each.signal in {"cpu", "memory"}]


async def test_what_is_stored_is_not_replaced_by_what_rests_on_less() -> None:
    """Until yesterday web used four times as much. A new leader has read today alone: what is stored stays.

    In the cycle in which the whole past is read, it is found to be right: nothing is written at all.
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


async def test_a_newcomer_is_published_while_the_past_is_read() -> None:
    """The profile of one workload was lost: a new leader writes that one, from what it has read so far."""
    prometheus = EmojivotoPrometheus()
    first = Scenario(prometheus, history_days=3)
    await first.cycle()
    lost = first.profiles.catalogue.get(VOTING)
    assert lost
    await first.profiles.remove(lost)
    restarted = Scenario(prometheus, first.profiles, history_days=3, limits=HALF_DAY_PER_CYCLE)

    report = await restarted.cycle()

    assert report.written == 1
    assert lost.name in restarted.values


async def test_progress_ends_where_the_cycle_does() -> None:
    """What waits for later cycles is given up by this one, so that no bar stands still."""
    told: list[tuple[int, int]] = []
    scenario = Scenario(EmojivotoPrometheus(), history_days=3, limits=HALF_DAY_PER_CYCLE)

    await scenario.cycle(progress=lambda done, total: told.append((done, total)))

    assert told[-1] == (2 * 1008 + 288, 2 * 1008 + 288)
