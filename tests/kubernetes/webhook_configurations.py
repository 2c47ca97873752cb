"""The webhook configuration of the chart as an API server returns it."""

import base64
from typing import Any

PODS, PROBE = "pods.job-profiler.liqo.io", "probe.job-profiler.liqo.io"
URL = "https://127.0.0.1:10250/mutate"
_NOT_IGNORED = {"key": "job-profiler.liqo.io/ignore", "operator": "NotIn", "values": ["true"]}
EXPECTED: dict[str, Any] = {
    "rules": [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ],
    "matchPolicy": "Equivalent",
    "namespaceSelector": {"matchExpressions": [_NOT_IGNORED]},
    "objectSelector": {"matchExpressions": [_NOT_IGNORED]},
}


def client_config(bundle: bytes = b"authority") -> dict[str, Any]:
    """URL and CA bundle of an entry."""
    return {"url": URL, "caBundle": base64.b64encode(bundle).decode()}


def configuration(
    pods: dict[str, Any] | None = None, probe: dict[str, Any] | None = None, version: str = "7"
) -> dict[str, Any]:
    """Both entries as rendered; *pods* and *probe* replace fields of their entries."""
    entries = [
        {"name": PODS, "clientConfig": client_config(), **EXPECTED, **(pods or {})},
        {"name": PROBE, "clientConfig": client_config(), **(probe or {})},
    ]
    metadata = {"name": "job-profiler", "uid": "u1", "resourceVersion": version}
    return {"metadata": metadata, "webhooks": entries}
