"""Building usage from samples: lanes of replicas, repeated queries, owners and requests."""

from collections.abc import AsyncIterator, Mapping

import numpy as np

from app.backtest.collecting import collect_usage, read_samples
from app.backtest.packing import UsageBuilder
from app.backtest.recording import anonymise, record_usage
from app.backtest.usage import Container, Lanes, Usage
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
    """A source that yields *days_at_once* days per call, newest first."""

    def __init__(self, *answers: ContainerSamples, days_at_once: int = 99) -> None:
        self._answers, self._days_at_once = answers, days_at_once
        self.queries: list[StepRange] = []

    async def container_samples(
        self, resource: Resource, steps: StepRange
    ) -> AsyncIterator[list[ContainerSamples]]:
        """Yields the newest day first."""
        self.queries.append(steps)
        matching = [
            samples
            for samples in self._answers
            if samples.resource is resource and samples.steps.last <= steps.last
        ]
        for samples in sorted(matching, key=lambda match: -match.steps.first)[: self._days_at_once]:
            yield [samples]

    async def pod_owners(self, _steps: StepRange) -> PastOwners:
        """The owner of the database's Pod, which its name does not show."""
        return PastOwners(workloads={("emojivoto", "database-0"): DATABASE})

    async def container_requests(self, _step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """The requests of both Pods of `web`; those of one Pod are smaller."""
        return {
            PodContainer("emojivoto", WEB_POD, "web-svc"): {Resource.CPU: 0.2, Resource.MEMORY: 1e6},
            PodContainer("emojivoto", WEB_POD_2, "web-svc"): {Resource.CPU: 0.1},
            PodContainer("emojivoto", "gone-6b6f9d7d5c-2x8qz", "main"): {Resource.CPU: 9.0},
        }


def builder() -> UsageBuilder:
    return UsageBuilder(PodNames().workload)


def test_replicas_that_run_together_have_a_lane_each() -> None:
    """Two Pods with samples in the same steps become two lanes of one series."""
    building = builder()
    building.add(answer(steps(1, 2), (WEB_POD, "web-svc", [1, 2]), (WEB_POD_2, "web-svc", [3, 4])))

    built = building.build({})

    assert built
    assert built.containers == (Container(WEB, "web-svc"),)
    assert built.lanes[Resource.CPU].values[:, 0, :3].tolist()[0][:2] == [1, 2]
    assert built.lanes[Resource.CPU].values[:, 0, :2].tolist() == [[1, 2], [3, 4]]


def test_a_pod_continues_the_lane_of_its_predecessor() -> None:
    """After a rollout at step 3 one lane holds both Pods, in any order of arrival."""
    building = builder()
    building.add(answer(steps(3, 4), (WEB_POD_2, "web-svc", [3, 4])))
    building.add(answer(steps(1, 4), (WEB_POD, "web-svc", [1, 2, NAN, NAN])))

    built = building.build({})

    assert built
    assert built.lanes[Resource.CPU].values[:, 0, :4].tolist() == [[1, 2, 3, 4]]
    assert built.covered_steps[Resource.CPU].tolist() == [[4]]


def test_days_are_in_order_and_include_those_without_samples() -> None:
    """Samples of the first and third day give three days, the second empty; memory has no lane."""
    building = builder()
    building.add(answer(steps(577, 577), (WEB_POD, "web-svc", 3)))
    building.add(answer(steps(1, 1), (WEB_POD, "web-svc", 1)))

    built = building.build({})

    assert built
    assert (built.first_day, built.days) == (MIDNIGHT // 288, 3)
    assert built.lanes[Resource.CPU].values[0, :, 0].tolist()[::2] == [1, 3]
    assert built.covered_steps[Resource.CPU].tolist() == [[1, 0, 1]]
    assert built.lanes[Resource.MEMORY].values.shape == (0, 3, 288)


def test_without_attributed_samples_there_is_no_usage() -> None:
    """Samples without containers, or of Pods without a workload, give no usage."""
    building = builder()
    building.add(answer(steps(1, 2)))
    building.add(answer(steps(1, 2), ("stranger", "main", 1)))

    assert building.build({}) is None


async def test_a_source_is_queried_again_for_older_days() -> None:
    """If each query returns one of three days, the queries end at day 3, day 2 and day 1."""
    days = [answer(steps(first, first + 287), (WEB_POD, "web-svc", 1)) for first in (1, 289, 577)]
    source = Scripted(*days, days_at_once=1)

    read = [samples.steps async for samples in read_samples(source, Resource.CPU, steps(1, 864))]

    assert read == [samples.steps for samples in reversed(days)]
    assert source.queries == [steps(1, 864), steps(1, 576), steps(1, 288)]


async def test_an_empty_result_ends_the_queries() -> None:
    """A source without older samples is not queried again."""
    source = Scripted(answer(steps(577, 864), (WEB_POD, "web-svc", 1)))

    read = [samples async for samples in read_samples(source, Resource.CPU, steps(1, 864))]

    assert (len(read), len(source.queries)) == (1, 2)


async def test_owners_attribute_pods_and_the_larger_request_counts() -> None:
    """`database-0` belongs to the StatefulSet; the CPU request is the larger of the replicas', 0.2 cores."""
    source = Scripted(
        answer(steps(1, 288), (WEB_POD, "web-svc", 1), ("database-0", "main", 2)),
        answer(steps(1, 288), (WEB_POD, "web-svc", 1e6), resource=Resource.MEMORY),
    )
    progress: list[tuple[int, int]] = []

    built = await collect_usage(
        source,
        source,
        steps(1, 288),
        lambda _namespace: True,
        lambda done, total: progress.append((done, total)),
    )

    assert built
    assert built.containers == (Container(WEB, "web-svc"), Container(DATABASE, "main"))
    np.testing.assert_equal(built.requests[Resource.CPU], [0.2, NAN])
    np.testing.assert_equal(built.requests[Resource.MEMORY], [1e6, NAN])
    assert progress == [(0, 576), (288, 576), (576, 576)]


async def test_namespaces_out_of_scope_are_left_out() -> None:
    """Samples of namespaces out of scope give no usage."""
    source = Scripted(answer(steps(1, 288), (WEB_POD, "web-svc", 1)))

    assert await collect_usage(source, source, steps(1, 288), lambda _name: False, lambda *_: None) is None


async def test_the_record_of_a_container() -> None:
    """CPU at steps 1 and 2 and memory at 2 and 3 give three timestamps, with NaN for missing samples.

    The record also has the owner and the requests.
    """
    source = Scripted(
        answer(steps(1, 3), (WEB_POD, "web-svc", [1, 2, NAN])),
        answer(steps(1, 3), (WEB_POD, "web-svc", [NAN, 5, 6]), resource=Resource.MEMORY),
    )

    (record,) = await record_usage(source, source, steps(1, 3), lambda _name: True, lambda *_: None)

    assert (record.name, record.workload) == (f"emojivoto/{WEB_POD}/web-svc", "Deployment/emojivoto/web")
    assert (record.timestamps / 300 - MIDNIGHT).tolist() == [1, 2, 3]
    np.testing.assert_equal(record.cpu_cores, [1, 2, NAN])
    np.testing.assert_equal(record.memory_bytes, [NAN, 5, 6])
    assert (record.cpu_request_cores, record.memory_request_bytes) == (0.2, 1e6)


async def test_anonymous_names_keep_workloads_and_namespaces_together() -> None:
    """The two Pods of `web` still share a workload and a namespace; another salt gives other names."""
    source = Scripted(
        answer(steps(1, 3), (WEB_POD, "web-svc", 1), (WEB_POD_2, "web-svc", 2), ("database-0", "main", 3))
    )
    recorded = await record_usage(source, source, steps(1, 3), lambda _name: True, lambda *_: None)

    hidden, others = (anonymise(recorded, salt) for salt in (b"a" * 32, b"b" * 32))

    text = " ".join(f"{record.name} {record.workload}" for record in hidden)
    assert all(word not in text for word in ("emojivoto", "web", "database", "main"))
    assert sorted(record.workload.split("/")[0] for record in hidden) == [
        "Deployment",
        "Deployment",
        "StatefulSet",
    ]
    assert len({record.workload for record in hidden}) == 2
    assert len({record.name for record in hidden}) == 3
    assert (
        len(
            {part for record in hidden for part in (record.name.split("/")[0], record.workload.split("/")[1])}
        )
        == 1
    )
    assert not {record.name for record in hidden} & {record.name for record in others}
    assert sorted(record.cpu_cores[0] for record in hidden) == [1, 2, 3]


def test_runs_are_read_as_their_group() -> None:
    """Three runs of a Workflow and one of another: one series of three lanes, with the largest request."""
    runs = [Workload("ci", f"etl-170000000{number}", "Workflow") for number in range(3)]
    other, group = Workload("ci", "report"), Workload("ci", "etl-{digits}", "Workflow")
    values = np.arange(4 * 288, dtype=np.float32).reshape(4, 1, 288)
    lanes = Lanes(np.array([0, 1, 2, 3]), values, 4)
    containers = tuple(Container(workload, "main") for workload in (runs[0], other, *runs[1:]))
    requests = {resource: np.array([0.1, 5.0, np.nan, 0.3]) for resource in Resource}
    usage = Usage(20_000, containers, dict.fromkeys(Resource, lanes), requests)

    grouped = usage.with_groups(dict.fromkeys(runs, group))

    assert grouped.containers == (Container(group, "main"), Container(other, "main"))
    assert grouped.requests[Resource.CPU].tolist() == [0.3, 5.0]
    assert grouped.lanes[Resource.CPU].owner.tolist() == [0, 0, 0, 1]
    assert grouped.lanes[Resource.CPU].values[:, 0, 0].tolist() == [0, 576, 864, 288]
