"""Owners of past Pods in a real Prometheus: from kube-state-metrics, the mixin, or neither.

Each history is half an hour, scraped or recorded once a minute.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from app.domain.workloads import Workload
from app.history.samples import PastOwners, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.sources.prometheus import OWNERS, PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.histories.openmetrics import Family, Series, write_openmetrics

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
HALF_HOUR = StepRange(END // 300 - 5, END // 300)
SHOP = "shop"
RULE = "namespace_workload_pod:kube_pod_owner:relabel"
REPORT = Workload(SHOP, "report", "CronJob")

Labels = Mapping[str, str]
Serve = Callable[[Mapping[str, Iterable[Labels]]], Prometheus]


@pytest.fixture(scope="module")
def serve(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Serve:
    """A Prometheus with these series, each with the value 1 all the time."""

    def start(metrics: Mapping[str, Iterable[Labels]]) -> Prometheus:
        times = np.arange(END - 1800, END + 1, 60, dtype=np.int64)
        families = [
            Family(
                metric, "gauge", tuple(Series(labels, times, np.ones(len(times))) for labels in all_labels)
            )
            for metric, all_labels in metrics.items()
        ]
        path = tmp_path_factory.mktemp("owners") / "owners.openmetrics"
        write_openmetrics(path, families)
        return prometheus_factory(path)

    return start


async def owners_in(prometheus: Prometheus) -> tuple[PastOwners, int]:
    """The owners, and the number of queries."""
    traffic, scope = QueryCosts(), Scope(excluded=("kube-system",))
    async with PrometheusSource(prometheus.url, scope=scope, observer=traffic) as source:
        owners = await source.pod_owners(HALF_HOUR)
        return owners, traffic.queries[OWNERS]


def owned(label: str, name: str, kind: str, owner: str, *, instance: str = "a") -> Labels:
    """A series of kube-state-metrics; its labels are empty if the object has no owner."""
    controller = "true" if kind else ""
    owner_labels = {"owner_kind": kind, "owner_name": owner, "owner_is_controller": controller}
    return {"namespace": SHOP, label: name, **owner_labels, "uid": f"{name}-uid", "instance": instance}


def by_rule(pod: str, workload_type: str, workload: str) -> Labels:
    """A series of the mixin's recording rule."""
    return {
        "cluster": "one",
        "namespace": SHOP,
        "pod": pod,
        "workload": workload,
        "workload_type": workload_type,
    }


async def test_kube_state_metrics_has_every_owner(serve: Serve) -> None:
    """A Pod of a Deployment, a StatefulSet, a CronJob, a Rollout, a DeploymentConfig, a node; scraped twice.

    One query is enough. The rule is present and not needed; a Pod without an owner is its own workload.
    """
    names = {"web-5f5b555dff-fcg7c": ("ReplicaSet", "web-5f5b555dff"), "db-0": ("StatefulSet", "db")}
    names |= {"report-29000000-abcde": ("Job", "report-29000000"), "etcd-m1": ("Node", "m1")}
    names |= {"canary-6d4b75cb6d-7w4ct": ("ReplicaSet", "canary-6d4b75cb6d"), "alone": ("", "")}
    names |= {"cart-1-x7k2p": ("ReplicationController", "cart-1")}
    names |= {"old-x7k2p": ("ReplicationController", "old")}
    prometheus = serve(
        {
            "kube_pod_owner": [
                owned("pod", pod, *owner, instance=instance)
                for pod, owner in names.items()
                for instance in "ab"
            ],
            "kube_replicaset_owner": [
                owned("replicaset", "web-5f5b555dff", "Deployment", "web"),
                owned("replicaset", "canary-6d4b75cb6d", "Rollout", "canary"),
            ],
            "kube_job_owner": [owned("job_name", "report-29000000", "CronJob", "report")],
            "kube_replicationcontroller_owner": [
                owned("replicationcontroller", "cart-1", "DeploymentConfig", "cart"),
                owned("replicationcontroller", "old", "", ""),
            ],
            RULE: [by_rule("web-5f5b555dff-fcg7c", "deployment", "something-else")],
        }
    )

    owners, questions = await owners_in(prometheus)

    assert (owners.known_by, questions) == ("kube-state-metrics", 1)
    assert owners.workloads == {
        (SHOP, "web-5f5b555dff-fcg7c"): Workload(SHOP, "web"),
        (SHOP, "db-0"): Workload(SHOP, "db", "StatefulSet"),
        (SHOP, "report-29000000-abcde"): REPORT,
        (SHOP, "canary-6d4b75cb6d-7w4ct"): Workload(SHOP, "canary", "Rollout"),
        (SHOP, "cart-1-x7k2p"): Workload(SHOP, "cart", "DeploymentConfig"),
        (SHOP, "old-x7k2p"): Workload(SHOP, "old", "ReplicationController"),
        (SHOP, "etcd-m1"): Workload(SHOP, "m1", "Node"),
        (SHOP, "alone"): Workload(SHOP, "alone", "Pod"),
    }


async def test_the_mixin_has_workloads_of_each_type(serve: Serve) -> None:
    """Each type that the rule writes in lower case; with two queries, since there is no kube_pod_owner.

    The owner of a static Pod is a node, not a workload, with any name. A Job may be that of a CronJob.
    """
    web_like = "web-5f5b555dff-m1m1m"
    rows = [
        by_rule("web-5f5b555dff-fcg7c", "deployment", "web"),
        by_rule("agent-x7k2p", "daemonset", "agent"),
        by_rule("db-0", "statefulset", "db"),
        by_rule("import-abcde", "job", "import"),
        by_rule("loose-7d4b9-2x8qz", "replicaset", "loose-7d4b9"),
        by_rule("alone", "barepod", "alone"),
        by_rule(web_like, "staticpod", web_like),
    ]

    owners, questions = await owners_in(serve({RULE: rows}))

    assert (owners.known_by, questions) == ("kubernetes-mixin", 2)
    assert owners.workloads == {
        (SHOP, "web-5f5b555dff-fcg7c"): Workload(SHOP, "web"),
        (SHOP, "agent-x7k2p"): Workload(SHOP, "agent", "DaemonSet"),
        (SHOP, "db-0"): Workload(SHOP, "db", "StatefulSet"),
        (SHOP, "loose-7d4b9-2x8qz"): Workload(SHOP, "loose-7d4b9", "ReplicaSet"),
        (SHOP, "alone"): Workload(SHOP, "alone", "Pod"),
        (SHOP, web_like): Workload(SHOP, web_like, "Node"),
    }
    assert owners.incomplete == {(SHOP, "import-abcde"): Workload(SHOP, "import", "Job")}
    assert Attribution(ClusterSnapshot(), owners.workloads)(SHOP, web_like) is None


async def test_newer_rules_have_kinds_in_camel_case(serve: Serve) -> None:
    """CamelCase types, and owners of other kinds as they are; the rule has the topmost owner.

    A Pod of a Job in an older rule and of a CronJob in a newer one belongs to the CronJob.
    """
    rows = [
        by_rule("web-5f5b555dff-fcg7c", "Deployment", "web"),
        by_rule("canary-6d4b75cb6d-7w4ct", "Rollout", "canary"),
        by_rule("report-29000000-abcde", "CronJob", "report"),
        by_rule("report-29000000-abcde", "job", "report-29000000"),
        by_rule("alone", "BarePod", "alone"),
        by_rule("etcd-m1", "StaticPod", "etcd-m1"),
    ]

    owners, _ = await owners_in(serve({RULE: rows}))

    assert owners.workloads == {
        (SHOP, "web-5f5b555dff-fcg7c"): Workload(SHOP, "web"),
        (SHOP, "canary-6d4b75cb6d-7w4ct"): Workload(SHOP, "canary", "Rollout"),
        (SHOP, "report-29000000-abcde"): REPORT,
        (SHOP, "alone"): Workload(SHOP, "alone", "Pod"),
        (SHOP, "etcd-m1"): Workload(SHOP, "etcd-m1", "Node"),
    }


async def test_a_job_of_the_mixin_belongs_to_its_cron_job(serve: Serve) -> None:
    """`kube_job_owner` is present although kube_pod_owner is not: the Job belongs to the CronJob."""
    prometheus = serve(
        {
            RULE: [by_rule("report-29000000-abcde", "job", "report-29000000")],
            "kube_job_owner": [owned("job_name", "report-29000000", "CronJob", "report")],
        }
    )

    owners, _ = await owners_in(prometheus)

    assert owners.workloads == {(SHOP, "report-29000000-abcde"): REPORT}


def attributed(owners: PastOwners, snapshot: ClusterSnapshot, *pods: str) -> list[Workload | None]:
    """The workloads that the usage of *pods* counts for."""
    attribute = Attribution(snapshot, owners.workloads, incomplete_owners=owners.incomplete)
    return [attribute(SHOP, pod) for pod in pods]


CHAINS = [
    owned("pod", "report-29000000-x7k2p", "Job", "report-29000000"),
    owned("pod", "web-5f5b555dff-fcg7c", "ReplicaSet", "web-5f5b555dff"),
    owned("pod", "canary-6d4b75cb6d-7w4ct", "ReplicaSet", "canary-6d4b75cb6d"),
    owned("pod", "cart-1-x7k2p", "ReplicationController", "cart-1"),
    owned("pod", "import-20261129-x7k2p", "Job", "import-20261129"),
    owned("pod", "once-x7k2p", "Job", "once"),
]
KNOWN = ClusterSnapshot(
    {
        (SHOP, "canary-7d4b9c6f8-x7k2p"): Workload(SHOP, "canary", "Rollout"),
        (SHOP, "cart-3-x7k2p"): Workload(SHOP, "cart", "DeploymentConfig"),
    },
    uids={REPORT: "uid-of-report", Workload(SHOP, "import", "CronJob"): "uid-of-import"},
)
BY_NAME = [
    REPORT,
    Workload(SHOP, "web"),
    Workload(SHOP, "canary", "Rollout"),
    Workload(SHOP, "cart", "DeploymentConfig"),
]
CHAIN_PODS = [labels["pod"] for labels in CHAINS]


async def test_an_incomplete_chain_does_not_beat_the_name(serve: Serve) -> None:
    """`kube_pod_owner` alone (GKE, AKS and OpenShift keep no `kube_job_owner`), and a CronJob `report`.

    Before, each run of `report` was Job `report-29000000`, and each revision of a Deployment a ReplicaSet.
    The names give the CronJob, Deployment, Rollout and DeploymentConfig that exist. `once` fits no other.
    """
    owners, _ = await owners_in(serve({"kube_pod_owner": CHAINS}))

    assert attributed(owners, KNOWN, *CHAIN_PODS) == [
        *BY_NAME,
        Workload(SHOP, "import", "CronJob"),
        Workload(SHOP, "once", "Job"),
    ]


async def test_an_object_that_is_known_to_have_no_owner_ends_the_chain(serve: Serve) -> None:
    """`kube_job_owner` says that Job `import-20261129` has no owner: it is no run of CronJob `import`.

    kube-state-metrics before 2.8 writes `<none>`. The row of the Job of `report` is missing, as while one of
    two shards is down: that chain alone is incomplete.
    """
    alone = owned("job_name", "import-20261129", "", "")
    older = dict.fromkeys(("owner_kind", "owner_name", "owner_is_controller"), "<none>")
    for labels in (alone, {**alone, **older}):
        owners, _ = await owners_in(serve({"kube_pod_owner": CHAINS, "kube_job_owner": [labels]}))

        assert attributed(owners, KNOWN, *CHAIN_PODS) == [
            *BY_NAME,
            Workload(SHOP, "import-20261129", "Job"),
            Workload(SHOP, "once", "Job"),
        ]


async def test_without_owner_metrics_there_are_no_owners(serve: Serve) -> None:
    """Excluded namespaces are not queried, so no owner is known."""
    elsewhere = {**by_rule("dns-5f5b555dff-fcg7c", "deployment", "dns"), "namespace": "kube-system"}

    owners, questions = await owners_in(serve({RULE: [elsewhere]}))

    assert (owners, questions) == (PastOwners("names", {}), 2)


KUBE_STATE_METRICS = {
    "namespace": "monitoring",
    "pod": "kube-state-metrics-0",
    "container": "kube-state-metrics",
    "job": "kube-state-metrics",
}


def exported(labels: Labels, **scraped: str) -> Labels:
    """The series as it is scraped without `honorLabels`."""
    own = {
        f"exported_{label}" if label in KUBE_STATE_METRICS else label: value
        for label, value in labels.items()
    }
    return {**own, **KUBE_STATE_METRICS, **scraped}


async def test_owners_with_exported_labels(serve: Serve) -> None:
    """Without `honorLabels`, the labels `namespace` and `pod` name kube-state-metrics, and not the objects.

    The Pod of kube-state-metrics itself has its own owner alone. A tenant's Pod claims an owner in another
    namespace.
    """
    web = owned("pod", "web-5f5b555dff-fcg7c", "ReplicaSet", "web-5f5b555dff")
    replicaset = owned("replicaset", "web-5f5b555dff", "Deployment", "web")
    pod_of_exporter = owned("pod", KUBE_STATE_METRICS["pod"], "StatefulSet", "kube-state-metrics")
    itself = {**pod_of_exporter, "namespace": "monitoring"}
    claim = owned("pod", "db-0", "StatefulSet", "evil")
    prometheus = serve(
        {
            "kube_pod_owner": [
                *(exported(pod, instance=instance) for pod in (web, itself) for instance in "ab"),
                exported(claim, namespace="evil", pod="evil-0", job="kubernetes-pods"),
            ],
            "kube_replicaset_owner": [exported(replicaset)],
            "container_memory_working_set_bytes": [{**web, "container": "web", "job": "kubelet"}],
        }
    )

    owners, queries = await owners_in(prometheus)

    assert (owners.known_by, queries, owners.distrusted) == ("kube-state-metrics", 1, frozenset())
    assert owners.workloads == {
        (SHOP, "web-5f5b555dff-fcg7c"): Workload(SHOP, "web"),
        ("monitoring", "kube-state-metrics-0"): Workload("monitoring", "kube-state-metrics", "StatefulSet"),
    }


async def test_exported_labels_from_two_pods_of_kube_state_metrics(serve: Serve) -> None:
    """Without `honorLabels`, kube-state-metrics moved to another Pod: both are in the time of the query.

    Only the label `pod` of the scraped series differs. Before, renaming the labels made both equal, and
    Prometheus refused the query: "vector cannot contain metrics with the same labelset".
    """
    web = owned("pod", "web-5f5b555dff-fcg7c", "ReplicaSet", "web-5f5b555dff")
    replicaset = owned("replicaset", "web-5f5b555dff", "Deployment", "web")
    scrapers = [f"kube-state-metrics-{number}" for number in range(2)]
    prometheus = serve(
        {
            "kube_pod_owner": [exported(web, pod=pod) for pod in scrapers],
            "kube_replicaset_owner": [exported(replicaset, pod=pod) for pod in scrapers],
            "container_memory_working_set_bytes": [{**web, "container": "web", "job": "kubelet"}],
        }
    )

    owners, _ = await owners_in(prometheus)

    assert owners.workloads == {(SHOP, "web-5f5b555dff-fcg7c"): Workload(SHOP, "web")}


async def test_own_labels_are_believed_before_exported_ones(serve: Serve) -> None:
    """Where kube-state-metrics' series have their own labels, exported ones are claims of others."""
    claim = owned("pod", "db-0", "StatefulSet", "evil")
    prometheus = serve({"kube_pod_owner": [owned("pod", "web-0", "StatefulSet", "web"), exported(claim)]})

    owners, _ = await owners_in(prometheus)

    assert owners.workloads == {(SHOP, "web-0"): Workload(SHOP, "web", "StatefulSet")}


async def test_a_pod_with_many_owners_is_distrusted(serve: Serve) -> None:
    """If relabelling drops exported labels, the Pod of kube-state-metrics has the owners of all Pods."""
    names = ("web", "db", "cart")
    rows = [{**owned("pod", "x", "StatefulSet", name), **KUBE_STATE_METRICS} for name in names]
    rules = [{**by_rule("x", "statefulset", name), **KUBE_STATE_METRICS} for name in names]
    itself = f"monitoring/{KUBE_STATE_METRICS['pod']}"
    for metrics in ({"kube_pod_owner": rows}, {RULE: rules}):
        owners, _ = await owners_in(serve(metrics))

        assert owners.workloads == {}
        assert owners.distrusted == {itself}
