"""Small histories in the label schemas of distributions: an hour of scrapes, and one scrape at each past age.

Two Pods of a Deployment and one of a CronJob's Job in the namespace `shop`, with one container each. All of
them have a CPU limit, and one was restarted.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.diagnosis.questions import AGES_SECONDS, DAY_SECONDS
from tests.histories.openmetrics import Family, Series, write_openmetrics

END = 1_772_373_600  # 2026-03-01 14:00 UTC
NOW = END + 20  # of an examination, 20 seconds after the newest scrape

Labels = Mapping[str, str]
Samples = tuple[str, Labels]  # a metric and the labels of one series

SHOP = "shop"
WEB, WEB_TOO, REPORT = "web-5f5b555dff-fcg7c", "web-5f5b555dff-x2x8q", "report-29000000-abcde"
PODS = {WEB: ("ReplicaSet", "web-5f5b555dff"), WEB_TOO: ("ReplicaSet", "web-5f5b555dff")}
PODS |= {REPORT: ("Job", "report-29000000")}

# Of kube-prometheus-stack: the kubelets' ServiceMonitor, and that of kube-state-metrics.
KUBELET = {
    "job": "kubelet",
    "metrics_path": "/metrics/cadvisor",
    "endpoint": "https-metrics",
    "service": "kube-prometheus-stack-kubelet",
    "instance": "10.0.0.1:10250",
}
KUBE_STATE_METRICS = {
    "job": "kube-state-metrics",
    "endpoint": "http",
    "service": "kube-prometheus-stack-kube-state-metrics",
    "instance": "10.42.0.9:8080",
}
# The target itself, whose labels are in the way without `honorLabels`.
_OWN_POD = {"namespace": "monitoring", "pod": "kube-state-metrics-0", "container": "kube-state-metrics"}

LINKERD_VIZ_DROPS = ("container_oom_events_total", "container_pressure_")


def containers(scraper: Labels = KUBELET) -> Iterator[Samples]:
    """The series of cAdvisor, PSI included (Kubernetes 1.34)."""
    for pod in PODS:
        own = {"container": "main", "image": "main:1", "id": f"/kubepods/{pod}", "name": f"{pod}-1"}
        of_container = {"namespace": SHOP, "pod": pod, **own, **scraper}
        yield "container_cpu_usage_seconds_total", {**of_container, "cpu": "total"}
        for name in ("memory_working_set_bytes", "cpu_cfs_periods_total", "cpu_cfs_throttled_periods_total"):
            yield f"container_{name}", of_container
        for name in ("oom_events_total", "pressure_cpu_waiting_seconds_total"):
            yield f"container_{name}", of_container
        yield "container_pressure_memory_stalled_seconds_total", of_container


def objects(scraper: Labels = KUBE_STATE_METRICS) -> Iterator[Samples]:
    """The series of kube-state-metrics with `honorLabels: true`."""
    for pod, (kind, owner) in PODS.items():
        of_pod = {"namespace": SHOP, "pod": pod, "uid": f"{pod}-uid", **scraper}
        yield "kube_pod_owner", {**of_pod, "owner_kind": kind, "owner_name": owner}
        of_container = {**of_pod, "container": "main"}
        yield "kube_pod_container_status_restarts_total", of_container
        yield "kube_pod_container_resource_requests", {**of_container, "resource": "cpu", "unit": "core"}
    deployment = {"owner_kind": "Deployment", "owner_name": "web"}
    yield (
        "kube_replicaset_owner",
        {"namespace": SHOP, "replicaset": "web-5f5b555dff", **deployment, **scraper},
    )
    cron_job = {"owner_kind": "CronJob", "owner_name": "report"}
    yield "kube_job_owner", {"namespace": SHOP, "job_name": "report-29000000", **cron_job, **scraper}
    last = {"namespace": SHOP, "pod": WEB, "container": "main", **scraper}
    yield "kube_pod_container_status_last_terminated_reason", {**last, "reason": "Error"}
    ended = {"namespace": SHOP, "pod": REPORT, "container": "main", **scraper}
    yield "kube_pod_container_status_terminated_reason", {**ended, "reason": "Completed"}


def renamed(samples: Iterable[Samples], target: Labels = _OWN_POD) -> Iterator[Samples]:
    """The same series without `honorLabels`: labels that the target has too are renamed."""
    for metric, labels in samples:
        own = {(f"exported_{name}" if name in target else name): value for name, value in labels.items()}
        yield metric, {**own, **target}


def linkerd(scraper: Labels | None = None) -> Iterator[Samples]:
    """The outbound series of the proxies of `web`, as viz scrapes them."""
    scraper = scraper or {"job": "linkerd-proxy", "instance": "10.42.0.21:4191"}
    proxy = {"namespace": SHOP, "pod": WEB, "deployment": "web", "control_plane_ns": "linkerd", **scraper}
    to = {
        "direction": "outbound",
        "dst_namespace": SHOP,
        "dst_deployment": "db",
        "target_addr": "10.42.0.3:80",
    }
    yield "up", proxy
    yield "process_start_time_seconds", proxy
    for metric in ("request_total", "response_total"):
        yield metric, {**proxy, **to}
    for metric in ("tcp_write_bytes_total", "tcp_read_bytes_total"):
        yield metric, {**proxy, **to, "peer": "dst"}


def istio(scraper: Labels | None = None) -> Iterator[Samples]:
    """The series of the sidecars of `web`, a client, and of `db`, its server."""
    scraper = scraper or {"job": "istio-proxies", "instance": "10.42.0.21:15020"}
    edge = {"source_workload": "web", "source_workload_namespace": SHOP, "source_cluster": "Kubernetes"}
    edge |= {"destination_workload": "db", "destination_workload_namespace": SHOP}
    edge["destination_cluster"] = "Kubernetes"
    for pod, reporter in ((WEB, "source"), ("db-0", "destination")):
        proxy = {"namespace": SHOP, "pod": pod, **scraper}
        yield "up", proxy
        yield "istio_build", {**proxy, "component": "proxy", "tag": "1.28.0"}
        yield "istio_agent_process_start_time_seconds", proxy
        reported = {**proxy, **edge, "reporter": reporter}
        http = {**reported, "request_protocol": "http", "response_code": "200"}
        yield "istio_requests_total", http
        yield "istio_request_bytes_sum", http
        for metric in ("istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"):
            yield metric, {**reported, "request_protocol": "tcp"}


def dropping(samples: Iterable[Samples], *beginnings: str) -> Iterator[Samples]:
    """The series of all metrics but those whose names begin like that."""
    return ((metric, labels) for metric, labels in samples if not metric.startswith(beginnings))


def write(
    path: Path,
    samples: Iterable[Samples],
    *,
    scrape_seconds: int = 30,
    early_seconds: int = 0,
    recent_seconds: int = 3600,
    late: Mapping[str, int] = MappingProxyType({}),
    oldest_seconds: float = 7 * DAY_SECONDS,
) -> None:
    """Writes the OpenMetrics file: counters grow by 0.1 a second, and every container was restarted once.

    There are scrapes since *recent_seconds* before the end. The last one is *early_seconds* before the end;
    samples of the instances in *late* are missing for as many seconds before that.
    """
    past = [END - age for age in AGES_SECONDS if age <= oldest_seconds]
    recent = np.arange(END - recent_seconds, END + 1, scrape_seconds, dtype=np.int64) - early_seconds
    times = np.concatenate([np.array(sorted(past), dtype=np.int64), recent])
    metrics: dict[str, list[Series]] = {}
    for metric, labels in samples:
        present = times[times <= times[-1] - late.get(labels.get("instance", ""), 0)]
        metrics.setdefault(metric, []).append(Series(labels, present, _values(metric, present)))
    families = [Family(metric, _kind(metric), tuple(series)) for metric, series in metrics.items()]
    write_openmetrics(path, families)


def _kind(metric: str) -> Literal["counter", "gauge"]:
    return "counter" if metric.endswith("_total") else "gauge"


def _values(metric: str, times: NDArray[np.int64]) -> NDArray[np.float64]:
    if "oom_events" in metric:
        return np.zeros(len(times))
    grows = metric.endswith("_total") and "restarts" not in metric
    return 0.1 * (times - times[0]) if grows else np.ones(len(times))
