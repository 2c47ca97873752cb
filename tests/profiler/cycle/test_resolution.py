"""Endpoints of connections by Pod, by label, or by name alone; equal edges are summed."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.domain.namespaces import NamespaceSelection
from app.domain.reporters import Reporters
from app.domain.workloads import SERVICE, Connection, Workload
from app.history.samples import ConnectionSamples, EdgeFault, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve

NAN = np.nan
STEPS = StepRange(1, 2)
WEB, API = Workload("shop", "web"), Workload("shop", "api")
BLUE = Workload("shop", "blue")
DB = Workload("storage", "db", "StatefulSet")
WEB_POD, API_POD = "web-6b6f9d7d5c-2x8qz", "api-5f5b555dff-fcg7c"


def samples(*rows: tuple[Workload, tuple[str, ...], list[float]], **extra: Any) -> ConnectionSamples:
    """Edges to the database: source, its Pods, and the request rate in both steps."""
    return ConnectionSamples(
        STEPS,
        tuple(Connection(source, DB) for source, _, _ in rows),
        np.array([rates for *_, rates in rows]).reshape(-1, 2),
        np.full((len(rows), 2), NAN),
        tuple(source for source, _, _ in rows),
        np.array([np.isfinite(rates) for *_, rates in rows]).reshape(-1, 2),
        edge_pods=tuple(pods for _, pods, _ in rows),
        source_pods=tuple(pods for _, pods, _ in rows),
        **extra,
    )


def resolved(
    labelled: ConnectionSamples, pods: dict[str, Workload] | None = None, *workloads: Workload
) -> ConnectionSamples:
    """The samples with endpoints from a snapshot of these Pods and workloads."""
    owners = {("shop", pod): workload for pod, workload in (pods or {}).items()}
    return resolve(labelled, Attribution(ClusterSnapshot(owners, workloads)))


def test_a_known_pod_takes_precedence_over_a_label() -> None:
    """Pods of web and of api both have the label `deployment: blue`: two sources with their own rates."""
    labelled = samples((BLUE, (WEB_POD,), [1, 1]), (BLUE, (API_POD,), [2, NAN]))

    result = resolved(labelled, {WEB_POD: WEB, API_POD: API})

    assert result.edges == (Connection(WEB, DB), Connection(API, DB))
    assert result.sources == (WEB, API)
    np.testing.assert_array_equal(result.requests, [[1, 1], [2, NAN]])
    np.testing.assert_array_equal(result.scraped, [[True, True], [True, False]])


def test_equal_edges_are_summed() -> None:
    """Two ReplicaSets of web in a roll-out: 1 + 2 = 3; NaN only if neither has a sample."""
    labelled = samples(
        (WEB, (WEB_POD,), [1, NAN]),
        (WEB, ("web-5f86686c4d-8wrkx",), [2, NAN]),
        request_bytes=np.array([[10, NAN], [NAN, 5]]),
    )

    result = resolved(labelled)

    assert result.edges == (Connection(WEB, DB),)
    np.testing.assert_array_equal(result.requests, [[3, NAN]])
    np.testing.assert_array_equal(result.request_bytes, [[10, 5]])
    assert result.response_bytes is None
    assert result.sources == (WEB,)
    np.testing.assert_array_equal(result.scraped, [[True, False]])


def test_an_unknown_pod_leaves_the_label() -> None:
    """No Pod of that name runs, and it does not match the pattern of generated names."""
    assert resolved(samples((DB, ("legacy",), [1, 1]))).sources == (DB,)


def test_the_first_known_pod_counts() -> None:
    """One Pod has terminated, the other runs: a StatefulSet with Pods labelled `deployment: blue`."""
    cache = Workload("shop", "cache", "StatefulSet")

    assert resolved(samples((BLUE, ("cache-0", "cache-1"), [1, 1])), {"cache-1": cache}).sources == (cache,)


def test_an_unidentified_source_is_dropped_and_counted() -> None:
    """Neither label nor Pod: one more edge than the two without labels."""
    labelled = samples(
        (Workload("shop", "", ""), ("legacy",), [1, 1]),
        (WEB, (WEB_POD,), [1, 1]),
        dropped={(EdgeFault.UNKNOWN_END, "shop"): 2},
    )

    result = resolved(labelled)

    assert result.edges == (Connection(WEB, DB),)
    assert result.sources == (WEB,)
    assert result.dropped == {(EdgeFault.UNKNOWN_END, "shop"): 3}


@pytest.mark.parametrize(
    ("workloads", "kind"),
    [
        ((), "Deployment"),
        ((Workload("shop", "cart", "StatefulSet"),), "StatefulSet"),
        ((Workload("shop", "cart", "StatefulSet"), Workload("shop", "cart")), "Deployment"),
        ((Workload("shop", "cart", "StatefulSet"), Workload("shop", "cart", "DaemonSet")), "Deployment"),
        ((Workload("other", "cart", "StatefulSet"),), "Deployment"),
    ],
    ids=["no workload", "one", "a Deployment too", "two others", "another namespace"],
)
def test_a_name_without_a_kind(workloads: tuple[Workload, ...], kind: str) -> None:
    """The only workload of that name in the namespace, else a Deployment."""
    attribution = Attribution(ClusterSnapshot(workloads=workloads))

    assert attribution.resolve_label(Workload("shop", "cart", "")) == Workload("shop", "cart", kind)


def test_a_name_without_a_kind_may_be_an_owner_of_pods() -> None:
    """Rollouts are not listed, but own Pods."""
    rollout = Workload("shop", "cart", "Rollout")
    attribution = Attribution(ClusterSnapshot({("shop", "cart-6b6f9d7d5c-2x8qz"): rollout}))

    assert attribution.resolve_label(Workload("shop", "cart", "")) == rollout


def test_a_job_in_a_label_belongs_to_its_cron_job() -> None:
    """Runs of a CronJob are one workload, by Pod or by label."""
    job, cron_job = Workload("shop", "report-28394810", "Job"), Workload("shop", "report", "CronJob")

    assert Attribution(ClusterSnapshot(cron_jobs={job: cron_job})).resolve_label(job) == cron_job


def test_labels_alone_are_enough() -> None:
    """A recorded history has no Pods: every edge stays."""
    labelled = ConnectionSamples(
        STEPS, (Connection(WEB, API),), np.ones((1, 2)), np.ones((1, 2)), (WEB,), np.ones((1, 2), np.bool_)
    )

    result = resolved(labelled)

    assert (result.edges, result.sources) == (labelled.edges, labelled.sources)
    np.testing.assert_array_equal(result.requests, labelled.requests)


LISTED = NamespaceSelection(frozenset({"shop", "storage"}))


def resolved_where_listed(
    labelled: ConnectionSamples, pods: dict[str, Workload] | None = None, *workloads: Workload
) -> ConnectionSamples:
    """The samples where all Pods and workloads of both namespaces are known."""
    owners = {("shop", pod): workload for pod, workload in (pods or {}).items()}
    return resolve(labelled, Attribution(ClusterSnapshot(owners, (DB, *workloads), listed=LISTED)))


def test_an_end_that_is_no_workload_is_dropped_where_they_are_listed() -> None:
    """`ghost` is no workload of shop; web is. Elsewhere nothing shows what exists."""
    labelled = samples((Workload("shop", "ghost"), (), [1, 1]), (WEB, (), [2, 2]))

    result = resolved_where_listed(labelled, {}, WEB)

    assert result.edges == (Connection(WEB, DB),)
    assert result.sources == (WEB,)
    assert result.dropped == {(EdgeFault.NO_WORKLOAD, "shop"): 1}
    assert len(resolved(labelled).edges) == 2


def test_who_declares_a_client_that_is_no_workload_is_named() -> None:
    """`storage` reports a client in shop that does not exist: shop, which claims nothing, is not named."""
    by_server = np.array([Reporters.DESTINATION], dtype=np.uint8)
    labelled = samples((Workload("shop", "ghost"), (), [1, 1]), reporters=by_server)

    result = resolved_where_listed(labelled, {}, WEB)

    assert result.dropped == {(EdgeFault.NO_WORKLOAD, "storage"): 1}


def test_a_destination_that_is_no_workload_is_dropped() -> None:
    """60,000 self-declared servers that do not exist: none is kept."""
    edges = tuple(Connection(WEB, Workload("storage", f"s{number}")) for number in range(60_000))
    ones = np.ones((len(edges), 1))
    labelled = ConnectionSamples(StepRange(1, 1), edges, ones, ones, (WEB,), np.ones((1, 1), dtype=np.bool_))

    result = resolved_where_listed(labelled, {}, WEB)

    assert (result.edges, result.requests.shape) == ((), (0, 1))
    assert result.dropped == {(EdgeFault.NO_WORKLOAD, "shop"): 60_000}


def test_a_deleted_workload_with_usage_keeps_its_edges() -> None:
    """`api` and the StatefulSet `cart` have used CPU before they were deleted; `ghost` has not.

    The label of cart has no kind: the only one of that name with usage counts.
    """
    cart = Workload("shop", "cart", "StatefulSet")
    labelled = samples(
        (API, (), [1, 1]), (Workload("shop", "cart", ""), (), [2, 2]), (Workload("shop", "ghost"), (), [3, 3])
    )
    snapshot = ClusterSnapshot(workloads=(DB, WEB), listed=LISTED)

    result = resolve(labelled, Attribution(snapshot, measured={API, cart}))

    assert result.sources == (API, cart)
    assert result.dropped == {(EdgeFault.NO_WORKLOAD, "shop"): 1}


def test_a_workload_that_exists_takes_precedence_over_one_with_usage() -> None:
    """The Deployment `cart` became a StatefulSet: a label without a kind names the one that exists."""
    cart = Workload("shop", "cart", "StatefulSet")
    attribution = Attribution(ClusterSnapshot(workloads=(cart,)), measured={Workload("shop", "cart")})

    assert attribution.resolve_label(Workload("shop", "cart", "")) == cart


def test_owners_of_pods_and_runs_exist() -> None:
    """A Rollout is not listed but owns a Pod; a Job is listed, and belongs to its run group."""
    rollout, job = Workload("shop", "cart", "Rollout"), Workload("shop", "build-7w4ct", "Job")
    snapshot = ClusterSnapshot(
        {("shop", "cart-6b6f9d7d5c-2x8qz"): rollout}, (DB,), uids={job: "uid"}, listed=LISTED
    )
    labelled = samples((Workload("shop", "cart", ""), (), [1, 1]), (job, (), [2, 2]))

    result = resolve(labelled, Attribution(snapshot))

    assert result.sources == (rollout, Workload("shop", "build", "Job"))
    assert not result.dropped


def test_a_pod_can_not_label_itself_into_another_namespace() -> None:
    """Linkerd's scraping copies labels of Pods: `namespace: shop, deployment: web` on a Pod of elsewhere.

    No Deployment `web` names a Pod `miner-0`, and no such Pod is in shop: the claim is dropped, with its
    scrapes. The edge of the real Pod stays.
    """
    labelled = samples((WEB, ("miner-0",), [999, 999]), (WEB, (WEB_POD,), [1, 1]))

    result = resolved_where_listed(labelled, {WEB_POD: WEB}, WEB)

    np.testing.assert_array_equal(result.requests, [[1, 1]])
    assert result.sources == (WEB,)
    assert result.dropped == {(EdgeFault.OTHER_REPORTER, "shop"): 1}


def test_flags_of_equal_edges_are_joined() -> None:
    """One row is reported by the source and another one by the destination: both report the edge."""
    flags = np.array([Reporters.SOURCE, Reporters.DESTINATION], dtype=np.uint8)

    result = resolved(samples((WEB, (), [1, 1]), (WEB, (), [2, 2]), reporters=flags))

    assert result.reporters is not None
    assert result.reporters.tolist() == [Reporters.BOTH]


def linkerd_destination(
    name: str, kind: str, snapshot: ClusterSnapshot, measured: frozenset[Workload] = frozenset()
) -> list[str]:
    """The destination of an edge from web to an object that Linkerd's label names."""
    labelled = samples((WEB, (WEB_POD,), [1, 1]))
    edge = Connection(WEB, Workload("storage", name, kind))
    resolved = resolve(dataclasses.replace(labelled, edges=(edge,)), Attribution(snapshot, measured=measured))
    return [str(connection.destination) for connection in resolved.edges]


CANARY, CONFIG = Workload("storage", "canary", "Rollout"), Workload("storage", "cart", "DeploymentConfig")
CLONES, REPORT = Workload("storage", "clones", "CloneSet"), Workload("storage", "report", "CronJob")
CONTROLLERS = ClusterSnapshot(
    {
        ("storage", "canary-6d4b75cb6d-x7k2p"): CANARY,
        ("storage", "cart-3-x7k2p"): CONFIG,
        ("storage", "odd-name-7w4ct"): CLONES,
        ("storage", "bare-6d4b75cb6d-x7k2p"): Workload("storage", "bare-6d4b75cb6d", "ReplicaSet"),
    },
    (Workload("storage", "web"),),
    uids={REPORT: "uid", Workload("storage", "report-20261129", "Job"): "uid"},
    listed=NamespaceSelection(frozenset({"storage"})),
)


@pytest.mark.parametrize(
    ("name", "kind", "workload"),
    [
        pytest.param("canary-6d4b75cb6d", "ReplicaSet", "Rollout/storage/canary", id="revision-with-pods"),
        pytest.param("canary-7d4b9c6f8", "ReplicaSet", "Rollout/storage/canary", id="revision-of-yesterday"),
        pytest.param("odd-name", "ReplicaSet", "CloneSet/storage/clones", id="by-its-pods-alone"),
        pytest.param("web-5f5b555dff", "ReplicaSet", "storage/web", id="deployment"),
        pytest.param(
            "bare-6d4b75cb6d", "ReplicaSet", "ReplicaSet/storage/bare-6d4b75cb6d", id="without-a-controller"
        ),
        pytest.param("cart-2", "ReplicationController", "DeploymentConfig/storage/cart", id="openshift"),
        pytest.param("report-29123456", "Job", "CronJob/storage/report", id="run-of-yesterday"),
        pytest.param("report-20261129", "Job", "Job/storage/report-20261129", id="job-of-a-person"),
    ],
)
def test_a_label_of_an_object_between_resolves_to_its_controller(name: str, kind: str, workload: str) -> None:
    """Linkerd names the ReplicaSet of a Rollout (`dst_replicaset=canary-6d4b75cb6d`).

    Before, each revision of a Rollout was a workload, or was dropped where workloads are listed.
    """
    assert linkerd_destination(name, kind, CONTROLLERS) == [workload]


def test_a_rollout_without_a_pod_is_known_by_its_usage() -> None:
    """Rollouts are not listed: one that is scaled to 0 has usage of the past. Without it nothing is known."""
    nothing = ClusterSnapshot(listed=NamespaceSelection(frozenset({"storage"})))
    known = linkerd_destination("canary-6d4b75cb6d", "ReplicaSet", nothing, frozenset({CANARY}))

    assert known == ["Rollout/storage/canary"]
    assert linkerd_destination("canary-6d4b75cb6d", "ReplicaSet", nothing) == []


def test_a_name_alone() -> None:
    """`web` and `db` have one workload each, `api` has two; a Pod of an unknown namespace says nothing.

    In `shop`, `api` is one workload; in `storage`, where no workload is known, it is none.
    """
    api = Workload("billing", "api")
    ends = [
        Workload("", "web", SERVICE),
        Workload("", "api", SERVICE),
        Workload("shop", "api", SERVICE),
        Workload("storage", "api", SERVICE),
    ]
    pods = (WEB_POD,), (API_POD,), (), ()
    labelled = samples(*((end, of_end, [1.0, 1.0]) for end, of_end in zip(ends, pods, strict=True)))
    attribution = Attribution(ClusterSnapshot({}, (WEB, API, api, DB)))

    result = resolve(labelled, attribution)

    assert result.edges == (Connection(WEB, DB), Connection(API, DB))
    assert result.sources == (WEB, API)
    assert result.dropped == {(EdgeFault.UNKNOWN_END, ""): 1, (EdgeFault.UNKNOWN_END, "storage"): 1}


def test_a_label_without_a_kind_fits_its_pods() -> None:
    """The Pod is gone, and its name fits no workload: the label remains, also where all Pods are known."""
    labelled = samples((Workload("shop", "web", ""), ("legacy",), [1, 1]))
    snapshot = ClusterSnapshot({}, (WEB, DB), listed=NamespaceSelection())

    assert resolve(labelled, Attribution(snapshot)).sources == (WEB,)


def test_counts_of_two_providers_are_not_added_up() -> None:
    """Linkerd and Istio count different Pods of web: 1 + 2. A trace's 3 of the same edge stay apart."""
    labelled = samples(
        (WEB, (), [1, 1]),
        (WEB, (), [2, 2]),
        (WEB, (), [3, 3]),
        providers=np.array([Provider.LINKERD, Provider.ISTIO, Provider.SERVICE_GRAPH], dtype=np.uint8),
        source_providers=np.array([Provider.LINKERD, Provider.ISTIO, Provider.SERVICE_GRAPH], dtype=np.uint8),
    )

    result = resolved(labelled)

    assert result.edges == (Connection(WEB, DB), Connection(WEB, DB))
    np.testing.assert_array_equal(result.requests, [[3, 3], [3, 3]])
    assert result.edge_providers.tolist() == [Provider.LINKERD | Provider.ISTIO, Provider.SERVICE_GRAPH]
    assert result.sources == (WEB, WEB)


def test_a_destination_is_found_by_its_pod() -> None:
    """The Pod of a destination names its workload, as that of a source does; an unknown Pod names none."""
    pod_alone = Workload("shop", "", "")
    labelled = dataclasses.replace(
        samples((WEB, (), [1, 1]), (WEB, (), [2, 2])),
        edges=(Connection(WEB, pod_alone), Connection(WEB, pod_alone)),
        destination_pods=((API_POD,), ("gone",)),
    )

    result = resolved(labelled, {API_POD: API})

    assert result.edges == (Connection(WEB, API),)
    np.testing.assert_array_equal(result.requests, [[1, 1]])
    assert dict(result.dropped) == {(EdgeFault.UNKNOWN_END, "shop"): 1}
