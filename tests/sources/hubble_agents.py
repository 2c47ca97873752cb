"""Series of Hubble's metric `httpV2` as Cilium's agents write them, and the addresses of Pods.

Labels: cilium/cilium, commit e0cc421a538bca20fe30f4e1fc8f04951a536993,
pkg/hubble/metrics/http/handler.go (`method`, `protocol`, `status`, `reporter`; one count per response, with
source and destination as in the request), and commit 4f9eedcc036ba7c4eb2fadeb4e5edebe4ad74e42,
pkg/hubble/metrics/api/context.go (what `labelsContext`, `sourceContext` and `destinationContext` add).
Targets: commit 02515d1e12e7023ae3b799785f2b5731effd3308, install/kubernetes/cilium/templates/hubble.
"""

from collections.abc import Mapping

from tests.histories.proxies import Labels

REQUESTS = "hubble_http_requests_total"
AGENTS = tuple(
    {
        "namespace": "kube-system",
        "pod": f"cilium-{tail}",
        "job": "hubble-metrics",
        "instance": f"172.18.0.{number}:9965",
    }
    for number, tail in ((2, "7xk2p"), (3, "q8b4d"))
)
TENANT = {"namespace": "tenant", "pod": "liar-x7c2k", "job": "pods", "instance": "10.42.3.1:8080"}
STATE = {"job": "kube-state-metrics", "instance": "10.42.0.9:8080"}


def request(agent: Labels, reporter: str, status: str = "200", **ends: str) -> dict[str, str]:
    """The labels of requests between two *ends*, which the operator chose."""
    labels = {"method": "GET", "protocol": "HTTP/1.1", "status": status, "reporter": reporter}
    return {**labels, **ends, **agent}


def ends(source: Mapping[str, str], destination: Mapping[str, str]) -> dict[str, str]:
    """Labels of `labelsContext` by the names of both ends' parts."""
    return {
        f"{end}_{part}": value
        for end, parts in (("source", source), ("destination", destination))
        for part, value in parts.items()
    }


def pod_info(namespace: str, pod: str, address: str, *, host_network: bool = False) -> dict[str, str]:
    """The labels of `kube_pod_info`."""
    labels = {"namespace": namespace, "pod": pod, "pod_ip": address, "host_ip": "172.18.0.2"}
    return {**labels, "host_network": str(host_network).lower(), **STATE}
