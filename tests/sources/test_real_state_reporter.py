"""What tenants expose under the names of kube-state-metrics' series, in a real Prometheus.

The history is an hour, scraped once a minute. `api-0` of the namespace `shop` was killed and restarted 20
minutes before its end. The Pods of `old` are gone. A tenant's target has the job of its choice, and always
the namespace `evil`; the labels that it exposes itself are renamed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import PastOwners, StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from app.sources.state_reporter import REPORTER, trusted_reporter
from tests.cluster.prometheus import Prometheus
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import only

END = 1_772_373_600  # 2026-03-01 14:00 UTC
BEGIN, KILL = END - 3600, END - 1200
STEPS = StepRange(END // 300 - 5, END // 300)
TIMES = np.arange(BEGIN, END + 1, 60, dtype=np.int64)
STATE, EVIL, EVIL_STATE = (
    {"namespace": namespace, "pod": pod, "container": "main", "job": job}
    for namespace, pod, job in (
        ("monitoring", "state-0", "kube-state-metrics"),
        ("evil", "evil-0", "kubernetes-pods"),
        ("evil", "evil-0", "monitoring/kube-state-metrics"),
    )
)
RUNNING = (("shop", "api"), ("crm", "db"), ("evil", "evil"), ("monitoring", "state"))
GONE = ("old", "old")
OWNER, RESTARTS = "kube_pod_owner", "kube_pod_container_status_restarts_total"
REASON = "kube_pod_container_status_last_terminated_reason"

Labels = Mapping[str, str]
Samples = tuple[str, Labels, Any]
Scrape = Callable[[Labels], Labels]


def own(labels: Labels) -> Labels:
    """Kube-state-metrics with `honorLabels: true`."""
    return {**labels, "job": "kube-state-metrics", "instance": "10.0.0.9:8080"}


def renamed(target: Labels) -> Scrape:
    """A target without `honorLabels`."""
    return lambda labels: {
        **{f"exported_{name}" if name in target else name: value for name, value in labels.items()},
        **target,
    }


def containers() -> Iterator[Samples]:
    """The usage that the kubelets expose."""
    for namespace, name in RUNNING:
        labels = {"namespace": namespace, "pod": f"{name}-0", "container": "main", "job": "kubelet"}
        yield "container_memory_working_set_bytes", labels, np.full(len(TIMES), 1e6)


def owner(namespace: str, pod: str, name: str) -> Labels:
    of_pod = {"namespace": namespace, "pod": pod, "owner_is_controller": "true"}
    return {**of_pod, "owner_kind": "StatefulSet", "owner_name": name}


def killed(scrape: Scrape, namespace: str, pod: str, uid: str = "uid") -> Iterator[Samples]:
    """A container that was restarted after an OOM kill."""
    labels = {"namespace": namespace, "pod": pod, "container": "main"}
    restarts = (TIMES >= KILL).astype(float)
    yield RESTARTS, scrape({**labels, "uid": uid}), restarts
    yield REASON, scrape({**labels, "reason": "OOMKilled"}), np.where(restarts > 0, 1.0, np.nan)


def state_metrics(scrape: Scrape) -> Iterator[Samples]:
    """The truth on all Pods: owners, and one kill in `shop`."""
    for namespace, name in (*RUNNING, GONE):
        yield OWNER, scrape(owner(namespace, f"{name}-0", name)), np.ones(len(TIMES))
        if namespace not in {"shop", "old"}:
            labels = {"namespace": namespace, "pod": f"{name}-0", "container": "main", "uid": "uid"}
            yield RESTARTS, scrape(labels), np.zeros(len(TIMES))
    yield from killed(scrape, "shop", "api-0")


def claims(scrape: Scrape) -> Iterator[Samples]:
    """A tenant's claims on other namespaces: on Pods that exist, and on Pods that are gone."""
    for namespace, pod in (("shop", "api-0"), ("shop", "gone-0"), ("old", "gone-0"), ("fake", "gone-0")):
        yield OWNER, scrape(owner(namespace, pod, "evil")), np.ones(len(TIMES))
    for number in range(50):
        yield OWNER, scrape(owner(f"fake-{number}", "gone-0", "evil")), np.ones(len(TIMES))
    yield from killed(scrape, "crm", "db-0", uid="other")


def own_of_tenant() -> Iterator[Samples]:
    """The metrics with labels that Prometheus does not rename: they are of the tenant's own Pod."""
    yield OWNER, {**EVIL, "owner_kind": "StatefulSet", "owner_name": "evil"}, np.ones(len(TIMES))
    yield RESTARTS, EVIL, np.zeros(len(TIMES))


Serve = Callable[..., Prometheus]


@pytest.fixture(scope="module")
def serve(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Serve:
    """A Prometheus with these samples."""

    def start(*all_samples: Iterable[Samples]) -> Prometheus:
        families: dict[str, list[Series]] = {}
        for samples in all_samples:
            for metric, labels, values in samples:
                has_value = ~np.isnan(values)
                families.setdefault(metric, []).append(Series(labels, TIMES[has_value], values[has_value]))
        path = tmp_path_factory.mktemp("state") / "state.openmetrics"
        write_openmetrics(
            path,
            [
                Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
                for metric, series in families.items()
            ],
        )
        return prometheus_factory(path)

    return start


async def read(prometheus: Prometheus, **scope: Any) -> tuple[PastOwners, set[tuple[str, str]]]:
    """The owners, and the Pods with an OOM kill; the reporter is asked for once."""
    traffic = QueryCosts()
    async with PrometheusSource(prometheus.url, scope=Scope(**scope), observer=traffic) as source:
        owners = await source.pod_owners(STEPS)
        kills, _ = await only(source.pressure_samples(Resource.MEMORY, STEPS))
    assert traffic.queries[REPORTER] == 1
    return owners, {(pod.namespace, pod.pod) for pod in map(kills.containers.__getitem__, kills.rows)}


TRUTH = {(namespace, f"{name}-0"): name for namespace, name in (*RUNNING, GONE)}


@pytest.mark.prometheus
@pytest.mark.parametrize("job", [EVIL, EVIL_STATE], ids=["another-job", "kube-state-metrics-job"])
@pytest.mark.parametrize("scrape", [own, renamed(STATE)], ids=["honored", "renamed"])
async def test_a_tenant_describes_no_other_namespace(serve: Serve, scrape: Scrape, job: Labels) -> None:
    """With `honorLabels` and without, owners and kills are those that kube-state-metrics has.

    Before, a tenant's job with `kube-state-metrics` in its name was trusted where labels are renamed, and a
    metric of its own Pod ended the reading of renamed labels for all.
    """
    prometheus = serve(containers(), state_metrics(scrape), claims(renamed(job)), own_of_tenant())

    owners, kills = await read(prometheus)

    assert {pod: workload.name for pod, workload in owners.workloads.items()} == TRUTH
    assert kills == {("shop", "api-0")}


@pytest.mark.prometheus
async def test_restarts_of_one_namespace_do_not_show_that_others_were_seen(serve: Serve) -> None:
    """Kube-state-metrics was away until the newest scrape: `api` was killed long ago, and not just now.

    A tenant's Pod exposed restarts all the time. Before, each old kill then was a new one.
    """
    back = TIMES > END - 300
    away = (
        (metric, labels, np.where(back, 1.0, np.nan)) for metric, labels, _ in killed(own, "shop", "api-0")
    )

    _, kills = await read(serve(containers(), away, own_of_tenant()))

    assert kills == set()


@pytest.mark.prometheus
async def test_a_matcher_selects_all_series_of_objects(serve: Serve) -> None:
    """With STATE_METRICS_MATCHER, series of other jobs are not read, with own labels or with renamed ones."""
    prometheus = serve(containers(), state_metrics(renamed(STATE)), own_of_tenant())

    owners, kills = await read(prometheus, state_matchers=('job="kube-state-metrics"',))
    assert (len(owners.workloads), kills) == (len(TRUTH), {("shop", "api-0")})

    owners, kills = await read(prometheus, state_matchers=('job="kubernetes-pods"',))
    assert owners.workloads == {("evil", "evil-0"): Workload("evil", "evil", "StatefulSet")}
    assert not kills


@pytest.mark.prometheus
async def test_a_tenant_can_not_end_the_reading_of_the_rule(serve: Serve) -> None:
    """Where a store keeps only the mixin's rule, a tenant's `kube_pod_owner` describes its own Pod alone."""
    rule = [
        (
            "namespace_workload_pod:kube_pod_owner:relabel",
            {"namespace": namespace, "pod": f"{name}-0", "workload": name, "workload_type": "statefulset"},
            np.ones(len(TIMES)),
        )
        for namespace, name in (*RUNNING, GONE)
    ]

    owners, _ = await read(serve(containers(), rule, own_of_tenant()))

    assert {pod: workload.name for pod, workload in owners.workloads.items()} == TRUTH


@pytest.mark.parametrize(
    ("pods", "trusted"),
    [
        ({}, ""),
        ({("", "shop"): 3, ("evil", "shop"): 3, ("evil", "crm"): 2, ("", "crm"): 40, ("", "evil"): 1}, ""),
        ({("monitoring", "shop"): 20, ("monitoring", "crm"): 2, ("evil", "shop"): 20}, "monitoring"),
        ({("monitoring", "shop"): 20, ("monitoring", "crm"): 2, ("evil", "evil"): 9000}, "monitoring"),
        ({("monitoring", "shop"): 20, ("monitoring", "crm"): 2, ("evil", "evil-2"): 9000}, "monitoring"),
        ({("monitoring", "shop"): 20, ("evil", "shop"): 20}, ""),
    ],
    ids=["nobody", "own-labels", "fewer-namespaces", "itself", "a-second-namespace", "as-many"],
)
def test_the_reporter_that_describes_most_namespaces_is_trusted(
    pods: dict[tuple[str, str], float], trusted: str
) -> None:
    """Each namespace has one vote, however many Pods it has; what a reporter says of itself has none."""
    assert trusted_reporter(pods) == trusted


def opencost() -> Iterator[Samples]:
    """OpenCost, scraped with `honor_labels: true`: restarts and owners of all Pods, and no reason of any."""
    target = {"job": "opencost", "instance": "10.0.0.8:9003"}
    for namespace, name in RUNNING:
        labels = {"namespace": namespace, "pod": f"{name}-0", "container": "main", "uid": "uid", **target}
        yield RESTARTS, labels, (TIMES >= KILL) * float(namespace == "shop")


@pytest.mark.prometheus
@pytest.mark.parametrize("scrape", [own, renamed(STATE)], ids=["honored", "renamed"])
async def test_opencost_beside_kube_state_metrics(serve: Serve, scrape: Scrape) -> None:
    """OpenCost exposes some metrics of the same names; owners and kills are those of kube-state-metrics."""
    owners, kills = await read(serve(containers(), state_metrics(scrape), opencost()))

    assert {pod: workload.name for pod, workload in owners.workloads.items()} == TRUTH
    assert kills == {("shop", "api-0")}
