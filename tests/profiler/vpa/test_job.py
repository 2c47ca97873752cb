"""The recommender of VerticalPodAutoscalers: which it serves, what it writes, and when it writes nothing."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.catalogue import ProfileCatalogue
from app.domain.container_roles import template_containers
from app.domain.profiles import ProfileKind, Resource
from app.domain.template_amounts import template_amounts
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import NAMED_KINDS, Workload
from app.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.rate_limiter import RateLimiter
from app.profiler.registries.vertical_autoscalers import AutoscalerRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.job import AutoscalerRecommender
from app.profiler.vpa.paced_writes import PacedWrites
from app.profiler.workload_event import EventReason, WorkloadEvent
from app.vpa.autoscaler import VerticalAutoscaler, read_autoscaler
from tests.vpa.objects import CPU_NEEDS, POLICY, RECOMMENDER, WEB, catalogue_of, profile, vpa, web_profiles

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Cluster:
    """An API server that stores statuses; each fault of an object occurs once.

    `drops` are the fields of a status that its CRD does not have.
    """

    def __init__(self, *manifests: dict[str, Any], drops: tuple[str, ...] = ()) -> None:
        self.registry = AutoscalerRegistry()
        self._receiver = self.registry.new_receiver()
        self.manifests = {manifest["metadata"]["name"]: manifest for manifest in manifests}
        self.written: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self._drops = drops
        self._receiver.replace(map(read_autoscaler, manifests))

    async def write_status(self, autoscaler: VerticalAutoscaler, status: Mapping[str, Any]) -> None:
        """Record the attempt, then raise the next fault of the object, or store the status."""
        self.written.append(autoscaler.name)
        if faults := self.faults.get(autoscaler.name):
            raise faults.pop(0)
        kept = {key: value for key, value in status.items() if key not in self._drops}
        self.put(self.manifests[autoscaler.name] | {"status": kept})

    def put(self, manifest: dict[str, Any]) -> None:
        """Replace an object."""
        self.manifests[manifest["metadata"]["name"]] = manifest
        self._receiver.upsert(read_autoscaler(manifest))

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._receiver.delete(read_autoscaler(self.manifests.pop(name)))

    def targets(self, name: str = "web") -> dict[str, Any]:
        """The target of each container in the status of an object."""
        recommendation = self.manifests[name].get("status", {}).get("recommendation", {})
        return {
            one["containerName"]: one["target"] for one in recommendation.get("containerRecommendations", [])
        }


class Term:
    """The recommender of one leader's term."""

    def __init__(self, cluster: Cluster, catalogue: ProfileCatalogue | None = None) -> None:
        self.now = NOON
        self.events: list[WorkloadEvent] = []
        self.catalogue = catalogue or catalogue_of(*web_profiles())
        self.workloads = WorkloadRegistry(time.monotonic)
        self.workloads.put(WorkloadRecord(WEB, "uid-web"))
        self.recommender = AutoscalerRecommender(
            RECOMMENDER,
            cluster.registry,
            self.catalogue,
            self.workloads,
            cluster,
            POLICY,
            FaultAnnouncer(self, EventReason.LIMIT_BELOW_NEED),
            writes=PacedWrites(RateLimiter(1e9), "status"),
            period_seconds=5,
            clock=lambda: self.now,
        )

    async def record(self, event: WorkloadEvent) -> None:
        """Receives an Event on a workload."""
        self.events.append(event)

    async def writes(self) -> int:
        """The successful writes of one pass."""
        return await self.recommender.run_once()


async def test_the_status_is_written_once() -> None:
    """A second pass writes nothing, and so does a new leader."""
    cluster = Cluster(vpa())
    term = Term(cluster)

    assert [await term.writes(), await term.writes()] == [1, 0]
    assert cluster.targets()["main"] == {"cpu": "404m", "memory": "300Mi"}
    assert await Term(cluster).writes() == 0


async def test_a_changed_value_is_written() -> None:
    """The target moves with the stored value; a change that leaves the status as it is writes nothing."""
    cluster = Cluster(vpa())
    term = Term(cluster)
    await term.writes()

    term.catalogue.upsert(ProfileKind.CPU, profile(Resource.CPU, CPU_NEEDS))
    assert await term.writes() == 0
    raised = CPU_NEEDS | {"main": ("0.450", "0.500", "0.300")}
    term.catalogue.upsert(ProfileKind.CPU, profile(Resource.CPU, raised))
    assert await term.writes() == 1
    assert cluster.targets()["main"]["cpu"] == "450m"


async def test_a_changed_object_is_written() -> None:
    """A new generation is observed; a policy of the object acts at once."""
    cluster = Cluster(vpa())
    term = Term(cluster)
    await term.writes()
    policy = {"containerPolicies": [{"containerName": "main", "maxAllowed": {"cpu": "100m"}}]}
    changed = vpa(resourcePolicy=policy, status=cluster.manifests["web"]["status"])
    changed["metadata"]["generation"] = 2
    cluster.put(changed)

    assert await term.writes() == 1
    assert cluster.targets()["main"]["cpu"] == "100m"
    assert cluster.manifests["web"]["status"]["observedGeneration"] == 2


async def test_others_are_left_alone() -> None:
    """Objects that name another recommender, or none; two names are a fault that is named."""
    both = [{"name": RECOMMENDER}, {"name": "other"}]
    cluster = Cluster(
        vpa("default", recommenders=[]),
        vpa("other", recommenders=[{"name": "other"}]),
        vpa("both", recommenders=both),
    )
    term = Term(cluster)

    assert await term.writes() == 0
    assert term.recommender.faults() == {
        "VerticalPodAutoscaler shop/both": (
            "it names several recommenders (job-profiler, other), so job-profiler leaves it alone: name one"
        )
    }


async def test_a_field_that_the_crd_drops_is_no_reason_to_write() -> None:
    """Older CRDs have no observedGeneration: the status is written again after an hour at the earliest."""
    cluster = Cluster(vpa(), drops=("observedGeneration",))
    term = Term(cluster)

    assert [await term.writes(), await term.writes()] == [1, 0]
    term.now += timedelta(hours=1, minutes=1)
    assert await term.writes() == 1


async def test_what_another_writer_left_is_replaced() -> None:
    """A pass of VPA's own recommender that began before the object named ours may end after our write.

    Ours is written again when it is 30 seconds old: a watch that is late, or two writers, cost no more.
    """
    cluster = Cluster(vpa())
    term = Term(cluster)
    assert [await term.writes(), await term.writes()] == [1, 0]

    cluster.put(vpa(status={"recommendation": {"containerRecommendations": []}}))
    assert await term.writes() == 0
    term.now += timedelta(seconds=30)
    assert [await term.writes(), await term.writes()] == [1, 0]
    assert cluster.targets()["main"] == {"cpu": "404m", "memory": "300Mi"}


async def test_a_recommendation_that_ends_is_taken_back() -> None:
    """Its profiles expired: an empty list replaces what is stored, and nothing is written after that."""
    cluster = Cluster(vpa())
    term = Term(cluster)
    await term.writes()
    for manifest, kind in zip(web_profiles(), (ProfileKind.CPU, ProfileKind.MEMORY), strict=True):
        term.catalogue.delete(kind, manifest)

    assert [await term.writes(), await term.writes()] == [1, 0]
    assert cluster.manifests["web"]["status"]["recommendation"] == {"containerRecommendations": []}


async def test_a_refusal_pauses_one_object() -> None:
    """The others are written, the fault is named, and the next attempts are 0 and 5 minutes later."""
    cluster = Cluster(vpa("first"), vpa("second"))
    cluster.faults["first"] = [ForbiddenError("no"), ForbiddenError("no")]
    term = Term(cluster)

    assert [await term.writes(), await term.writes(), await term.writes()] == [1, 0, 0]
    assert cluster.written == ["first", "second", "first"]
    assert list(term.recommender.faults()) == ["VerticalPodAutoscaler shop/first"]
    term.now += timedelta(minutes=5)
    assert await term.writes() == 1
    assert not term.recommender.faults()


@pytest.mark.parametrize("error", [ConflictError("replaced"), UnavailableError("away", 0.001)])
async def test_what_passes_is_no_refusal(error: Exception) -> None:
    """The next pass writes what an outage or a replaced object kept from being written."""
    cluster = Cluster(vpa())
    cluster.faults["web"] = [error]
    term = Term(cluster)

    assert [await term.writes(), await term.writes()] == [0, 1]
    assert not term.recommender.faults()


async def test_a_status_that_is_not_there_is_named() -> None:
    """A CRD without the subresource is a refusal; an object that is gone is none, once the watch says so."""
    cluster = Cluster(vpa())
    cluster.faults["web"] = [NotFoundError("no status"), NotFoundError("no status")]
    term = Term(cluster)

    assert [await term.writes(), await term.writes(), await term.writes()] == [0, 0, 0]
    assert cluster.written == ["web", "web"]
    assert term.recommender.faults() == {"VerticalPodAutoscaler shop/web": "its status is refused: no status"}
    cluster.remove("web")
    await term.writes()
    assert term.recommender.faults() == {}


async def test_limits_and_containers_come_from_the_object() -> None:
    """A native sidecar has no recommendation, and RequestsOnly ends at the limit of the template."""
    only = {"containerPolicies": [{"containerName": "*", "controlledValues": "RequestsOnly"}]}
    cluster = Cluster(vpa(resourcePolicy=only))
    term = Term(cluster)
    term.workloads.put(
        WorkloadRecord(
            WEB,
            template=template_containers([("proxy", "Always")], ["main"]),
            amounts=template_amounts([("main", {}, {"memory": "256Mi"})]),
        )
    )

    await term.writes()

    assert cluster.targets() == {"main": {"cpu": "404m", "memory": "256Mi"}}


async def test_a_limit_below_the_need_is_one_event() -> None:
    """On the workload, whose template has the limit, and once: until the text changes, or it comes again."""
    only = {"containerPolicies": [{"containerName": "*", "controlledValues": "RequestsOnly"}]}
    cluster = Cluster(vpa(resourcePolicy=only))
    term = Term(cluster)

    def limit(memory: str) -> None:
        amounts = template_amounts([("main", {}, {"memory": memory})])
        term.workloads.put(WorkloadRecord(WEB, "uid-web", amounts=amounts))

    limit("256Mi")
    await term.writes()
    await term.writes()
    [event] = term.events
    assert (event.workload, event.uid, event.reason) == (WEB, "uid-web", "LimitBelowNeed")
    assert event.message == (
        "VerticalPodAutoscaler web: main needs 300Mi memory and has a limit of 256Mi, which RequestsOnly"
        " leaves: raise the limit in the Pod template"
    )
    for memory in ("1Gi", "280Mi"):
        limit(memory)
        await term.writes()
        await term.writes()
    assert [event.message.count("280Mi") for event in term.events] == [0, 1]


@pytest.mark.parametrize(
    "kind",
    sorted(NAMED_KINDS | {"RayCluster"}),
)
async def test_every_kind_of_target(kind: str) -> None:
    """The profiles of the target are found by its identity."""
    workload = Workload("shop", "web", kind)
    cluster = Cluster(vpa(target={"kind": kind, "name": "web"}))

    await Term(cluster, catalogue_of(*web_profiles(workload=workload))).writes()

    assert set(cluster.targets()) == {"main", "proxy"}


async def test_a_job_has_the_profiles_of_its_runs() -> None:
    """Jobs with generated names share profiles under their common name."""
    runs = Workload("shop", "import", "Job")
    cluster = Cluster(vpa(target={"kind": "Job", "name": "import-x7k2p"}))

    await Term(cluster, catalogue_of(*web_profiles(workload=runs))).writes()

    assert set(cluster.targets()) == {"main", "proxy"}


async def test_a_thousand_objects() -> None:
    """The first pass writes each once; a pass over unchanged ones sends nothing and takes far less."""
    names = [f"w{number}" for number in range(1000)]
    cluster = Cluster(*(vpa(name, target={"kind": "Deployment", "name": name}) for name in names))
    profiles = [one for name in names for one in web_profiles(workload=Workload("shop", name))]
    term = Term(cluster, catalogue_of(*profiles))

    seconds, counts = [], []
    for _ in range(3):
        started = time.perf_counter()
        counts.append(await term.writes())
        seconds.append(time.perf_counter() - started)

    print(f"1,000 objects: {seconds[0]:.2f} s with writes, {seconds[1]:.2f} s to settle, {seconds[2]:.3f} s")
    assert counts == [1000, 0, 0]
    assert seconds[2] < seconds[0]
