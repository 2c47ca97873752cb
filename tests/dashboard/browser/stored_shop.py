"""A cluster with the stored profiles of a shop, and the arithmetic of what a page about them shows.

Needs, requests and replicas are those below; sums and differences are worked out without the product's code.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.kubernetes import paths
from tests.decisions.manifests import Object, container, deployment, edge, need
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed

MEBIBYTE = 1024**2
CORES, GIB = "cores", "GiB"


@dataclass(frozen=True, slots=True)
class Stored:
    """A workload: the need of one replica in cores and MiB, and its requests; None where it has none."""

    name: str
    cores: str
    mebibytes: int
    requested_cores: str | None = None
    requested_mebibytes: int | None = None
    replicas: int | None = 1
    namespace: str = "shop"
    kind: str = "Deployment"

    @property
    def place(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    def requested(self, unit: str) -> Decimal:
        """What all replicas request, in cores or GiB."""
        of_one = self.requested_cores if unit == CORES else gibibytes(self.requested_mebibytes)
        return Decimal(of_one or 0) * (self.replicas or 0)

    def needed(self, unit: str) -> Decimal:
        """What all replicas need, in cores or GiB."""
        return Decimal(self.cores if unit == CORES else gibibytes(self.mebibytes)) * (self.replicas or 0)

    def spare(self, unit: str) -> Decimal:
        """What all replicas request and do not need; negative if they need more."""
        return self.requested(unit) - self.needed(unit)


def gibibytes(mebibytes: int | None) -> Decimal:
    """MiB as GiB; none are 0."""
    return Decimal(mebibytes or 0) / 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A connection: messages per minute, and bytes per second to the server and from it.

    Where it names what counts it, one in 50 requests is looked at.
    """

    client: str
    server: str
    messages: str
    sent: int | None = None
    received: int | None = None
    counted_by: str = ""


SHOP = (
    Stored("web", "0.120", 347, "0.500", 256, replicas=3),
    Stored("api", "1.500", 1024, "1.000", 4096),
    Stored("cart", "0.045", 96, "0.250", 128, replicas=2),
    Stored("search", "0.800", 1500, "2.000", 2048, replicas=4),
    Stored("orders", "0.640", 3200, "1.000", 4096, namespace="data", kind="StatefulSet"),
    Stored("etl-{digits}", "0.900", 512, replicas=None, namespace="data", kind="Job"),
    Stored("old", "0.010", 20, "0.100", 64, namespace="attic"),
)
# Not of any sum: neither requests nor replicas are known.
HOSTILE = (
    Stored('"><img src=x onerror=alert(1)>', "0.001", 1, None, None, None, "</td><script>alert(2)</script>"),
    Stored('O\'Brien & "sons" {{ 7 * 7 }} #?/../x', "0.002", 2, None, None, None, "a&b=c d"),
    Stored("\u202egnp.exe", "0.003", 3, None, None, None, "\u202dshop", "Job"),
)
CALLS = (
    Call("web", "api", "60.00", 5120, 900, "service-graph"),
    Call("web", "cart", "12.50", 300, 700),
    Call("web", "search", "7.25", 80, 64_000),
    Call("api", "cart", "30.00"),
    Call("bot", "web", "20.00", 1000, 2000),
)
HISTORY = [
    {"time": "2026-03-01T12:00:00Z", "old": "0.150", "new": "0.120", "reason": "UsageFell"},
    {"time": "2026-02-27T12:00:00Z", "old": "0.110", "new": "0.150", "reason": "CPUThrottling"},
]
WHY = "From 2,016 five-minute samples of 1 container over 7 days (coverage 1.00): app 120m."
SIGNALS = [
    {
        "signal": "cpu",
        "state": "Ok",
        "reason": "Answered",
        "message": "",
        "since": "2026-03-01T08:00:00Z",
    },
    {
        "signal": "connections",
        "state": "Failing",
        "reason": "Unreachable",
        "message": "the server at mesh:9090 refuses connections",
        "since": "2026-03-01T11:00:00Z",
    },
]
REPORT = {
    "signals": SIGNALS,
    "workloadsWithoutProfile": {"Deployment/shop/bot": "TooFewSamples: 3 of 12"},
    "workloadsWithoutProfileTotal": 1,
}
SLOTS = [("00:00", "0.040"), ("06:00", "0.090"), ("12:00", "0.120"), ("18:00", "0.110")]


def serve_shop(server: FakeApiServer) -> None:
    """Lists the profiles of all workloads, and their objects; there are no autoscalers, limits or quotas."""
    shop = [*SHOP, *HOSTILE]
    profiles = {
        ProfileKind.CPU: [_cpu(stored) for stored in shop],
        ProfileKind.MEMORY: [_memory(stored) for stored in shop],
        ProfileKind.CONNECTION: [_connection(call) for call in CALLS],
    }
    for kind, manifests in profiles.items():
        server.on("GET", paths.profiles(KINDS[kind].plural, "profiling"), listed(*manifests))
    empty = (
        *(paths.daemon_sets, paths.jobs, paths.cron_jobs, paths.limit_ranges, paths.resource_quotas),
        *(paths.horizontal_pod_autoscalers, paths.vertical_pod_autoscalers),
    )
    for namespace in (None, "profiling", *{stored.namespace for stored in shop}):
        members = [stored for stored in shop if namespace in {None, stored.namespace}]
        for owner, path_of in (("Deployment", paths.deployments), ("StatefulSet", paths.stateful_sets)):
            workloads = [_workload(stored) for stored in members if stored.kind == owner]
            server.on("GET", path_of(namespace), listed(*workloads))
        for path_of in empty:
            server.on("GET", path_of(namespace), listed())
    _serve_status(server)


def _serve_status(server: FakeApiServer) -> None:
    """The report of a profiler whose mesh fails, and its Lease; there is no Prometheus."""
    status = {"metadata": {"name": "job-profiler-status"}, "data": {"status.json": json.dumps(REPORT)}}
    server.on("GET", paths.config_map("profiling", "job-profiler-status"), answers(status))
    renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {"holderIdentity": "profiler-1", "leaseDurationSeconds": 15, "renewTime": renewed}
    server.on("GET", paths.lease("profiling", "job-profiler"), answers({"spec": lease}))
    server.on("GET", paths.services(None), listed())


def _cpu(stored: Stored) -> Object:
    more: Object = {}
    if stored.name == "web":
        more |= {
            "history": HISTORY,
            "explanation": WHY,
            "slots": [
                {"start": start, "end": f"{int(start[:2]) + 6:02d}:00", "value": value, "samples": 504}
                for start, value in SLOTS
            ],
            "risk": {"level": "normal", "timeAbove": "0.041", "timeAboveAtMost": "0.054"},
            "signals": [
                {
                    "container": "app",
                    "reason": "CPUThrottling",
                    "lastSeen": "2026-02-27T11:00:00Z",
                    "raisedBy": "0.10",
                }
            ],
        }
    if stored.namespace == "attic":
        more["conditions"] = [{"type": "Stale", "status": "True", "reason": "NoNewSamples"}]
    return _need("cpu", stored, stored.cores, **more)


def _memory(stored: Stored) -> Object:
    return _need("memory", stored, str(stored.mebibytes * MEBIBYTE))


def _need(resource: str, stored: Stored, value: str, **more: Any) -> Object:
    """The profile of a workload with one container, which has all of its request."""
    amount = _requests(stored).get(resource)
    request = {"request": amount} if amount else {}
    return need(
        resource,
        stored.name,
        value,
        namespace=stored.namespace,
        kind=stored.kind,
        containers=({"name": "app", "value": value, "samples": 2016, **request},),
        **request,
        **_replicas(stored),
        **more,
    )


def _replicas(stored: Stored) -> Object:
    count = stored.replicas
    return {} if count is None else {"replicas": {"desired": count, "ready": count}}


def _connection(call: Call) -> Object:
    more: dict[str, Any] = {}
    if call.sent is not None:
        more = {"requestBytesPerSecond": str(call.sent), "responseBytesPerSecond": str(call.received)}
    if call.counted_by:
        more |= {"countedBy": call.counted_by, "sampledOneIn": 50}
    return edge(call.client, call.server, call.messages, protocol="http", **more)


def _workload(stored: Stored) -> Object:
    app = container(requests=_requests(stored))
    return deployment(stored.name, app, namespace=stored.namespace, replicas=stored.replicas)


def _requests(stored: Stored) -> dict[str, str]:
    """What one replica requests, by resource."""
    requests = {}
    if stored.requested_cores:
        requests["cpu"] = stored.requested_cores
    if stored.requested_mebibytes:
        requests["memory"] = f"{stored.requested_mebibytes}Mi"
    return requests
