"""Endpoints resolve by Pod, by label, or by name alone; edges that become the same one are summed."""

from typing import Any

import numpy as np
import pytest

from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, StepRange
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
    """Edges to the database: source, its Pods, and the rate of requests in both steps."""
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
    given: ConnectionSamples, pods: dict[str, Workload] | None = None, *workloads: Workload
) -> ConnectionSamples:
    known = {("shop", pod): workload for pod, workload in (pods or {}).items()}
    return resolve(given, Attribution(ClusterSnapshot(known, workloads)))


def test_a_known_pod_tells_better_than_a_label() -> None:
    """The Pods of web and of api both have `deployment: blue`: two sources with their own rates."""
    given = samples((BLUE, (WEB_POD,), [1, 1]), (BLUE, (API_POD,), [2, NAN]))

    found = resolved(given, {WEB_POD: WEB, API_POD: API})

    assert found.edges == (Connection(WEB, DB), Connection(API, DB))
    assert found.sources == (WEB, API)
    np.testing.assert_array_equal(found.requests, [[1, 1], [2, NAN]])
    np.testing.assert_array_equal(found.scraped, [[True, True], [True, False]])


def test_what_becomes_the_same_edge_is_added() -> None:
    """Two ReplicaSets of web, 1 + 2 = 3 in the step of the roll-out; NaN only where neither has a sample."""
    given = samples(
        (WEB, (WEB_POD,), [1, NAN]),
        (WEB, ("web-5f86686c4d-8wrkx",), [2, NAN]),
        request_bytes=np.array([[10, NAN], [NAN, 5]]),
    )

    found = resolved(given)

    assert found.edges == (Connection(WEB, DB),)
    np.testing.assert_array_equal(found.requests, [[3, NAN]])
    np.testing.assert_array_equal(found.request_bytes, [[10, 5]])
    assert found.response_bytes is None
    assert found.sources == (WEB,)
    np.testing.assert_array_equal(found.scraped, [[True, False]])


def test_a_pod_that_nobody_knows_leaves_the_label() -> None:
    """No Pod of that name runs, and it does not match a generated name."""
    assert resolved(samples((DB, ("legacy",), [1, 1]))).sources == (DB,)


def test_the_first_pod_that_is_known_counts() -> None:
    """One Pod is gone, the other runs: a StatefulSet with Pods labelled `deployment: blue`."""
    cache = Workload("shop", "cache", "StatefulSet")

    assert resolved(samples((BLUE, ("cache-0", "cache-1"), [1, 1])), {"cache-1": cache}).sources == (cache,)


def test_a_source_that_nothing_tells_is_left_out_and_counted() -> None:
    """Neither label nor Pod: one more edge than the two without labels."""
    given = samples(
        (Workload("shop", "", ""), ("legacy",), [1, 1]), (WEB, (WEB_POD,), [1, 1]), unknown_edges=2
    )

    found = resolved(given)

    assert found.edges == (Connection(WEB, DB),)
    assert found.sources == (WEB,)
    assert found.unknown_edges == 3


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ((), "Deployment"),
        ((Workload("shop", "cart", "StatefulSet"),), "StatefulSet"),
        ((Workload("shop", "cart", "StatefulSet"), Workload("shop", "cart")), "Deployment"),
        ((Workload("shop", "cart", "StatefulSet"), Workload("shop", "cart", "DaemonSet")), "Deployment"),
        ((Workload("other", "cart", "StatefulSet"),), "Deployment"),
    ],
    ids=["nobody", "one", "a Deployment too", "two others", "elsewhere"],
)
def test_a_name_without_a_kind(known: tuple[Workload, ...], kind: str) -> None:
    """The only workload of that name in the namespace, else a Deployment."""
    attribution = Attribution(ClusterSnapshot(workloads=known))

    assert attribution.resolve_label(Workload("shop", "cart", "")) == Workload("shop", "cart", kind)


def test_a_name_without_a_kind_is_found_among_the_owners_of_pods() -> None:
    """Rollouts are not listed, but own Pods."""
    rollout = Workload("shop", "cart", "Rollout")
    attribution = Attribution(ClusterSnapshot({("shop", "cart-6b6f9d7d5c-2x8qz"): rollout}))

    assert attribution.resolve_label(Workload("shop", "cart", "")) == rollout


def test_a_job_that_a_label_names_is_its_cron_jobs() -> None:
    """Runs of a CronJob are one workload, by Pod or by label."""
    job, cron_job = Workload("shop", "report-28394810", "Job"), Workload("shop", "report", "CronJob")

    assert Attribution(ClusterSnapshot(cron_jobs={job: cron_job})).resolve_label(job) == cron_job


def test_labels_alone_are_enough() -> None:
    """A recorded past has no Pods: every edge stays as it is."""
    given = ConnectionSamples(
        STEPS, (Connection(WEB, API),), np.ones((1, 2)), np.ones((1, 2)), (WEB,), np.ones((1, 2), np.bool_)
    )

    found = resolved(given)

    assert (found.edges, found.sources) == (given.edges, given.sources)
    np.testing.assert_array_equal(found.requests, given.requests)
