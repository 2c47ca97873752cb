"""How answers become usage: lanes for replicas, several answers for one past, and what containers ask for."""

from collections.abc import AsyncIterator, Mapping

import numpy as np

from app.backtest.collecting import past_usage, samples_of
from app.backtest.packing import UsageBuilder
from app.backtest.recording import anonymous, recorded_usage
from app.backtest.usage import Container
from app.domain.pod_names import PodNames
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import (
    ContainerSamples,
    PastOwners,
    PodContainer,
    StepRange,
)
from tests.recommendation.builders import MIDNIGHT, WEB, WEB_POD, WEB_POD_2, steps
from tests.recommendation.builders import usage as answer

DATABASE = Workload("emojivoto", "database", "StatefulSet")
NAN = float("nan")


class Scripted:
    """A source that gives one day in each answer, and ends after *days_at_once* of them."""

    def __init__(self, *answers: ContainerSamples, days_at_once: int = 99) -> None:
        self._answers, self._days_at_once = answers, days_at_once
        self.asked: list[StepRange] = []

    async def container_samples(
        self, resource: Resource, asked: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """The newest day first."""
        self.asked.append(asked)
        known = [
            each for each in self._answers if each.resource is resource and each.steps.last <= asked.last
        ]
        for each in sorted(known, key=lambda known: -known.steps.first)[: self._days_at_once]:
            yield [each]

    async def pod_owners(self, _steps: StepRange) -> PastOwners:
        """The database's Pod, which no name tells."""
        return PastOwners(workloads={("emojivoto", "database-0"): DATABASE})

    async def container_requests(self, _step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """Both Pods of `web`: one of them still asks for less."""
        return {
            PodContainer("emojivoto", WEB_POD, "web-svc"): {Resource.CPU: 0.2, Resource.MEMORY: 1e6},
            PodContainer("emojivoto", WEB_POD_2, "web-svc"): {Resource.CPU: 0.1},
            PodContainer("emojivoto", "gone-6b6f9d7d5c-2x8qz", "main"): {Resource.CPU: 9.0},
        }


def builder() -> UsageBuilder:
    return UsageBuilder(PodNames().workload)


def test_replicas_that_run_together_have_a_lane_each() -> None:
    """Two Pods in the same steps: two lanes of one series."""
    building = builder()
    building.add(answer(steps(1, 2), (WEB_POD, "web-svc", [1, 2]), (WEB_POD_2, "web-svc", [3, 4])))

    built = building.built({})

    assert built
    assert built.containers == (Container(WEB, "web-svc"),)
    assert built.lanes[Resource.CPU].values[:, 0, :3].tolist()[0][:2] == [1, 2]
    assert built.lanes[Resource.CPU].values[:, 0, :2].tolist() == [[1, 2], [3, 4]]


def test_a_pod_takes_over_the_lane_of_the_one_before_it() -> None:
    """A rollout at step 3: one lane holds both, in whatever order the answers come."""
    building = builder()
    building.add(answer(steps(3, 4), (WEB_POD_2, "web-svc", [3, 4])))
    building.add(answer(steps(1, 4), (WEB_POD, "web-svc", [1, 2, NAN, NAN])))

    built = building.built({})

    assert built
    assert built.lanes[Resource.CPU].values[:, 0, :4].tolist() == [[1, 2, 3, 4]]
    assert built.steps_seen.tolist() == [[4]]


def test_days_stand_in_order_and_those_without_samples_too() -> None:
    """The first and the third day: three days, the second one empty; CPU alone has no lane of memory."""
    building = builder()
    building.add(answer(steps(577, 577), (WEB_POD, "web-svc", 3)))
    building.add(answer(steps(1, 1), (WEB_POD, "web-svc", 1)))

    built = building.built({})

    assert built
    assert (built.first_day, built.days) == (MIDNIGHT // 288, 3)
    assert built.lanes[Resource.CPU].values[0, :, 0].tolist()[::2] == [1, 3]
    assert built.steps_seen.tolist() == [[1, 0, 1]]
    assert built.lanes[Resource.MEMORY].values.shape == (0, 3, 288)


def test_nothing_gives_nothing() -> None:
    """Neither an answer without containers nor one whose Pods nobody knows."""
    building = builder()
    building.add(answer(steps(1, 2)))
    building.add(answer(steps(1, 2), ("stranger", "main", 1)))

    assert building.built({}) is None


async def test_a_source_is_asked_again_for_what_is_older() -> None:
    """Three days, one in each turn: asked up to day 3, then up to day 2, then up to day 1."""
    days = [answer(steps(first, first + 287), (WEB_POD, "web-svc", 1)) for first in (1, 289, 577)]
    source = Scripted(*days, days_at_once=1)

    told = [each.steps async for each in samples_of(source, Resource.CPU, steps(1, 864))]

    assert told == [each.steps for each in reversed(days)]
    assert source.asked == [steps(1, 864), steps(1, 576), steps(1, 288)]


async def test_a_source_that_knows_nothing_older_ends_it() -> None:
    """The question is not repeated for ever."""
    source = Scripted(answer(steps(577, 864), (WEB_POD, "web-svc", 1)))

    told = [each async for each in samples_of(source, Resource.CPU, steps(1, 864))]

    assert (len(told), len(source.asked)) == (1, 2)


async def test_owners_tell_what_names_do_not_and_the_larger_request_counts() -> None:
    """`database-0` is the StatefulSet's; of two replicas 0.2 cores count, of memory the one that is told."""
    source = Scripted(
        answer(steps(1, 288), (WEB_POD, "web-svc", 1), ("database-0", "main", 2)),
        answer(steps(1, 288), (WEB_POD, "web-svc", 1e6), resource=Resource.MEMORY),
    )
    progress: list[tuple[int, int]] = []

    built = await past_usage(
        source, source, steps(1, 288), lambda _namespace: True, lambda *told: progress.append(told)
    )

    assert built
    assert built.containers == (Container(WEB, "web-svc"), Container(DATABASE, "main"))
    np.testing.assert_equal(built.requests[Resource.CPU], [0.2, NAN])
    np.testing.assert_equal(built.requests[Resource.MEMORY], [1e6, NAN])
    assert progress == [(0, 576), (288, 576), (576, 576)]


async def test_namespaces_out_of_scope_are_left_out() -> None:
    """A recorded file may hold more than is asked for."""
    source = Scripted(answer(steps(1, 288), (WEB_POD, "web-svc", 1)))

    assert await past_usage(source, source, steps(1, 288), lambda _name: False, lambda *_: None) is None


async def test_what_is_recorded_of_a_container() -> None:
    """CPU at steps 1 and 2, memory at 2 and 3: three moments, NaN where one of them is missing.

    The owner and the requests stand beside them.
    """
    source = Scripted(
        answer(steps(1, 3), (WEB_POD, "web-svc", [1, 2, NAN])),
        answer(steps(1, 3), (WEB_POD, "web-svc", [NAN, 5, 6]), resource=Resource.MEMORY),
    )

    (told,) = await recorded_usage(source, source, steps(1, 3), lambda _name: True, lambda *_: None)

    assert (told.name, told.workload) == (f"emojivoto/{WEB_POD}/web-svc", "Deployment/emojivoto/web")
    assert (told.timestamps / 300 - MIDNIGHT).tolist() == [1, 2, 3]
    np.testing.assert_equal(told.cpu_cores, [1, 2, NAN])
    np.testing.assert_equal(told.memory_bytes, [NAN, 5, 6])
    assert (told.cpu_request_cores, told.memory_request_bytes) == (0.2, 1e6)


async def test_anonymous_names_keep_who_belongs_together() -> None:
    """Two Pods of `web` keep their one workload and namespace under other names, by another salt others."""
    source = Scripted(
        answer(steps(1, 3), (WEB_POD, "web-svc", 1), (WEB_POD_2, "web-svc", 2), ("database-0", "main", 3))
    )
    recorded = await recorded_usage(source, source, steps(1, 3), lambda _name: True, lambda *_: None)

    hidden, others = (anonymous(recorded, salt) for salt in (b"a" * 32, b"b" * 32))

    text = " ".join(f"{each.name} {each.workload}" for each in hidden)
    assert all(word not in text for word in ("emojivoto", "web", "database", "main"))
    assert sorted(each.workload.split("/")[0] for each in hidden) == [
        "Deployment",
        "Deployment",
        "StatefulSet",
    ]
    assert len({each.workload for each in hidden}) == 2
    assert len({each.name for each in hidden}) == 3
    assert (
        len({part for each in hidden for part in (each.name.split("/")[0], each.workload.split("/")[1])}) == 1
    )
    assert not {each.name for each in hidden} & {each.name for each in others}
    assert sorted(each.cpu_cores[0] for each in hidden) == [1, 2, 3]
