"""Lists of Pods and workloads, and their reduction to records."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.annotations import POLICY_PREFIX, VPA_LABEL
from app.domain.container_roles import TemplateContainers
from app.domain.pod_record import PodRecord
from app.domain.workload_policy import NO_POLICY
from app.domain.workload_record import WorkloadRecord
from app.domain.workload_state import ContainerRequests, ResourceAmounts
from app.domain.workloads import Workload
from app.errors import ForbiddenError
from app.kubernetes.client import ClusterClient
from app.kubernetes.workloads import PodDecoder, WorkloadClient, WorkloadDecoder, cron_job_selections
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.kubernetes.workload_manifests import owner, pod, template

PODS = "/api/v1/pods"


async def test_a_pod_belongs_to_its_controller(server: FakeApiServer, client: ClusterClient) -> None:
    """The owner with `controller: true`, of a ReplicaSet its Deployment; a Pod without owner is its own."""
    web = pod(
        "web-5f5b555dff-fcg7c",
        owner("ReplicaSet", "web-5f5b555dff"),
        labels={"pod-template-hash": "5f5b555dff"},
    )
    database = pod("db-0", owner("Thing", "other", controller=False), owner("StatefulSet", "db"))
    server.on("GET", PODS, listed(web, database, pod("lone")))

    records = await WorkloadClient(client).pods()

    assert [(record.name, record.workload) for record in records] == [
        ("web-5f5b555dff-fcg7c", Workload("shop", "web")),
        ("db-0", Workload("shop", "db", "StatefulSet")),
        ("lone", Workload("shop", "lone", "Pod")),
    ]
    assert "PartialObjectMetadataList" in server.requests[0].headers["Accept"]


async def test_only_annotations_of_the_profiler_are_kept(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Records have the profiler's annotations alone; Pods with equal ones share one mapping."""
    annotations = {"liqo.io/cpuProfile": "cpuprofile-1", "liqo.io/connectionProfile0": "connprofile-1"}
    noise = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "liqo.io/other": "x"}
    pods = [
        pod(f"web-{index}", owner("StatefulSet", "web"), annotations=annotations | noise)
        for index in range(2)
    ]
    server.on("GET", PODS, listed(*pods))

    first, second = await WorkloadClient(client).pods()

    assert first == PodRecord(
        "shop",
        "web-0",
        uid="uid-web-0",
        # 59 days and a half after 2026-01-01 00:00, which is 1,767,225,600 s.
        created_at_seconds=1_772_366_400,
        workload=Workload("shop", "web", "StatefulSet"),
        annotations=annotations,
        # kubectl.kubernetes.io/last-applied-configuration 48 + 2 bytes, liqo.io/other 13 + 1.
        foreign_bytes=64,
    )
    assert first.annotations is second.annotations
    assert first.workload is second.workload


def test_names_are_one_object_in_all_records() -> None:
    """A Pod's name is that of answers, and the names in its annotations are those of stored profiles.

    Two decoders share nothing else.
    """
    profile = {"liqo.io/cpuProfile": "cpuprofile-1"}
    manifests = (json.loads(json.dumps(pod("web-0", annotations=profile))) for _ in range(2))
    first, second = (PodDecoder().decode(manifest) for manifest in manifests)

    assert first.name is second.name
    assert first.annotations["liqo.io/cpuProfile"] is second.annotations["liqo.io/cpuProfile"]


@pytest.mark.parametrize(
    ("metadata", "exempt"),
    [
        pytest.param({"labels": {"job-profiler.liqo.io/ignore": "true"}}, True, id="opted-out"),
        pytest.param({"labels": {"job-profiler.liqo.io/ignore": "false"}}, False, id="not-opted-out"),
        pytest.param({"annotations": {"kubernetes.io/config.mirror": "0123"}}, True, id="mirror"),
        pytest.param({}, False, id="plain"),
    ],
)
def test_exempt_pods(metadata: dict[str, Any], *, exempt: bool) -> None:
    """A Pod that opted out and a mirror Pod are exempt from back-fill."""
    record = PodDecoder().decode(pod("web-0", owner("StatefulSet", "web"), **metadata))

    assert record.is_exempt is exempt


SUMMARY = {"annotations": {"job-profiler.liqo.io/requests": "main: cpu request 24m"}}
WRITERS = [
    {"manager": "kubectl", "fieldsV1": {"f:spec": {}}},
    {"manager": "kubelet", "subresource": "status"},
]
RESIZE = {"manager": "updater", "operation": "Update", "subresource": "resize", "fieldsV1": {"f:spec": {}}}


@pytest.mark.parametrize(
    ("metadata", "outdated"),
    [
        pytest.param(SUMMARY | {"managedFields": [*WRITERS, RESIZE]}, True, id="resized"),
        pytest.param(SUMMARY | {"managedFields": WRITERS}, False, id="as-created"),
        pytest.param(SUMMARY, False, id="unknown-writers"),
        pytest.param({"managedFields": [*WRITERS, RESIZE]}, False, id="without-summary"),
    ],
)
def test_outdated_summaries(metadata: dict[str, Any], *, outdated: bool) -> None:
    """A resize shows in the Pod's metadata as a writer through the subresource `resize`."""
    record = PodDecoder().decode(pod("web-0", owner("StatefulSet", "web"), **metadata))

    assert record.outdated_summary is outdated


def test_ephemeral_containers() -> None:
    """`kubectl debug` writes through the subresource `ephemeralcontainers`: the fields name each container.

    Fields of other writers, and of another shape than the API's, name none.
    """
    added: dict[str, Any] = {
        ".": {},
        'k:{"name":"debugger-x7k2p"}': {".": {}, "f:image": {}},
        'k:{"name":"shell"}': {},
    }
    debug: dict[str, Any] = {
        "manager": "kubectl-debug",
        "subresource": "ephemeralcontainers",
        "operation": "Update",
    }
    fields = {"fieldsV1": {"f:spec": {"f:ephemeralContainers": added}}}
    debugged: list[dict[str, Any]] = [{"manager": "kubelet", "subresource": "status"}, debug | fields]
    others: list[dict[str, Any]] = [
        debug,
        debug | {"fieldsV1": {"f:spec": []}},
        {"fieldsV1": {"f:spec": {"f:containers": added}}},
    ]

    def names(managers: list[dict[str, Any]]) -> tuple[str, ...]:
        record = PodDecoder().decode(pod("web-0", owner("StatefulSet", "web"), managedFields=managers))
        return record.ephemeral_containers

    assert names(debugged) == ("debugger-x7k2p", "shell")
    assert names(others) == ()


def test_the_number_of_shared_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the shared values are dropped: later records are correct, and share new values."""
    monkeypatch.setattr("app.kubernetes.workloads._MAX_INTERNED_VALUES", 3)
    decoder = PodDecoder()
    names = ("a", "b", "c", "c")

    records = [decoder.decode(pod(f"{name}-0", owner("StatefulSet", name))) for name in names]

    assert [str(record.workload) for record in records] == [f"StatefulSet/shop/{name}" for name in names]
    assert records[2].workload is records[3].workload


async def test_only_profiled_namespaces_are_read(server: FakeApiServer, client: ClusterClient) -> None:
    """With two namespaces there are two lists, and none of the whole cluster."""
    for namespace in ("shop", "bank"):
        server.on("GET", f"/api/v1/namespaces/{namespace}/pods", listed(pod("web", namespace=namespace)))

    records = await WorkloadClient(client, ["shop", "bank"]).pods()

    assert [record.namespace for record in records] == ["shop", "bank"]
    assert PODS not in {request.path for request in server.requests}


async def test_a_restarted_list_has_no_duplicates(server: FakeApiServer, client: ClusterClient) -> None:
    """After an expired continuation the Pods of the first pages are dropped."""
    server.on("GET", PODS, listed(pod("a"), continuation="rest"), refuses(410), listed(pod("a"), pod("b")))

    assert [record.name for record in await WorkloadClient(client).pods()] == ["a", "b"]


async def test_workloads_are_listed(server: FakeApiServer, client: ClusterClient) -> None:
    """All pages of Deployments, StatefulSets, DaemonSets and Jobs."""
    server.on("GET", "/apis/apps/v1/deployments", listed(pod("web"), continuation="rest"), listed(pod("db")))
    server.on("GET", "/apis/apps/v1/statefulsets", listed(pod("db")))
    server.on("GET", "/apis/apps/v1/daemonsets", listed(pod("agent")))
    server.on("GET", "/apis/batch/v1/jobs", listed(pod("migrate")))

    assert await WorkloadClient(client).records() == [
        WorkloadRecord(Workload("shop", "web"), "uid-web"),
        WorkloadRecord(Workload("shop", "db"), "uid-db"),
        WorkloadRecord(Workload("shop", "db", "StatefulSet"), "uid-db"),
        WorkloadRecord(Workload("shop", "agent", "DaemonSet"), "uid-agent"),
        WorkloadRecord(Workload("shop", "migrate", "Job"), "uid-migrate"),
    ]
    assert {request.headers["Accept"] for request in server.requests} == {"application/json"}


async def test_a_job_of_a_cron_job(server: FakeApiServer, client: ClusterClient) -> None:
    """A Job with a CronJob as controller is its run; a Job with another owner, or without one, is not."""
    run = pod("report-28394810", owner("CronJob", "report"))
    task = pod("build-1", owner("TaskRun", "build"))
    for kind in ("deployments", "statefulsets", "daemonsets"):
        server.on("GET", f"/apis/apps/v1/{kind}", listed())
    server.on("GET", "/apis/batch/v1/jobs", listed(run, task, pod("report-28394811")))

    records = await WorkloadClient(client).records()

    assert [record.cron_job for record in records] == [Workload("shop", "report", "CronJob"), None, None]


def test_init_containers_of_a_template() -> None:
    """A template with a native sidecar (Kubernetes 1.28) and an init container that prepares the application.

    The sidecar runs beside the application; the init container has terminated when the application starts.
    """
    shipper = {"name": "log-shipper", "restartPolicy": "Always"}
    web = pod("web") | {"kind": "Deployment", "spec": template({"name": "migrate"}, shipper)}

    record = WorkloadDecoder("Deployment").decode(web)

    assert record == WorkloadRecord(
        Workload("shop", "web"),
        "uid-web",
        template=TemplateContainers(
            frozenset({"migrate"}), frozenset({"log-shipper"}), frozenset({"web-svc"})
        ),
        desired_replicas=3,
    )
    assert record.template.role("log-shipper") == "Sidecar"
    assert record.template.is_regular("migrate")


@pytest.mark.parametrize(
    ("kind", "status", "ready"),
    [
        ("Deployment", {"replicas": 3, "readyReplicas": 2}, 2),
        ("StatefulSet", {"replicas": 3}, 0),
        ("DaemonSet", {"numberReady": 5}, 5),
    ],
)
def test_the_ready_replicas(kind: str, status: dict[str, int], ready: int) -> None:
    """A workload of which no Pod is ready has no field; a DaemonSet has one of another name."""
    manifest = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {}, "status": status}

    assert WorkloadDecoder(kind).decode(manifest).ready_replicas == ready


def test_the_template_of_a_cron_job() -> None:
    """It is in `spec.jobTemplate.spec.template`; that of other kinds is in `spec.template`."""
    whole = template({"name": "migrate"})
    report = pod("report") | {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": whole}}}
    run = pod("report-28394810") | {"spec": whole}

    for kind, manifest in (("CronJob", report), ("Job", run)):
        assert WorkloadDecoder(kind).decode(manifest).template.is_regular("migrate")


def test_the_policy_of_a_workload() -> None:
    """It is that of the Pod template, and then that of the object; what has none shares one value."""
    spec = template()
    spec["template"]["metadata"]["annotations"] = {f"{POLICY_PREFIX}max-memory": "1Gi"}
    own = {f"{POLICY_PREFIX}max-memory": "2Gi", f"{POLICY_PREFIX}risk": "low"}
    decode = WorkloadDecoder("Deployment").decode

    policy = decode(pod("web", annotations=own) | {"spec": spec}).policy

    assert [(rule.annotation, rule.value, rule.source.value) for rule in policy.rules] == [
        ("max-memory", "1Gi", "Template"),
        ("risk", "low", "Workload"),
    ]
    assert decode(pod("web") | {"spec": template()}).policy is NO_POLICY


@pytest.mark.parametrize("metadata", [None, 5, {"annotations": None}, {"annotations": [1]}])
def test_metadata_of_a_template_of_any_shape_are_read(metadata: object) -> None:
    """A template that has no annotations as the API has them has none."""
    spec = template() | {"template": {"metadata": metadata, "spec": {"containers": [{"name": "main"}]}}}

    assert WorkloadDecoder("Deployment").decode(pod("web") | {"spec": spec}).policy is NO_POLICY


def test_labels_of_the_template_that_decide_on_an_autoscaler() -> None:
    """Those of the Pod template, not of the object; other labels are not kept."""
    spec = template()
    spec["template"]["metadata"]["labels"] |= {VPA_LABEL: "Off", "job-profiler.liqo.io/scheduling": "true"}
    decode = WorkloadDecoder("Deployment").decode

    assert decode(pod("web") | {"spec": spec}).vpa_labels == ((VPA_LABEL, "Off"),)
    assert decode(pod("web", labels={VPA_LABEL: "Off"}) | {"spec": template()}).vpa_labels == ()


def test_10000_workloads_stay_small() -> None:
    """A record of a 2 kB object takes 0.5 kB, so all take 5 MB; equal templates share one value."""
    decoder = WorkloadDecoder("Deployment")

    def records() -> Iterator[WorkloadRecord]:
        for number in range(10_000):
            manifest = pod(f"web-{number}", namespace=f"team-{number % 100}")
            yield decoder.decode(manifest | {"spec": template({"name": "migrate"})})

    tracemalloc.start()
    try:
        kept = {record.workload: record for record in records()}
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert used_bytes < 5_000_000
    assert len({id(record.template) for record in kept.values()}) == 1


def test_cron_jobs_have_two_versions() -> None:
    """Pod templates are needed, so the watch is of whole objects, in either version."""
    stable, beta = cron_job_selections("shop")

    assert stable.path == "/apis/batch/v1/namespaces/shop/cronjobs"
    assert beta.path == "/apis/batch/v1beta1/namespaces/shop/cronjobs"
    assert not stable.metadata_only
    assert not beta.metadata_only


async def test_what_can_not_be_listed_is_left_out(server: FakeApiServer, client: ClusterClient) -> None:
    """One of two namespaces is gone, and Jobs are forbidden in the other: a single run has the rest."""
    server.on("GET", "/api/v1/namespaces/shop/pods", listed(pod("web-0", owner("StatefulSet", "web"))))
    server.on("GET", "/api/v1/namespaces/gone/pods", refuses(403, "forbidden"))
    for plural in ("deployments", "statefulsets", "daemonsets"):
        server.on("GET", f"/apis/apps/v1/namespaces/shop/{plural}", listed())
    server.on("GET", "/apis/apps/v1/namespaces/shop/deployments", listed(pod("web")))

    workloads = WorkloadClient(client, ("shop", "gone"))

    assert [record.name for record in await workloads.pods()] == ["web-0"]
    assert [record.workload for record in await workloads.records()] == [Workload("shop", "web")]


async def test_without_any_pods_a_single_run_fails(server: FakeApiServer, client: ClusterClient) -> None:
    """The error names the right that is missing."""
    server.on("GET", PODS, refuses(403, "pods is forbidden"))

    with pytest.raises(ForbiddenError, match="pods is forbidden"):
        await WorkloadClient(client).pods()


@pytest.mark.parametrize(
    ("kind", "spec", "status", "desired"),
    [
        ("Deployment", {"replicas": 3}, {}, 3),
        ("StatefulSet", {"replicas": 0}, {}, 0),
        ("DaemonSet", {}, {"desiredNumberScheduled": 7}, 7),
        ("Job", {"parallelism": 2}, {"active": 2}, None),
    ],
)
def test_the_desired_replicas(
    kind: str, spec: dict[str, int], status: dict[str, int], desired: int | None
) -> None:
    """Of a DaemonSet they are in the status; a Job runs to completion, and has none."""
    manifest = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec, "status": status}

    assert WorkloadDecoder(kind).decode(manifest).desired_replicas == desired


def test_the_amounts_of_a_template() -> None:
    """Two containers and a sidecar count, an init container that ends does not: .1 + .05 + .05 = 200m.

    The sidecar's limit is its request too. One container has no CPU limit, so the replica has none; memory
    has limits everywhere: 128 + 64 + 32 = 224Mi.
    """
    resources = {
        "app": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
        "helper": {"requests": {"cpu": 0.05}, "limits": {"cpu": "1", "memory": "64Mi"}},
    }
    init = [
        {"name": "migrate", "resources": {"requests": {"cpu": "4"}}},
        {"name": "log", "restartPolicy": "Always", "resources": {"limits": {"cpu": "50m", "memory": "32Mi"}}},
    ]
    containers = [{"name": name, "resources": amounts} for name, amounts in resources.items()]
    spec = {"template": {"spec": {"initContainers": init, "containers": containers}}}
    web = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}

    amounts = WorkloadDecoder("Deployment").decode(web).amounts

    assert amounts.cpu == ResourceAmounts(
        "200m",
        "",
        (
            ContainerRequests("log", "50m", "50m"),
            ContainerRequests("app", "100m"),
            ContainerRequests("helper", "50m", "1"),
        ),
    )
    assert (amounts.memory.request, amounts.memory.limit) == ("224Mi", "224Mi")


@pytest.mark.parametrize(
    "resources",
    [None, {}, {"requests": None}, {"requests": {"cpu": []}}, {"requests": {"cpu": "a lot"}}, [], "none"],
)
def test_resources_of_any_shape_are_read(resources: object) -> None:
    """What is no quantity counts as absent: the workload keeps its profile."""
    containers = [{"name": "app", "resources": resources}]
    web = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }

    assert WorkloadDecoder("Deployment").decode(web).amounts.cpu == ResourceAmounts()
