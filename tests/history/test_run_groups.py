"""Runs in the history: their usage becomes that of a group when the third of them is seen."""

from collections.abc import Mapping

import numpy as np

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Workload
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange, key_of
from app.history.open_steps import Settlement
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, PressureSamples, StepRange
from app.history.usage_history import UsageHistory

FIRST = 20_833 * STEPS_PER_DAY + 1  # of a day
RUNS = [Workload("ci", f"etl-170000000{number}", "Workflow") for number in range(4)]
GROUP, WEB = Workload("ci", "etl-{digits}", "Workflow"), Workload("ci", "web")
PODS: Mapping[tuple[str, str], Workload] = {("ci", f"{run.name}-main"): run for run in RUNS} | {
    ("ci", "web-0"): WEB
}


def samples(number: int, value: float, first: int, last: int) -> ContainerSamples:
    """The memory of one run's Pod, and of web."""
    containers = (PodContainer("ci", f"{RUNS[number].name}-main", "main"), PodContainer("ci", "web-0", "app"))
    values = np.array([[value] * (last - first + 1), [7.0] * (last - first + 1)])
    return ContainerSamples(Resource.MEMORY, StepRange(first, last), containers, values)


def history_of(*runs: ContainerSamples) -> UsageHistory:
    history = UsageHistory(timeslots=4, retained_days=29)
    for run in runs:
        history.fold(run, lambda namespace, pod: PODS[namespace, pod])
    return history


def workloads(history: UsageHistory) -> list[str]:
    """The workloads with usage."""
    return sorted(map(str, history.workloads))


def test_two_runs_stay_what_they_are() -> None:
    """Two Workflows with the same word in their names may be two different ones."""
    history = history_of(samples(0, 1.0, FIRST, FIRST), samples(1, 2.0, FIRST + 1, FIRST + 1))

    assert workloads(history) == ["Workflow/ci/etl-1700000000", "Workflow/ci/etl-1700000001", "ci/web"]


def test_the_third_run_makes_them_a_group() -> None:
    """1, 2 and 3 steps of three runs are 6 samples of the group, with the largest value; web has its own 6.

    The steps of the runs do not overlap, so the group has samples in 6 of 6 steps, and one more run in 7.
    """
    history = history_of(
        samples(0, 5.0, FIRST, FIRST),
        samples(1, 2.0, FIRST + 1, FIRST + 2),
        samples(2, 3.0, FIRST + 3, FIRST + 5),
    )
    histograms, series = history.state.histograms[Resource.MEMORY], history.state.series
    main, app = series.index[GROUP, "main"], series.index[WEB, "app"]

    assert workloads(history) == ["Workflow/ci/etl-{digits}", "ci/web"]
    assert histograms.sample_counts(20_833)[[main, app]].tolist() == [6, 6]
    day = histograms.days[20_833]
    assert day.steps_seen[main] == 6
    assert day.maxima.reshape(-1, 4)[[main, app], 0].tolist() == [5.0, 7.0]
    assert (histograms.first_seen[main], histograms.last_seen[main]) == (FIRST, FIRST + 5)
    assert int(histograms.recent[main]) == 0b111111
    assert history.state.has_run_again(GROUP)
    assert set(history.state.together.of(GROUP)) == {("main",)}


def test_samples_of_open_steps_become_those_of_the_group() -> None:
    """Three runs of 1 open step each: the group has 3 samples and web 3, none of them settled."""
    history = UsageHistory(timeslots=4, retained_days=29)
    for number in range(3):
        run = samples(number, 1.0 + number, FIRST + number, FIRST + number)
        history.fold(run, lambda namespace, pod: PODS[namespace, pod], Settlement(FIRST + number, FIRST - 1))

    histograms, series = history.state.histograms[Resource.MEMORY], history.state.series
    both = [series.index[GROUP, "main"], series.index[WEB, "app"]]
    assert histograms.with_open_samples().sample_counts(20_833)[both].tolist() == [3, 3]
    assert histograms.sample_counts(20_833).sum() == 0


def test_other_days_and_series_do_not_change() -> None:
    """Yesterday has samples of web alone: what was derived from it stays valid when runs of today merge.

    Else any tenant could make all choices of the cluster be computed again by three Jobs.
    """
    yesterday = samples(3, np.nan, FIRST - 10, FIRST - 10)
    history = history_of(yesterday, samples(0, 1.0, FIRST, FIRST), samples(1, 1.0, FIRST + 1, FIRST + 1))
    histograms, number = history.state.histograms[Resource.MEMORY], history.state.series.index[WEB, "app"]
    before = histograms.days[20_832]
    history.fold(samples(2, 1.0, FIRST + 2, FIRST + 2), lambda namespace, pod: PODS[namespace, pod])

    assert GROUP in history.workloads
    assert histograms.days[20_832] is before
    assert history.state.series.index[WEB, "app"] == number
    history.state.forget_silent()
    assert list(history.state.series.index) == [(WEB, "app"), (GROUP, "main")]


def test_a_group_has_the_same_samples_in_any_order() -> None:
    """The third run may be the first one that is read: the past is read newest day first."""
    parts = [samples(number, number + 1.0, FIRST + 2 * number, FIRST + 2 * number) for number in range(4)]
    forward, backward = history_of(*parts).state, history_of(*reversed(parts)).state

    def facts(state: object) -> list[object]:
        histograms = state.histograms[Resource.MEMORY]  # type: ignore[attr-defined]
        number = state.series.index[GROUP, "main"]  # type: ignore[attr-defined]
        day = histograms.select(np.array([number]))
        return [
            {key: value.keys.tolist() for key, value in day.days.items()},
            {key: value.counts.tolist() for key, value in day.days.items()},
            day.first_seen.tolist(),
            day.last_seen.tolist(),
        ]

    assert workloads(history_of(*parts)) == ["Workflow/ci/etl-{digits}", "ci/web"]
    assert facts(forward) == facts(backward)


def test_pressure_moves_with_the_runs() -> None:
    """Throttling of the second run, half of a step's periods, is that of the group."""
    history = history_of(samples(0, 1.0, FIRST, FIRST), samples(1, 1.0, FIRST + 1, FIRST + 1))
    pressed = PressureSamples(
        Pressure.CPU_THROTTLING,
        StepRange(FIRST + 1, FIRST + 1),
        (PodContainer("ci", f"{RUNS[1].name}-main", "main"),),
        np.array([0]),
        np.array([FIRST + 1]),
        np.array([0.5]),
    )
    history.fold_pressure(pressed, lambda namespace, pod: PODS[namespace, pod])
    history.fold(samples(2, 1.0, FIRST + 2, FIRST + 2), lambda namespace, pod: PODS[namespace, pod])

    pressure, size = history.state.pressure[Pressure.CPU_THROTTLING], len(history.state.series.containers)
    main = history.state.series.index[GROUP, "main"]
    assert pressure.day_shares(20_833, size)[main] == 0.5
    assert pressure.last_seen(size)[main] == FIRST + 1


def test_runs_of_keys_with_missing_steps_wait() -> None:
    """The steps of the group's key will be read again, after its check-point was lost: nothing is merged yet.

    Else samples that were merged would be counted once more for the group.
    """
    history = history_of(samples(0, 1.0, FIRST, FIRST), samples(1, 1.0, FIRST + 1, FIRST + 1))
    key = key_of(GROUP)
    history.state.histograms[Resource.MEMORY].coverage.forget(KeyRange(key, key))
    history.fold(samples(2, 1.0, FIRST + 2, FIRST + 2), lambda namespace, pod: PODS[namespace, pod])

    assert workloads(history) == [*(f"Workflow/ci/etl-170000000{number}" for number in range(3)), "ci/web"]


def test_a_group_survives_a_restart() -> None:
    """The check-point has the group, so one more run joins it at once."""
    history = history_of(*(samples(number, 1.0, FIRST + number, FIRST + number) for number in range(3)))
    shard = Checkpoint(KeyRange(), NamespaceSelection(), history.state, ConnectionHistory())
    restored = UsageHistory(timeslots=4, retained_days=29)
    back = decode(encode(shard), timeslots=4, retained_days=29).usage
    restored.state.replace_with({KeyRange(): back})

    restored.fold(samples(3, 1.0, FIRST + 3, FIRST + 3), lambda namespace, pod: PODS[namespace, pod])

    assert workloads(restored) == ["Workflow/ci/etl-{digits}", "ci/web"]


def test_a_new_container_of_a_group_counts() -> None:
    """The name of a group is none of an object, and counts once the group is known; a forged one does not."""
    history = history_of(*(samples(number, 1.0, FIRST + number, FIRST + number) for number in range(3)))
    added = ContainerSamples(
        Resource.MEMORY, StepRange(FIRST + 3, FIRST + 3), (PodContainer("ci", "x", "new"),), np.array([[1.0]])
    )

    assert history.fold(added, lambda _namespace, _pod: GROUP).samples == 1
    forged = Workload("ci", "other-{digits}", "Workflow")
    later = ContainerSamples(
        Resource.MEMORY, StepRange(FIRST + 4, FIRST + 4), (PodContainer("ci", "x", "new"),), np.array([[1.0]])
    )
    assert history.fold(later, lambda _namespace, _pod: forged).samples == 0
