"""The workloads of a leader's term, from watches only: an unchanged cycle sends no request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.container_roles import InitContainers
from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Workload
from app.errors import UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import InMemoryProfiles
from app.runtime.profiler_role import cluster_ports
from app.runtime.watches.faults import TermWatches, watch_faults
from app.runtime.watches.pods import PodWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer, Received, answers, listed, refuses, thing
from tests.kubernetes.polling import until
from tests.kubernetes.workload_manifests import owner, pod, template
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import Scenario

WATCHED = {
    "pods": "/api/v1/pods",
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "jobs": "/apis/batch/v1/jobs",
    "cronjobs": "/apis/batch/v1/cronjobs",
}
WEB = Workload("shop", "web")
RUN, REPORT = Workload("shop", "report-1", "Job"), Workload("shop", "report", "CronJob")


def serve(server: FakeApiServer, **objects: dict[str, Any]) -> None:
    """Serve at most one object per kind; watches have no events."""
    server.on("GET", "/apis/batch/v1", answers({"resources": [{"name": "cronjobs"}]}))
    for plural, path in WATCHED.items():
        server.on("GET", path, listed(*([objects[plural]] if plural in objects else [])))
        server.on("WATCH", path, server.streams(then_hangs=True))


@asynccontextmanager
async def watching(client: ClusterClient, *namespaces: str) -> AsyncIterator[WorkloadWatches]:
    pods = PodWatches(client, namespaces)
    workloads = WorkloadWatches(client, namespaces, pods)
    tasks = {asyncio.create_task(watches.run()) for watches in (pods, workloads)}
    try:
        yield workloads
        assert not any(task.done() for task in tasks), tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_the_snapshot_is_made_of_watches(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A Pod, its Deployment with an init container, a CronJob and its Job: their identities and uids."""
    web_pod = pod("web-5f5b-x", owner("ReplicaSet", "web-5f5b"), labels={"pod-template-hash": "5f5b"})
    web = pod("web") | {"spec": template({"name": "migrate"})}
    run = pod("report-1", owner("CronJob", "report"))
    serve(server, pods=web_pod, deployments=web, jobs=run, cronjobs=pod("report"))

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED))
        snapshot = await workloads.snapshot()

    assert snapshot == ClusterSnapshot(
        pods={("shop", "web-5f5b-x"): WEB},
        workloads=(WEB,),
        cron_jobs={RUN: REPORT},
        uids={WEB: "uid-web", RUN: "uid-report-1", REPORT: "uid-report"},
        init_containers={WEB: InitContainers(frozenset({"migrate"}))},
        living=frozenset({REPORT}),
        listed=NamespaceSelection(),
    )


async def test_changes_come_by_the_watch(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A new Deployment is in the snapshot without another list."""
    serve(server)
    appears = {"type": "ADDED", "object": pod("web", resourceVersion="11")}
    server.on("WATCH", WATCHED["deployments"], server.streams(appears, then_hangs=True))

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED))
        async with asyncio.timeout(5):
            while (await workloads.snapshot()).workloads != (WEB,):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)

    assert [request.path for request in server.received("GET")].count(WATCHED["deployments"]) == 1


@pytest.mark.parametrize("kind", ["jobs", "daemonsets", "deployments", "statefulsets"])
@pytest.mark.parametrize("status", [403, 404])
async def test_a_kind_that_can_not_be_listed_costs_only_itself(
    server: FakeApiServer, patient_client: ClusterClient, kind: str, status: int
) -> None:
    """It is forbidden, or its API is gone: Pods and their owners are known, and the fault is named."""
    web_pod = pod("web-5f5b-x", owner("ReplicaSet", "web-5f5b"), labels={"pod-template-hash": "5f5b"})
    serve(server, pods=web_pod)
    server.on("GET", WATCHED[kind], refuses(status, "not for you"))

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED) - 1)
        assert (await workloads.snapshot()).pods == {("shop", "web-5f5b-x"): WEB}
        [(subject, reason)] = watch_faults(workloads.reflectors).items()

    assert subject == f"watch of {kind}"
    assert f"{status} " in reason
    assert "not for you" in reason


async def test_without_any_pods_there_is_no_snapshot(
    server: FakeApiServer, patient_client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing Pods is forbidden in the whole cluster: no usage has a known workload."""
    monkeypatch.setattr("app.runtime.watches.workloads._LISTED_WITHIN_SECONDS", 0.3)
    serve(server)
    server.on("GET", WATCHED["pods"], refuses(403))

    async with watching(patient_client) as workloads:
        with pytest.raises(UnavailableError, match=r"not listed yet: pods$"):
            await workloads.snapshot()


async def test_a_listed_namespace_that_is_gone_costs_only_itself(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The rights were in the namespace: its lists are forbidden, and the others are in the snapshot.

    When it is created again, it is listed without a restart.
    """
    server.on("GET", "/apis/batch/v1", answers({"resources": [{"name": "cronjobs"}]}))
    web_pod = pod("web-5f5b-x", owner("ReplicaSet", "web-5f5b"), labels={"pod-template-hash": "5f5b"})
    for path in WATCHED.values():
        api, _, plural = path.rpartition("/")
        listing = listed(*([web_pod] if plural == "pods" else []))
        server.on("GET", f"{api}/namespaces/shop/{plural}", listing)
        server.on("GET", f"{api}/namespaces/gone/{plural}", refuses(403, "no rights"), listed())
        for name in ("shop", "gone"):
            server.on("WATCH", f"{api}/namespaces/{name}/{plural}", server.streams(then_hangs=True))
    pods = PodWatches(patient_client, ("shop", "gone"))
    cluster = TermWatches(lambda: pods.reflectors, pods.reflectors)
    workloads = WorkloadWatches(patient_client, ("shop", "gone"), pods)
    tasks = [asyncio.create_task(watches.run()) for watches in (pods, workloads)]

    snapshot = await workloads.snapshot()
    assert snapshot.pods == {("shop", "web-5f5b-x"): WEB}
    [(namespace, reason)] = cluster.unlisted_namespaces().items()
    assert (namespace, "403 Forbidden: no rights" in reason) == ("gone", True)
    assert list(cluster.faults()) == ["watch of pods of namespace gone"]

    await until(lambda: not cluster.unlisted_namespaces() and not cluster.faults())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_cron_jobs_are_not_waited_for(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """Older charts grant no permission to watch them; only the CronJob's uid is missing then."""
    serve(server, jobs=pod("report-1", owner("CronJob", "report")))
    server.on("GET", WATCHED["cronjobs"], refuses(403))

    async with watching(patient_client) as workloads:
        snapshot = await workloads.snapshot()

    assert snapshot.cron_jobs == {RUN: REPORT}
    assert REPORT not in snapshot.uids


async def test_the_version_of_cron_jobs_is_requested_until_it_is_known(
    server: FakeApiServer, patient_client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server returns 503 twice; then the watch of CronJobs begins."""
    monkeypatch.setattr("app.runtime.watches.workloads.Backoff.next_pause", lambda _self: 0.01)
    serve(server, cronjobs=pod("report"))
    versions = answers({"resources": [{"name": "cronjobs"}]})
    server.on("GET", "/apis/batch/v1", refuses(503), refuses(503), versions)

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED))
        assert REPORT in (await workloads.snapshot()).uids


async def test_each_listed_namespace_has_watches_of_its_own(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """20 namespaces with six watches each are more than the client library's default of 100 connections.

    All of them are open at once, and another request is still possible.
    """
    namespaces = [f"team-{number}" for number in range(20)]
    server.on("GET", "/apis/batch/v1", answers({"resources": [{"name": "cronjobs"}]}))
    for path in WATCHED.values():
        api, _, plural = path.rpartition("/")
        for namespace in namespaces:
            server.on("GET", f"{api}/namespaces/{namespace}/{plural}", listed())
            server.on("WATCH", f"{api}/namespaces/{namespace}/{plural}", server.streams(then_hangs=True))

    async with watching(patient_client, *namespaces) as workloads:
        await server.wait_for("WATCH", 120)
        assert (await workloads.snapshot()).workloads == ()
        async with asyncio.timeout(5):
            assert await patient_client.get("/apis/batch/v1")


async def test_an_unchanged_cycle_sends_no_request(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """A new leader with all profiles stored writes the report and the first check-point in its first cycle.

    The next three cycles, two of them with new samples, send no request of any kind.
    """
    serve(server)
    status = "/api/v1/namespaces/profiling/configmaps/job-profiler-status"
    server.on("GET", status, answers({"metadata": {"name": "job-profiler-status", "uid": "u1"}}))
    maps = "/api/v1/namespaces/profiling/configmaps"
    server.on("GET", maps, listed())
    server.on("POST", maps, answers(thing("job-profiler-checkpoint-000000000000"), 201))
    server.on("PATCH", status, answers({"metadata": {"name": "job-profiler-status"}}))
    profiles = InMemoryProfiles("profiling")
    await Scenario(EmojivotoPrometheus(), profiles).cycle()

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED))
        cluster = cluster_ports(
            read_settings({"own_namespace": "profiling"}),
            patient_client,
            profiles.catalogue,
            workloads,
            EventRecorder(patient_client, "profiler-0"),
        )
        leader = Scenario(EmojivotoPrometheus(), cluster=cluster)
        await leader.cycle()
        first: list[Received] = list(server.requests)
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)

    assert [request.verb for request in first if request.path == maps] == ["GET", "POST"]
    assert [request.verb for request in first if request.path == status] == ["GET", "PATCH", "GET"]
    assert server.requests == first
