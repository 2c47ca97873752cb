"""A shop with Linkerd and Istio metrics, which contain every edge that is easily miscounted.

Edge                                    requests  responses  bytes/s to the server  and from it
Linkerd, per minute and per second
web (two Pods) -> StatefulSet db              90         60                    160         2000
cart -> StatefulSet queue                    120         60                     10           20
payment -> StatefulSet queue                 180         60                     10           20
StatefulSet queue -> StatefulSet db          240         60                     10           20
CronJob nightly -> StatefulSet db            300         60                     10           20
Istio
web -> StatefulSet db                        120        120                    350         4070
batch -> StatefulSet db                       15         15                     10           10
ambient -> web                               180        180                     90           60

The Pods of cart, payment and queue have a user-defined label `deployment: blue`.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.histories.meshes import (
    Counter,
    LinkerdPod,
    istio_edge,
    istio_http,
    istio_tcp,
    linkerd_destination,
    linkerd_edge,
    write_counters,
)

BLUE = {"deployment": "blue", "app": "shop"}  # user-defined labels on Pods of several workloads
WEB = LinkerdPod(
    "shop", "web-6b6f9d7d5c-2x8qz", {"deployment": "web"}, {"pod_template_hash": "6b6f9d7d5c"}, "10.42.0.21"
)
WEB_TOO = LinkerdPod("shop", "web-6b6f9d7d5c-vhm4j", {"deployment": "web"}, {}, "10.42.0.22")
CART = LinkerdPod("shop", "cart-5f5b555dff-fcg7c", {}, BLUE, "10.42.0.23")
PAYMENT = LinkerdPod("shop", "payment-7d4b9c6f8-6b6f9", {}, BLUE, "10.42.0.24")
QUEUE = LinkerdPod("shop", "queue-0", {"statefulset": "queue"}, BLUE, "10.42.0.25")
NIGHTLY = LinkerdPod(
    "shop", "nightly-28394810-k7x2m", {"cronjob": "nightly"}, {"job_name": "nightly-28394810"}, "10.42.0.26"
)
LINKERD_PODS = (WEB, WEB_TOO, CART, PAYMENT, QUEUE, NIGHTLY)
DB = linkerd_destination("storage", {"statefulset": "db"}, "db-0")


def linkerd_counters() -> Iterator[Counter]:
    queue = linkerd_destination("shop", {"statefulset": "queue"}, "queue-0")
    for pod, requests, bytes_out in ((WEB, 1.0, 100.0), (WEB_TOO, 0.5, 60.0)):
        yield from linkerd_edge(
            pod,
            DB,
            "10.42.1.1",
            requests=requests,
            responses={"success": 0.4, "failure": 0.1},
            written=bytes_out,
            read=1000.0,
        )
    constant_rates = {"responses": {"success": 1.0}, "written": 10.0, "read": 20.0}
    yield from linkerd_edge(CART, queue, "10.42.0.25", requests=2.0, **constant_rates)  # type: ignore[arg-type]
    yield from linkerd_edge(PAYMENT, queue, "10.42.0.25", requests=3.0, **constant_rates)  # type: ignore[arg-type]
    yield from linkerd_edge(QUEUE, DB, "10.42.1.1", requests=4.0, **constant_rates)  # type: ignore[arg-type]
    yield from linkerd_edge(NIGHTLY, DB, "10.42.1.1", requests=5.0, **constant_rates)  # type: ignore[arg-type]
    # A Service with an unknown workload, and a host outside the cluster.
    service = {"dst_service": "legacy", "dst_namespace": "shop"}
    yield from linkerd_edge(WEB, service, "10.42.1.9", requests=9.0, **constant_rates)  # type: ignore[arg-type]
    yield from linkerd_edge(WEB_TOO, {}, "203.0.113.7", requests=9.0, **constant_rates)  # type: ignore[arg-type]


SIDECAR_WEB = {"pod": "web-6b6f9d7d5c-2x8qz", "namespace": "shop"}
SIDECAR_DB = {"pod": "db-0", "namespace": "storage"}
TUNNEL = {"pod": "ztunnel-x7c2k", "namespace": "istio-system", "app": "ztunnel"}
WAYPOINT = {"pod": "waypoint-5f5b555dff-fcg7c", "namespace": "shop"}
ISTIO_WEB, ISTIO_DB, AMBIENT = ("shop", "web"), ("storage", "db"), ("shop", "ambient")


def istio_counters() -> Iterator[Counter]:
    # Both sidecars report the same requests; the server also counts a retry that the client does not.
    client = istio_edge("source", ISTIO_WEB, ISTIO_DB, **SIDECAR_WEB)
    server = istio_edge("destination", ISTIO_WEB, ISTIO_DB, **SIDECAR_DB)
    yield from istio_http(client, {"200": 1.5, "503": 0.5}, (300.0, 4000.0))
    yield from istio_http(server, {"200": 1.5, "503": 0.75}, (330.0, 4400.0))
    yield from istio_tcp(client, 50.0, 70.0)
    yield from istio_tcp(server, 50.0, 70.0)
    # The same once more, from a node's tunnel.
    yield from istio_tcp(istio_edge("source", ISTIO_WEB, ISTIO_DB, **TUNNEL), 999.0, 999.0)
    # Only the server reports this client's requests.
    yield from istio_http(
        istio_edge("destination", ("shop", "batch"), ISTIO_DB, **SIDECAR_DB), {"200": 0.25}, (10.0, 10.0)
    )
    # Ambient: only waypoints report HTTP.
    waypoint = istio_edge("waypoint", AMBIENT, ISTIO_WEB, **WAYPOINT)
    yield from istio_http(waypoint, {"200": 3.0}, (90.0, 60.0))
    # Clients outside the mesh, and calls that reached no server.
    outsider = istio_edge("destination", ("unknown", "unknown"), ISTIO_WEB, **SIDECAR_WEB)
    yield from istio_http(outsider, {"200": 8.0}, (1.0, 1.0))
    unreachable = istio_edge("source", ISTIO_WEB, ("unknown", "unknown"), **SIDECAR_WEB)
    yield from istio_http(unreachable, {"503": 8.0}, (1.0, 1.0))


def write_shop(path: Path, *, end: int, seconds: int) -> None:
    """Writes the OpenMetrics file of both meshes."""
    up = [pod.labels for pod in LINKERD_PODS]
    write_counters(path, [*linkerd_counters(), *istio_counters()], up, end=end, seconds=seconds)


LINKERD = {
    "shop/web → StatefulSet/storage/db": (90.0, 60.0, 160.0, 2000.0),
    "shop/cart → StatefulSet/shop/queue": (120.0, 60.0, 10.0, 20.0),
    "shop/payment → StatefulSet/shop/queue": (180.0, 60.0, 10.0, 20.0),
    "StatefulSet/shop/queue → StatefulSet/storage/db": (240.0, 60.0, 10.0, 20.0),
    "CronJob/shop/nightly → StatefulSet/storage/db": (300.0, 60.0, 10.0, 20.0),
}
ISTIO = {
    "shop/web → StatefulSet/storage/db": (120.0, 120.0, 350.0, 4070.0),
    "shop/batch → StatefulSet/storage/db": (15.0, 15.0, 10.0, 10.0),
    "shop/ambient → shop/web": (180.0, 180.0, 90.0, 60.0),
}
BOTH = LINKERD | ISTIO | {"shop/web → StatefulSet/storage/db": (210.0, 180.0, 510.0, 6070.0)}
