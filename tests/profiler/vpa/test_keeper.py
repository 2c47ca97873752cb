"""The keeper of the profiler's own VerticalPodAutoscalers: what it writes, when, and what it names."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.annotations import VPA_LABEL, Labels, vpa_labels
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.errors import ClusterError, ConflictError, ForbiddenError, NotFoundError, UnavailableError
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.namespace_metadata import NamespaceMetadata, NamespaceMetadataRegistry
from app.profiler.registries.vertical_autoscalers import AutoscalerRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.keeper import AutoscalerKeeper
from app.profiler.vpa.paced_writes import PacedWrites
from app.profiler.workload_event import EventReason, WorkloadEvent
from app.vpa.autoscaler import VerticalAutoscaler, read_autoscaler
from app.vpa.labels import WantedAutoscaler
from app.vpa.ownership import own_manifest
from app.vpa.update_mode import UpdateMode
from tests.vpa.objects import RECOMMENDER, WEB, stored, vpa

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NAME = "job-profiler-deployment-web"
RECREATE = {VPA_LABEL: "Recreate"}


class Cluster:
    """A keeper's term on an API server that stores objects; each fault of an object occurs once.

    The CRD drops the field `minReplicas` if it `is_old`. Until `is_delayed` ends, the watch reports nothing.
    """

    def __init__(self, namespace: dict[str, str] | None = None, **template: str) -> None:
        self.now = NOON
        self.objects: dict[str, dict[str, Any]] = {}
        self.sent: list[str] = []
        self.faults: dict[str, list[ClusterError]] = {}
        self.events: list[WorkloadEvent] = []
        self.is_old = self.is_delayed = False
        self.is_served = self.is_known = True
        self.scope = {"shop"}
        registry, namespaces = AutoscalerRegistry(), NamespaceMetadataRegistry()
        self._receiver, self._namespaces = registry.new_receiver(), namespaces.new_receiver()
        self.workloads = WorkloadRegistry(time.monotonic)
        self.label(namespace or {})
        self.deploy(WEB, vpa_labels(template))
        self.keeper = AutoscalerKeeper(
            RECOMMENDER,
            registry,
            self.workloads,
            namespaces,
            self,
            FaultAnnouncer(self, EventReason.INVALID_VPA_LABEL),
            writes=PacedWrites(RateLimiter(1e9), "object"),
            period_seconds=5,
            in_scope=lambda namespace: namespace in self.scope,
            is_known=lambda _workload: self.is_known,
            is_served=lambda: self.is_served,
            clock=lambda: self.now,
        )

    def label(self, labels: dict[str, str], namespace: str = "shop") -> None:
        """Sets the labels of a namespace."""
        self._namespaces.upsert(NamespaceMetadata(namespace, vpa_labels=vpa_labels(labels)))

    def deploy(self, workload: Workload, labels: Labels = (), uid: str = "uid-web") -> None:
        """Creates or changes a workload's object."""
        self.workloads.put(WorkloadRecord(workload, uid, vpa_labels=labels))

    def put(self, manifest: dict[str, Any]) -> None:
        """Stores an object."""
        self.objects[manifest["metadata"]["name"]] = manifest
        self.report()

    def report(self) -> None:
        """The watch reports all objects."""
        if not self.is_delayed:
            self._receiver.replace(map(read_autoscaler, self.objects.values()))

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Stores the object, unless a fault is due."""
        name = manifest["metadata"]["name"]
        self._note(f"apply {name}", name)
        kept = stored(dict(manifest))
        if self.is_old:
            kept["spec"]["updatePolicy"].pop("minReplicas", None)
        self.put(kept)

    async def delete(self, autoscaler: VerticalAutoscaler) -> None:
        """Removes the object, unless a fault is due."""
        self._note(f"delete {autoscaler.name}", autoscaler.name)
        if self.objects.pop(autoscaler.name, None) is None:
            raise NotFoundError("gone")
        self.report()

    async def record(self, event: WorkloadEvent) -> None:
        """Receives an Event."""
        self.events.append(event)

    def _note(self, request: str, name: str) -> None:
        self.sent.append(request)
        if faults := self.faults.get(name):
            raise faults.pop(0)

    async def requests(self, seconds: float = 5) -> list[str]:
        """The requests of the next pass, after *seconds*."""
        self.sent.clear()
        self.now += timedelta(seconds=seconds)
        await self.keeper.run_once()
        return list(self.sent)


async def test_one_object_for_each_workload() -> None:
    """Of a labelled namespace, each once: Jobs, and workloads of other namespaces, have none."""
    cluster = Cluster(RECREATE)
    for workload in (
        Workload("shop", "db", "StatefulSet"),
        Workload("shop", "agent", "DaemonSet"),
        Workload("shop", "nightly", "CronJob"),
        Workload("shop", "migrate", "Job"),
        Workload("bank", "web"),
    ):
        cluster.deploy(workload)

    first, second = await cluster.requests(), await cluster.requests()

    assert sorted(first) == [
        f"apply job-profiler-{name}"
        for name in ("cronjob-nightly", "daemonset-agent", "deployment-web", "statefulset-db")
    ]
    assert second == []


async def test_the_object_follows_the_labels() -> None:
    """The template's label wins; without any, the object is deleted, and nothing is sent after that."""
    cluster = Cluster(RECREATE)
    await cluster.requests()

    cluster.deploy(WEB, vpa_labels({VPA_LABEL: "Off"}))
    assert await cluster.requests() == [f"apply {NAME}"]
    assert cluster.objects[NAME]["spec"]["updatePolicy"] == {"updateMode": "Off"}
    cluster.label({})
    assert await cluster.requests() == []
    cluster.deploy(WEB)
    assert await cluster.requests() == [f"delete {NAME}"]
    assert await cluster.requests() == []


async def test_only_our_own_is_deleted() -> None:
    """The label goes, and with it our object; another's for the same workload, and for others, stay."""
    cluster = Cluster(RECREATE)
    cluster.put(stored(vpa("theirs", target={"kind": "Deployment", "name": "api"}), manager="kubectl"))
    await cluster.requests()
    cluster.put(stored(vpa("mine"), manager="kubectl"))

    assert await cluster.requests() == [f"delete {NAME}"]
    cluster.label({})
    assert await cluster.requests() == []
    assert sorted(cluster.objects) == ["mine", "theirs"]


async def test_the_object_of_a_workload_that_is_gone() -> None:
    """It is deleted where the object's kind is listed: an orphan has no owner that it could go with."""
    cluster = Cluster(RECREATE)
    await cluster.requests()
    cluster.workloads.remove(WorkloadRecord(WEB))

    cluster.is_known = False
    assert await cluster.requests() == []
    cluster.is_known = True
    assert await cluster.requests() == [f"delete {NAME}"]


async def test_a_workload_that_was_made_anew() -> None:
    """The object gets the new owner, before the garbage collector takes it for an orphan."""
    cluster = Cluster(RECREATE)
    await cluster.requests()

    cluster.deploy(WEB, uid="uid-new")
    assert await cluster.requests() == [f"apply {NAME}"]
    [owner] = cluster.objects[NAME]["metadata"]["ownerReferences"]
    assert owner["uid"] == "uid-new"


async def test_what_is_not_known_changes_nothing() -> None:
    """A namespace whose labels or objects can't be read, which is not the same as one without labels."""
    cluster = Cluster(RECREATE)
    cluster.scope.clear()
    assert await cluster.requests() == []
    cluster.scope.add("shop")
    await cluster.requests()

    cluster._namespaces.replace(())
    assert await cluster.requests() == []
    cluster.label({"job-profiler.liqo.io/ignore": "true"})
    cluster.scope.clear()  # since it opted out
    assert await cluster.requests() == [f"delete {NAME}"]


async def test_an_edited_object_is_applied_again() -> None:
    """Within 30 seconds of a write it may be the watch that is late, or another writer; then at once."""
    cluster = Cluster(RECREATE)
    await cluster.requests()
    edited = cluster.objects[NAME] | {"spec": cluster.objects[NAME]["spec"] | {"updatePolicy": {}}}
    await cluster.requests()
    cluster.put(edited)

    assert [await cluster.requests(10), await cluster.requests(20)] == [[], [f"apply {NAME}"]]
    del cluster.objects[NAME]
    cluster.report()
    assert [await cluster.requests(10), await cluster.requests(20)] == [[], [f"apply {NAME}"]]


async def test_a_late_watch_costs_no_second_write() -> None:
    """The write is not reported for twenty seconds."""
    cluster = Cluster(RECREATE)
    cluster.is_delayed = True
    assert await cluster.requests() == [f"apply {NAME}"]
    assert [await cluster.requests(10), await cluster.requests(10)] == [[], []]
    cluster.is_delayed = False
    cluster.report()
    assert await cluster.requests(30) == []


async def test_a_field_that_the_crd_drops_is_written_once_an_hour() -> None:
    """An old CRD has no minReplicas, so that the object never is as wanted."""
    cluster = Cluster(RECREATE | {"job-profiler.liqo.io/vpa-min-replicas": "1"})
    cluster.is_old = True

    assert [len(await cluster.requests(60)) for _ in range(61)] == [1, *[0] * 59, 1]


async def test_a_refused_object_pauses_alone() -> None:
    """A mode that the CRD does not have: it is named, and tried again after 5 minutes."""
    cluster = Cluster(RECREATE)
    cluster.deploy(Workload("shop", "api"))
    cluster.faults[NAME] = [ForbiddenError("no such mode"), ForbiddenError("no such mode")]

    assert sorted(await cluster.requests()) == ["apply job-profiler-deployment-api", f"apply {NAME}"]
    assert [await cluster.requests(), await cluster.requests()] == [[f"apply {NAME}"], []]
    assert cluster.keeper.faults() == {
        f"VerticalPodAutoscaler shop/{NAME}": "its object is refused: no such mode"
    }
    assert await cluster.requests(300) == [f"apply {NAME}"]
    assert cluster.keeper.faults() == {}


@pytest.mark.parametrize("error", [ConflictError("changed"), UnavailableError("away", 0.001)])
async def test_a_delete_that_fails_is_tried_again(error: ClusterError) -> None:
    """The object changed since it was read, or the API server is away."""
    cluster = Cluster(RECREATE)
    await cluster.requests()
    cluster.label({})
    cluster.faults[NAME] = [error]

    assert [await cluster.requests(), await cluster.requests()] == [[f"delete {NAME}"]] * 2
    assert cluster.objects == {}


async def test_without_the_crd_nothing_is_sent() -> None:
    """The status says so, if any label asks for an object."""
    cluster = Cluster(RECREATE)
    cluster.is_served = False

    assert await cluster.requests() == []
    [(subject, reason)] = cluster.keeper.faults().items()
    assert (subject, reason) == (
        "VerticalPodAutoscalers",
        "labels ask for them, and the cluster has no verticalpodautoscalers.autoscaling.k8s.io",
    )
    cluster.label({})
    await cluster.requests()
    assert cluster.keeper.faults() == {}


async def test_a_crd_that_returns_ends_all_pauses() -> None:
    """Two writes met a CRD that had just gone, upon which the next one would wait for 5 minutes."""
    cluster = Cluster(RECREATE)
    cluster.faults[NAME] = [NotFoundError("no such resource"), NotFoundError("no such resource")]

    assert [await cluster.requests(), await cluster.requests()] == [[f"apply {NAME}"]] * 2
    assert await cluster.requests() == []
    cluster.is_served = False
    await cluster.requests()
    cluster.is_served = True
    assert await cluster.requests() == [f"apply {NAME}"]


async def test_wrong_labels_are_named() -> None:
    """One Event on each object, and the status, while the object of the workload stays as it is."""
    cluster = Cluster(RECREATE)
    await cluster.requests()
    cluster.label({VPA_LABEL: "off"})
    cluster.deploy(Workload("shop", "api"), vpa_labels({VPA_LABEL: "true"}))
    wrong = "use Off, Initial, InPlaceOrRecreate or Recreate"

    assert [await cluster.requests(), await cluster.requests()] == [[], []]
    assert [(event.workload.kind, event.workload.name, event.reason) for event in cluster.events] == [
        ("Deployment", "api", "InvalidVpaLabel"),
        ("Namespace", "shop", "InvalidVpaLabel"),
    ]
    assert cluster.events[1].message == (
        f"labels without effect; the VerticalPodAutoscaler stays as it is: {VPA_LABEL} of the namespace is"
        f" 'off': {wrong}"
    )
    assert cluster.keeper.faults() == {
        "labels of Deployment shop/api": f"{VPA_LABEL} of the Pod template is 'true': {wrong}",
        "labels of namespace shop": f"{VPA_LABEL} of the namespace is 'off': {wrong}",
    }


async def test_no_tenant_fills_the_status() -> None:
    """Of 300 wrong labels in one namespace and one in another, 50 are named, the other's among them."""
    cluster = Cluster()
    cluster.scope.add("bank")
    cluster.label({}, "bank")
    for number in range(300):
        cluster.deploy(Workload("shop", f"w{number}"), vpa_labels({VPA_LABEL: "x"}))
    cluster.deploy(Workload("bank", "web"), vpa_labels({VPA_LABEL: "x"}))

    await cluster.requests()

    faults = cluster.keeper.faults()
    assert len(faults) == 50
    assert "labels of Deployment bank/web" in faults
    assert "bank" in {event.workload.namespace for event in cluster.events}


async def test_two_thousand_workloads() -> None:
    """With an object each, one pass compares all of them, and later ones cost little; none sends anything."""
    cluster, wanted = Cluster(RECREATE), WantedAutoscaler(UpdateMode.RECREATE)
    for number in range(1_999):
        workload = Workload("shop", f"w{number}")
        cluster.deploy(workload)
        manifest = stored(own_manifest(workload, "uid-web", wanted, RECOMMENDER))
        cluster.objects[manifest["metadata"]["name"]] = manifest
    await cluster.apply(own_manifest(WEB, "uid-web", wanted, RECOMMENDER))
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        assert await cluster.requests() == []
        seconds.append(time.perf_counter() - started)

    print(f"2,000 workloads: {seconds[0]:.2f} s to compare, then {seconds[2]:.3f} s")


async def test_a_pass_ends_after_a_hundred_writes() -> None:
    """The next one begins with the labels of then: of 110 objects, the last 10 are not wanted any more."""
    cluster = Cluster(RECREATE)
    for number in range(109):
        cluster.deploy(Workload("shop", f"w{number}"))

    assert len(await cluster.requests()) == 100
    cluster.label({})
    assert {request.split()[0] for request in await cluster.requests()} == {"delete"}
    assert cluster.objects == {}
