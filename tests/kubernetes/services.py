"""Services as an API server stores them."""

from typing import Any


def service(
    name: str, namespace: str, labels: dict[str, str], *ports: dict[str, Any], **spec: Any
) -> dict[str, Any]:
    """A Service with *labels* and *ports*."""
    metadata = {"name": name, "namespace": namespace, "labels": labels, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"ports": list(ports), **spec}}


KPS = {"app": "kube-prometheus-stack-prometheus"}
WEB = {"name": "http-web", "port": 9090, "protocol": "TCP"}
