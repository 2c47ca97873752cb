"""Kubeconfig files with one context."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def kubeconfig(
    directory: Path,
    user: object,
    server: str = "http://127.0.0.1:1",
    *,
    cluster: Mapping[str, Any] | None = None,
    name: str = "kubeconfig",
) -> str:
    """The path of a kubeconfig for *user* on *server*; *cluster* has further fields of the cluster."""
    path = directory / name
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return str(path)
