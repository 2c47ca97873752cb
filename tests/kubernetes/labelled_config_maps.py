"""ConfigMaps with a label of the tests.

A distribution may create ConfigMaps of its own in each namespace: tests select theirs by the label.
"""

from app.kubernetes.list_options import Object

LABEL_SELECTOR = "made-by=test"


def config_map(name: str) -> Object:
    """A ConfigMap that `LABEL_SELECTOR` matches."""
    metadata = {"name": name, "labels": {"made-by": "test"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value"}}
