"""Events on workloads as sent to the API server, and cycles in which they are rejected."""

import pytest
from structlog.testing import capture_logs

from app.domain.workloads import Workload
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.profiler.workload_event import EventReason, WorkloadEvent
from app.runtime.adapters import ClusterEvents
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses, thing
from tests.profiler.emojivoto_prometheus import CONTAINERS, EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, RecordingSink, Scenario


@pytest.mark.parametrize("uid", ["u1", ""])
async def test_an_event_is_about_the_workload(server: FakeApiServer, client: ClusterClient, uid: str) -> None:
    """It is in the workload's namespace, with the object reference that `kubectl describe` expects."""
    server.on("POST", "/api/v1/namespaces/shop/events", answers(thing("event"), status=201))
    workload_event = WorkloadEvent(
        Workload("shop", "db", "StatefulSet"), "apps/v1", uid, EventReason.CREATED, "CPU 0.020 cores"
    )

    await ClusterEvents(EventRecorder(client, "profiler-0")).record(workload_event)

    [event] = [request.json for request in server.requests]
    about = {"apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": "shop", "name": "db"}
    assert event["involvedObject"] == about | ({"uid": uid} if uid else {})
    assert (event["type"], event["reason"]) == ("Normal", "ProfileCreated")
    assert event["message"] == "CPU 0.020 cores"


async def test_events_that_are_refused_stop_no_cycle(server: FakeApiServer, client: ClusterClient) -> None:
    """Four Deployments appear while Events are forbidden: all profiles are written, one line is logged."""
    server.on("POST", "/api/v1/namespaces/emojivoto/events", refuses(403, "no"))
    lister = FixedSnapshot(ClusterSnapshot(workloads=DEPLOYMENTS))
    prometheus = EmojivotoPrometheus(containers={}, edges={}, proxies=())
    profiles = InMemoryProfiles("profiling")
    cluster = ClusterPorts(
        lister, profiles, RecordingSink(), ClusterEvents(EventRecorder(client, "profiler-0"))
    )
    leader = Scenario(prometheus, cluster=cluster)
    await leader.cycle()
    prometheus.containers = dict(CONTAINERS)

    with capture_logs() as lines:
        report = await leader.cycle(minutes=5)

    assert (report.written, len(server.received("POST"))) == (8, 4)
    warnings = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert warnings.count("event_not_recorded") == 1
