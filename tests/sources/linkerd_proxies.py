"""Series of Linkerd's proxies with the labels of different scrapers."""

from tests.histories.proxies import Labels, ProxyHistory

POD = "web-6b6f9d7d5c-2x8qz"
VIZ = {"job": "linkerd-proxy", "instance": "10.42.0.21:4191"}
# The PodMonitor of the control plane's chart, collected by the Prometheus operator.
POD_MONITOR = {
    "job": "linkerd/linkerd-proxy",
    "instance": "10.42.0.21:4191",
    "container": "linkerd-proxy",
    "endpoint": "linkerd-admin",
}


def proxy(namespace: str, scraper: Labels = VIZ, **own: str) -> dict[str, str]:
    """The labels that scraping gives to all series of the proxy of `web`."""
    labels = {"namespace": namespace, "pod": POD, "deployment": "web", "control_plane_ns": "linkerd"}
    return {**labels, "pod_template_hash": "6b6f9d7d5c", **scraper, **own}


def outbound(source: Labels, destination: str = "db", port: int = 8080, number: int = 0) -> dict[str, str]:
    """The labels of the requests of *source* to one Pod of a StatefulSet."""
    return {
        "direction": "outbound",
        "target_addr": f"10.42.1.{number}:{port}",
        "target_ip": f"10.42.1.{number}",
        "target_port": f"{port}",
        "tls": "true",
        "dst_namespace": source["namespace"],
        "dst_statefulset": destination,
        "dst_pod": f"{destination}-{number}",
        **source,
    }


def tcp(history: ProxyHistory, edge: Labels, written: float, read: float) -> None:
    for metric, per_second in (("write", written), ("read", read)):
        history.count(f"tcp_{metric}_bytes_total", {**edge, "peer": "dst"}, per_second)
        history.count(f"tcp_{metric}_bytes_total", {**edge, "peer": "src"}, 7.0)
    history.count("tcp_open_total", {**edge, "peer": "dst"}, 0.0)


def to(namespace: str, destination: str) -> str:
    return f"{namespace}/web → StatefulSet/{namespace}/{destination}"
