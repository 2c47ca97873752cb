"""Runs with the names that schedulers give, in a real Prometheus: one profile for all runs of one thing.

A container of 0.100 cores needs 0.125, and 10,000,000 bytes need 17,062,500: see the history's module.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.annotation_index import AnnotationIndex
from app.domain.workloads import Workload
from tests.cluster.prometheus import Prometheus
from tests.histories.pods_of_owners import BEGIN, END, HistoricPod
from tests.profiler.historic_cluster import HistoricCluster
from tests.profiler.memory_checkpoints import MemoryCheckpoints

pytestmark = pytest.mark.prometheus

Start = Callable[[Path | None], Prometheus]
HOURS = int((END - BEGIN) / timedelta(hours=1))
# Of Airflow, with an older and a newer generator of names; of Jenkins and GitLab.
AIRFLOW = ("load-x7k2p3ab", "load-0qpz81ud", "load-9m1x2c3v")
JENKINS = ("deploy-11-x7k2p-4zq1w", "deploy-12-bcdfg-0hjkl", "deploy-13-3nm9q-vwxzb")
GITLAB = tuple(
    f"runner-zxwgkjap-project-42-concurrent-{slot}-{tail}"
    for slot, tail in ((0, "x7k2p8ab"), (1, "abcdefgh"), (0, "qwertz12"))
)


def consecutive(names: Sequence[str], cores: float, kind: str = "") -> Iterable[HistoricPod]:
    """One Pod per run, one run after the other from the begin to the end of the history.

    Bare Pods have no owner; those of a *kind* are named after their run.
    """
    hours = HOURS / len(names)
    for number, name in enumerate(names):
        since, until = (timedelta(hours=hours * (len(names) - number - done)) for done in (0, 1))
        pod, owner = (f"{name}-main-1234567890", (kind, name)) if kind else (name, ("", ""))
        yield HistoricPod(pod, {"main": cores}, owner, since=since, until=until)


async def test_38_runs_of_a_cron_workflow_have_one_profile(prometheus_factory: Start, tmp_path: Path) -> None:
    """Argo names each Workflow by the second: 38 runs of an hour, 0.3 * 1.0625 = 0.319 cores.

    Before, each run was a workload of its own: 76 profiles. A new leader that reads the past again finds the
    same group, and a Workflow of the next hour is looked up there at its admission.
    """
    names = [f"etl-{1_772_236_800 + 3600 * number}" for number in range(HOURS)]
    cluster = HistoricCluster(prometheus_factory, tmp_path, consecutive(names, 0.3, "Workflow"))
    await cluster.cycle()
    expected = {"cpu Workflow/shop/etl-{digits}": "0.319", "memory Workflow/shop/etl-{digits}": "38137476"}
    assert cluster.values == expected
    await cluster.cycle()

    assert cluster.values == expected
    index = AnnotationIndex(cluster.profiles.catalogue, max_connections=64)
    next_run = Workload("shop", "etl-1772373600", "Workflow")
    assert index.profiled(next_run) == Workload("shop", "etl-{digits}", "Workflow")
    assert set(index.annotations(next_run)) == {"liqo.io/cpuProfile", "liqo.io/memoryProfile"}


async def test_bare_pods_of_the_past_are_grouped_too(prometheus_factory: Start, tmp_path: Path) -> None:
    """Airflow, Jenkins and GitLab create Pods without a controller: kube_pod_owner says so.

    Before, their past was unknown. 0.1, 0.2 and 0.4 cores for a third of the time each: 0.107, 0.213, 0.425
    (times 1.0625).
    """
    pods = [
        *consecutive(AIRFLOW, 0.1),
        *consecutive(JENKINS, 0.2),
        *consecutive(GITLAB, 0.4),
    ]
    cluster = HistoricCluster(prometheus_factory, tmp_path, pods)
    await cluster.cycle()

    assert {name: value for name, value in cluster.values.items() if name.startswith("cpu")} == {
        "cpu Pod/shop/load-{random}": "0.107",
        "cpu Pod/shop/deploy-{random}": "0.213",
        "cpu Pod/shop/runner-zxwgkjap-project-42-{random}": "0.425",
    }


async def test_under_three_runs_each_keeps_its_own_profile(prometheus_factory: Start, tmp_path: Path) -> None:
    """Jobs `train-1` and `train-2`, of 19 hours each, may be two different things."""
    cluster = HistoricCluster(prometheus_factory, tmp_path, consecutive(["train-1", "train-2"], 0.1, "Job"))
    await cluster.cycle()

    assert {name for name in cluster.values if name.startswith("cpu")} == {
        "cpu Job/shop/train-1",
        "cpu Job/shop/train-2",
    }


async def test_a_group_keeps_its_identity_after_a_restart(prometheus_factory: Start, tmp_path: Path) -> None:
    """Four runs, of which a leader sees three; the next one restores them, and the fourth joins them."""
    names = [f"etl-{1_772_236_800 + 34_200 * number}" for number in range(4)]
    cluster = HistoricCluster(prometheus_factory, tmp_path, consecutive(names, 0.3, "Workflow"))
    checkpoints = MemoryCheckpoints()
    await cluster.cycle(before_end=timedelta(hours=9.5), checkpoints=checkpoints)
    before = sorted(cluster.profiles.manifests)
    await cluster.cycle(checkpoints=checkpoints)

    assert sorted(cluster.profiles.manifests) == before
    assert cluster.values["cpu Workflow/shop/etl-{digits}"] == "0.319"
    assert len(cluster.values) == 2
