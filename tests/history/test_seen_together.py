"""Sets of containers that were seen in one Pod: from results in any order, with the newest step's Pods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange
from app.history.samples import ContainerSamples, PodContainer, StepRange
from app.history.seen_together import Seen, SeenTogether
from app.history.usage_history import UsageHistory

NAN = np.nan
FIRST = 6_000_001
RAY, RUN = Workload("shop", "ray"), Workload("shop", "etl", "Workflow")
Rows = Mapping[tuple[str, str], Sequence[float]]


def samples(rows: Rows, first: int = FIRST, resource: Resource = Resource.MEMORY) -> ContainerSamples:
    """The samples of containers, named by Pod and container."""
    containers = tuple(PodContainer("shop", pod, container) for pod, container in rows)
    values = np.array(list(rows.values()), dtype=np.float64)
    return ContainerSamples(resource, StepRange(first, first + values.shape[1] - 1), containers, values)


def folded(*results: ContainerSamples, workload: Workload = RAY) -> UsageHistory:
    """The history of Pods that all belong to one workload."""
    history = UsageHistory(timeslots=4, retained_days=15)
    for result in results:
        history.fold(result, lambda _namespace, _pod: workload)
    return history


def test_pods_that_differ_have_sets_of_their_own() -> None:
    """One head and two workers: three Pods, two sets; a container without a sample is in none."""
    rows: Rows = {
        ("head", "ray-head"): [1, 1],
        ("head", "autoscaler"): [1, 1],
        ("worker-a", "ray-worker"): [1, 1],
        ("worker-b", "ray-worker"): [1, NAN],
        ("worker-b", "never"): [NAN, NAN],
    }
    together = folded(samples(rows)).state.together

    assert together.of(RAY) == {
        ("autoscaler", "ray-head"): Seen(FIRST + 1, 1),
        ("ray-worker",): Seen(FIRST + 1, 1),
    }
    assert list(together.differing()) == [RAY]


def test_containers_that_ran_one_after_the_other_are_not_together() -> None:
    """An init container of the first step, then the application: without a common step, two sets.

    A Pod with a container that joins later has one set: all of them ran in the last step.
    """
    rows: Rows = {
        ("a", "init"): [1, NAN, NAN],
        ("a", "app"): [NAN, 1, 1],
        ("b", "app"): [1, 1, 1],
        ("b", "debugger"): [NAN, NAN, 1],
    }

    assert folded(samples(rows)).state.together.of(RAY) == {
        ("init",): Seen(FIRST, 1),
        ("app",): Seen(FIRST + 2, 1),
        ("app", "debugger"): Seen(FIRST + 2, 1),
    }


def test_the_share_is_that_of_the_newest_pods() -> None:
    """A sidecar that a roll-out adds is in 1 of 3 Pods, then in all; an hour after it ended, in none."""
    together = SeenTogether()
    together.add(RAY, ["app"], Seen(1, 2))
    together.add(RAY, ["proxy", "app"], Seen(1, 1))

    assert together.pod_share(RAY, "proxy") == 1 / 3
    together.add(RAY, ["app", "proxy"], Seen(2, 3))
    assert together.pod_share(RAY, "proxy") == 1
    together.add(RAY, ["app"], Seen(14, 3))
    assert together.pod_share(RAY, "proxy") == 0
    assert together.pod_share(Workload("shop", "unknown"), "proxy") == 1


@pytest.mark.parametrize(("before", "now", "share"), [(10, 10, 1), (9, 10, 0.9), (10, 1, 1), (1, 10, 0.1)])
def test_a_step_without_samples_of_a_sidecar(before: int, now: int, share: float) -> None:
    """The Pods that had it a step ago count: one step without its samples does not end it.

    Of ten Pods, one that had it and has ended is as few as before; a workload may have fewer Pods now.
    """
    together = SeenTogether()
    together.add(RAY, ["app", "proxy"], Seen(100, before))
    together.add(RAY, ["app"], Seen(101, now))

    assert together.pod_share(RAY, "proxy") == share
    assert together.pod_share(RAY, "app") == 1


def test_sets_are_forgotten_after_an_hour_and_those_of_runs_after_a_day() -> None:
    """Of a template with another container name, the old set is of no use an hour (12 steps) later."""
    for workload, reach in ((RAY, 12), (RUN, 288)):
        together = SeenTogether()
        together.add(workload, ["old"], Seen(1, 1))
        together.add(workload, ["new"], Seen(reach, 1))
        assert set(together.of(workload)) == {("new",), ("old",)}
        together.add(workload, ["new"], Seen(reach + 1, 1))
        assert set(together.of(workload)) == {("new",)}


def test_the_number_of_sets_is_limited() -> None:
    """A namespace creates 1,000 Pods, each with a container of another name: 32 sets remain."""
    together = SeenTogether()
    for number in range(1000):
        together.add(RAY, [f"container-{number:04d}"], Seen(1, 1))

    assert len(together.of(RAY)) == 32
    assert len(list(together.rows())) == 32


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=2, max_size=6),
    st.permutations(range(3)),
)
def test_the_order_of_results_does_not_matter(present: list[list[bool]], order: list[int]) -> None:
    """Three Pods of two containers over 12 steps, as results of 4 steps in any order, one of them twice."""
    rows = {
        (f"pod-{number // 2}", f"container-{number % 2}"): [1.0 if flag else NAN for flag in flags]
        for number, flags in enumerate(present)
    }
    parts = [
        samples({name: values[begin:end] for name, values in rows.items()}, FIRST + begin)
        for begin, end in pairwise((0, 4, 8, 12))
    ]
    expected = folded(*parts).state.together

    shuffled = folded(*(parts[number] for number in order), parts[order[0]]).state.together

    assert list(shuffled.rows()) == list(expected.rows())


def test_a_check_point_has_the_sets() -> None:
    """They survive a restart, equal state gives equal bytes, and a part has those of its workloads."""
    rows = {("head", "ray-head"): [1], ("worker", "ray-worker"): [1]}
    usage = folded(samples(rows), replace(samples(rows), resource=Resource.CPU)).state
    shard = Checkpoint(KeyRange(), NamespaceSelection(), usage, ConnectionHistory())

    back = decode(encode(shard), timeslots=4, retained_days=15)

    assert list(back.usage.together.rows()) == [
        (RAY, ("ray-head",), Seen(FIRST, 1)),
        (RAY, ("ray-worker",), Seen(FIRST, 1)),
    ]
    assert encode(back) == encode(shard)
    assert list(usage.within(KeyRange(0, 0)).together.rows()) == []
