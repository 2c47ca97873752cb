"""A recorded history as a source: the grid, the shift to the present, names and attribution."""

from pathlib import Path

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Connection, Workload
from app.history.samples import PodContainer, StepRange
from app.sources.history_file import RecordedContainer, RecordedEdge, write_history_file
from app.sources.recorded import RecordedHistory, read_recorded_history
from tests.sources.collecting import only, usage

NAN = np.nan
WEB, EMOJI, VOTING = (Workload("emojivoto", name) for name in ("web", "emoji", "voting"))
POD = "emojivoto/web-6c9b7d8f5b-2x8qz/web-svc"


def container(name: str, points: dict[int, tuple[float, float]]) -> RecordedContainer:
    """A container from time to (cores, bytes)."""
    cpu, memory = np.array(list(points.values()), dtype=np.float64).reshape(-1, 2).T
    return RecordedContainer(name, np.array(list(points), dtype=np.int64), cpu, memory)


def edge(name: str, points: dict[int, tuple[float, float]]) -> RecordedEdge:
    """An edge from time to (requests, responses) per second."""
    requests, responses = np.array(list(points.values()), dtype=np.float64).reshape(-1, 2).T
    return RecordedEdge(name, np.array(list(points), dtype=np.int64), requests, responses)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.npz"


def history(path: Path, *series: RecordedContainer, edges: tuple[RecordedEdge, ...] = ()) -> RecordedHistory:
    write_history_file(path, series, edges)
    return read_recorded_history(path)


async def test_samples_are_put_on_the_grid(path: Path) -> None:
    """Step 2 is (300, 600]: the samples at 301 and 600 are in it, the one at 601 is in step 3.

    In step 2, CPU is the mean of 0.25 and 0.75, memory the larger of 5 MB and 3 MB.
    """
    recorded = history(path, container(POD, {301: (0.25, 5e6), 601: (1.0, 1e6), 600: (0.75, 3e6)}))
    steps = StepRange(1, 4)

    cpu = await usage(recorded.container_samples(Resource.CPU, steps))
    memory = await usage(recorded.container_samples(Resource.MEMORY, steps))

    assert cpu.containers == (PodContainer("emojivoto", "web-6c9b7d8f5b-2x8qz", "web-svc"),)
    np.testing.assert_array_equal(cpu.values, [[NAN, 0.5, 1.0, NAN]])
    np.testing.assert_array_equal(memory.values, [[NAN, 5e6, 1e6, NAN]])
    assert (recorded.first_step, recorded.last_step) == (2, 3)


async def test_order_and_gaps_of_a_record(path: Path) -> None:
    """Samples may be in any order. NaN is no sample, for CPU and memory separately."""
    recorded = history(path, container(POD, {900: (0.3125, 3e6), 300: (NAN, 1e6), 600: (0.25, NAN)}))

    cpu = await usage(recorded.container_samples(Resource.CPU, StepRange(1, 3)))
    memory = await usage(recorded.container_samples(Resource.MEMORY, StepRange(1, 3)))

    np.testing.assert_array_equal(cpu.values, [[NAN, 0.25, 0.3125]])
    np.testing.assert_array_equal(memory.values, [[1e6, NAN, 3e6]])


async def test_containers_without_a_sample_in_the_range_are_left_out(path: Path) -> None:
    """As in Prometheus: of two Pods, the one that is terminated by step 5 is not in the result."""
    gone = "emojivoto/web-5f86686c4d-8wrkx/web-svc"
    recorded = history(path, container(gone, {300: (0.5, 1e6)}), container(POD, {1500: (0.25, 1e6)}))

    samples = await usage(recorded.container_samples(Resource.CPU, StepRange(4, 6)))

    assert [container.pod for container in samples.containers] == ["web-6c9b7d8f5b-2x8qz"]
    np.testing.assert_array_equal(samples.values, [[NAN, 0.25, NAN]])


async def test_connections(path: Path) -> None:
    """Of two edges of web one has a sample in step 1, one in step 2: web was scraped in both."""
    recorded = history(
        path,
        container(POD, {300: (0.5, 1e6)}),
        edges=(
            edge("emojivoto/web>emojivoto/emoji", {300: (2.0, 1.5)}),
            edge("emojivoto/web>emojivoto/voting", {600: (0.0, 0.0)}),
            edge("emojivoto/vote-bot>emojivoto/web", {3000: (1.0, 1.0)}),
        ),
    )

    samples = await only(recorded.connection_samples(StepRange(1, 3)))

    assert samples is not None
    assert samples.edges == (Connection(WEB, EMOJI), Connection(WEB, VOTING))
    np.testing.assert_array_equal(samples.requests, [[2.0, NAN, NAN], [NAN, 0.0, NAN]])
    np.testing.assert_array_equal(samples.responses, [[1.5, NAN, NAN], [NAN, 0.0, NAN]])
    assert samples.sources == (WEB,)
    np.testing.assert_array_equal(samples.scraped, [[True, True, False]])


async def test_a_record_without_edges_has_no_mesh(path: Path) -> None:
    """Connections are off, which is no error."""
    recorded = history(path, container(POD, {300: (0.5, 1e6)}))

    assert [samples async for samples in recorded.connection_samples(StepRange(1, 3))] == []


async def test_workloads_of_recorded_pods(path: Path) -> None:
    """A Pod's name gives its Deployment, `web-api` is not `web`, and a machine is its own workload.

    `emoji-0` matches no pattern. The hash of `voting` is not one of the controller's: it counts since an edge
    has a Deployment of that name.
    """
    names = [
        POD,
        "emojivoto/web-api-7b9c4f6d-x4mzq/web-api",
        "emojivoto/emoji-0/emoji-svc",
        "emojivoto/voting-aaaaa1-fcg7c/voting-svc",
        "emojivoto/other-aaaaa1-fcg7c/other",
        "vm001",
    ]
    recorded = history(
        path,
        *(container(name, {300: (0.5, 1e6)}) for name in names),
        edges=(edge("emojivoto/web>emojivoto/voting", {300: (1.0, 1.0)}),),
    )

    owners = await recorded.pod_owners(StepRange(1, 1))
    assert owners.known_by == "names"
    assert owners.workloads == {
        ("emojivoto", "web-6c9b7d8f5b-2x8qz"): WEB,
        ("emojivoto", "web-api-7b9c4f6d-x4mzq"): Workload("emojivoto", "web-api"),
        ("emojivoto", "voting-aaaaa1-fcg7c"): VOTING,
        ("recorded", "vm001"): Workload("recorded", "vm001"),
    }


async def test_a_name_without_slashes_is_one_container(path: Path) -> None:
    """`vm001` is the container `main` of the Pod `vm001` in the namespace `recorded`."""
    recorded = history(path, container("vm001", {300: (0.5, 1e6)}))

    samples = await usage(recorded.container_samples(Resource.CPU, StepRange(1, 1)))

    assert samples.containers == (PodContainer("recorded", "vm001", "main"),)
