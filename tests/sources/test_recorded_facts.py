"""Workloads and requests of containers: in a history file, and from Prometheus."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.errors import HistoryFileError
from app.history.samples import PodContainer, StepRange
from app.sources.container_requests import PrometheusRequests, container_requests
from app.sources.history_file import RecordedContainer, read_history_file, write_history_file
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope
from app.sources.recorded import read_recorded_history

TIMES = np.array([300, 600], dtype=np.int64)
USAGE = (TIMES, np.array([0.25, 0.5]), np.array([1e6, 2e6]))
DATABASE = RecordedContainer(
    "shop/database-0/main", *USAGE, workload="StatefulSet/shop/database", cpu_request_cores=0.5
)
STRANGER = RecordedContainer("shop/stranger/main", *USAGE)


def arrays(**more: Any) -> dict[str, Any]:
    """A valid file's arrays of one container, and *more*."""
    return {
        "names": np.array(["shop/database-0/main"]),
        "offsets": np.array([0, 1]),
        "timestamps": np.array([300]),
        "cpu_cores": np.array([0.25]),
        "memory_bytes": np.array([1e6]),
    } | more


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A workload that does not follow from the Pod's name, and the only request."""
    path = tmp_path / "usage.npz"
    write_history_file(path, [DATABASE, STRANGER])

    recorded = read_recorded_history(path)

    owners = await recorded.pod_owners(StepRange(1, 2))
    assert owners.workloads == {("shop", "database-0"): Workload("shop", "database", "StatefulSet")}
    requests = await recorded.container_requests(2)
    assert requests == {PodContainer("shop", "database-0", "main"): {Resource.CPU: 0.5}}


def test_unknown_facts_are_not_written(tmp_path: Path) -> None:
    """A file with usage only has just the five keys."""
    path = tmp_path / "usage.npz"
    write_history_file(path, [STRANGER])

    with np.load(path) as file:
        assert set(file) == {"names", "offsets", "timestamps", "cpu_cores", "memory_bytes"}
    assert read_history_file(path)[0].requests is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"workloads": np.array(["shop/database"])}, "`workloads` has 'shop/database', which is not Kind/"),
        ({"workloads": np.array(["a/b/c", ""])}, "`workloads` must have 1 values, one per name, and has 2"),
        ({"workloads": np.array([1])}, "`workloads` must be an array of strings"),
        (
            {"cpu_request_cores": np.array([])},
            "`cpu_request_cores` must have 1 values, one per name, and has 0",
        ),
        (
            {"memory_request_bytes": np.array([-1.0])},
            "`memory_request_bytes` has a number that is negative",
        ),
    ],
)
def test_a_fault_is_named(tmp_path: Path, fault: dict[str, Any], words: str) -> None:
    """The message has the file, the key and the error."""
    path = tmp_path / "usage.npz"
    np.savez(path, **arrays(**fault))

    with pytest.raises(HistoryFileError) as caught:
        read_history_file(path)

    assert str(caught.value).startswith(f"{path}: {words}")


def test_the_text_of_the_query_on_requests() -> None:
    """Duplicates of a second kube-state-metrics are aggregated; scope and cluster are in the matchers."""
    scope = Scope(("shop",), cluster="north")

    assert container_requests(Resource.CPU, scope) == (
        "max by (namespace,pod,container)(max_over_time(kube_pod_container_resource_requests{"
        'resource="cpu",exported_namespace="",namespace="shop",cluster="north"}[5m]))'
    )


async def test_requests_are_queried_at_one_time() -> None:
    """Three queries on the last step: the reporter, then CPU and memory."""
    ranges: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        form = httpx.QueryParams(request.content.decode())
        ranges.append(form["start"] + " " + form["end"])
        value = "0.5" if 'resource="cpu"' in form["query"] else "1000000"
        labels = {"namespace": "shop", "pod": "web-1", "container": "main"}
        result = [{"metric": labels, "values": [[900, value]]}]
        return httpx.Response(
            200, json={"status": "success", "data": {"resultType": "matrix", "result": result}}
        )

    async with PrometheusApi(
        "http://prometheus", timeout_seconds=1, transport=httpx.MockTransport(answer)
    ) as api:
        requests = await PrometheusRequests(api, Scope()).container_requests(3)

    assert requests == {PodContainer("shop", "web-1", "main"): {Resource.CPU: 0.5, Resource.MEMORY: 1e6}}
    assert ranges == ["900 900"] * 3
