"""The workloads of a leader's term, from watches only: an unchanged cycle sends no request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.container_roles import TemplateContainers
from app.domain.namespaces import NamespaceSelection
from app.domain.template_amounts import NO_TEMPLATE_AMOUNTS
from app.domain.workload_policy import NO_POLICY
from app.domain.workloads import Workload
from app.errors import ForbiddenError
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder
from app.kubernetes.reflector import Reflector
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import InMemoryProfiles
from app.runtime.adapters import ClusterProfiles
from app.runtime.profiler_role import cluster_ports
from app.runtime.watches.faults import TermWatches, watch_faults
from app.runtime.watches.pods import PodWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import (
    Answer,
    FakeApiServer,
    Received,
    answers,
    listed,
    refuses,
    sends,
    thing,
)
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
KIND_OF = {
    "pods": "Pod",
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
}
# Without Pods nothing is known; a Job names its CronJob.
UNKNOWN_WITHOUT = {plural: [kind] for plural, kind in KIND_OF.items()} | {
    "pods": list(KIND_OF.values()),
    "jobs": ["Job", "CronJob"],
}
WEB = Workload("shop", "web")
RUN, REPORT = Workload("shop", "report-1", "Job"), Workload("shop", "report", "CronJob")


def serve(server: FakeApiServer, **objects: dict[str, Any]) -> None:
    """Serve at most one object per kind; watches have no events."""
    for plural, path in WATCHED.items():
        server.on("GET", path, listed(*([objects[plural]] if plural in objects else [])))
        server.on("WATCH", path, server.streams(then_hangs=True))


class Watched(WorkloadWatches):
    """The watches of workloads and their Pods."""

    def __init__(self, client: ClusterClient, namespaces: tuple[str, ...]) -> None:
        self.pods = PodWatches(client, namespaces)
        super().__init__(client, namespaces, self.pods)

    def faults(self) -> dict[str, str]:
        """The reason of each failing watch."""
        return watch_faults([*self.pods.reflectors, *self.reflectors])


@asynccontextmanager
async def watching(client: ClusterClient, *namespaces: str) -> AsyncIterator[Watched]:
    workloads = Watched(client, namespaces)
    pods = workloads.pods
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
        templates={WEB: TemplateContainers(frozenset({"migrate"}), containers=frozenset({"web-svc"}))},
        desired_replicas={WEB: 3},
        amounts={WEB: NO_TEMPLATE_AMOUNTS},
        policies={WEB: NO_POLICY, REPORT: NO_POLICY},
        living=frozenset({REPORT}),
        listed=NamespaceSelection(),
    )


async def test_a_workload_is_known_where_its_kind_is_watched(client: ClusterClient) -> None:
    """Without a list, or while the watch fails, its object may exist; the other watches are not looked at.

    With 100 namespaces there are 600 watches, and 5,000 VerticalPodAutoscalers ask in each pass.
    """
    workloads = Watched(client, ("shop", "other"))
    path = "/apis/apps/v1/namespaces/shop/deployments"
    (of_shop,) = (watch for watch in workloads.reflectors if watch.selection.path == path)
    others: list[Reflector[Any]] = [*workloads.reflectors, *workloads.pods.reflectors]
    others.remove(of_shop)
    for watch in others:
        del watch.selection

    assert not workloads.knows(WEB)
    of_shop.is_synced = True
    assert workloads.knows(WEB)
    assert not workloads.knows(Workload("shop", "web", "Rollout"))
    of_shop.fault = ForbiddenError("no")
    assert not workloads.knows(WEB)


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


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        pytest.param(refuses(403, "not for you"), "403 Forbidden: not for you", id="forbidden"),
        pytest.param(refuses(404, "no such resource"), "404 Not Found: no such resource", id="missing"),
        pytest.param(refuses(500, "etcd is ill"), "500 Internal Server Error: etcd is ill", id="failing"),
        pytest.param(sends(b"<html>hello"), "the response can't be decoded", id="garbled"),
        pytest.param(answers({"metadata": {}, "items": None}), "no resourceVersion", id="of-another-server"),
    ],
)
@pytest.mark.parametrize("kind", sorted(WATCHED))
async def test_a_kind_that_can_not_be_read_is_unknown(
    server: FakeApiServer,
    patient_client: ClusterClient,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    listing: Answer,
    reason: str,
) -> None:
    """Whatever the API server answers for one of six kinds, the others are in the snapshot, after a minute.

    The fault is named, and the kind is unread: no workload of it is taken for gone. An answer that is no list
    of an API server removes nothing. When the list is readable, the fault ends.
    """
    monkeypatch.setattr("app.kubernetes.reflector._OUTAGE_SECONDS", 0.05)
    monkeypatch.setattr("app.periodic.Backoff.next_pause", lambda _self: 0.02)
    serve(server, **{plural: pod("web") for plural in WATCHED})
    server.on("GET", WATCHED[kind], listing)
    if kind == "cronjobs":
        server.on("GET", "/apis/batch/v1beta1/cronjobs", listing)

    async with watching(patient_client) as workloads:
        snapshot = await workloads.snapshot()
        assert len(snapshot.pods) == (kind != "pods")
        await until(lambda: bool(workloads.faults()))
        [(subject, fault)] = workloads.faults().items()
        assert subject == f"watch of {kind}"
        assert reason in fault
        snapshot = await workloads.snapshot()
        assert snapshot.unread == {(KIND_OF[kind], "")}
        unknown = [
            kind for kind in KIND_OF.values() if not snapshot.knows_usage_of(Workload("shop", "web", kind))
        ]
        assert unknown == UNKNOWN_WITHOUT[kind]

        server.on("GET", WATCHED[kind], listed(pod("web")))
        await until(lambda: not workloads.faults())
        assert (await workloads.snapshot()).unread == frozenset()


async def test_a_listed_namespace_that_is_gone_costs_only_itself(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """The rights were in the namespace: its lists are forbidden, and the others are in the snapshot.

    When it is created again, it is listed without a restart.
    """
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


@pytest.mark.parametrize("served", ["v1", "v1beta1"])
async def test_cron_jobs_are_watched_in_the_served_version(
    server: FakeApiServer, patient_client: ClusterClient, served: str
) -> None:
    """The other version is not found, as on Kubernetes before 1.21 and since 1.25; no fault remains."""
    serve(server)
    path = f"/apis/batch/{served}/cronjobs"
    server.on("GET", WATCHED["cronjobs"], refuses(404, "the server could not find the requested resource"))
    server.on("GET", path, listed(pod("report")))
    server.on("WATCH", path, server.streams(then_hangs=True))

    async with watching(patient_client) as workloads:
        await server.wait_for("WATCH", len(WATCHED))
        assert REPORT in (await workloads.snapshot()).uids
        await until(lambda: not watch_faults(workloads.reflectors))


async def test_each_listed_namespace_has_watches_of_its_own(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """20 namespaces with six watches each are more than the client library's default of 100 connections.

    All of them are open at once, and another request is still possible.
    """
    namespaces = [f"team-{number}" for number in range(20)]
    server.on("GET", "/version", answers({}))
    for path in WATCHED.values():
        api, _, plural = path.rpartition("/")
        for namespace in namespaces:
            server.on("GET", f"{api}/namespaces/{namespace}/{plural}", listed())
            server.on("WATCH", f"{api}/namespaces/{namespace}/{plural}", server.streams(then_hangs=True))

    async with watching(patient_client, *namespaces) as workloads:
        await server.wait_for("WATCH", 120)
        assert (await workloads.snapshot()).workloads == ()
        async with asyncio.timeout(5):
            assert await patient_client.get("/version") == {}


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
        store = ClusterProfiles(patient_client, "profiling", profiles.catalogue)
        settings = read_settings({"own_namespace": "profiling"})
        cluster = cluster_ports(
            settings, patient_client, store, workloads, EventRecorder(patient_client, "profiler-0")
        )
        leader = Scenario(EmojivotoPrometheus(), cluster=cluster)
        await leader.cycle()
        first: list[Received] = list(server.requests)
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)

    assert [request.verb for request in first if request.path == maps] == ["GET", "POST"]
    assert [request.verb for request in first if request.path == status] == ["GET", "PATCH", "GET"]
    assert server.requests == first
