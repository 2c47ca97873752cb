"""Manifests of stored profiles and of workloads."""

from collections.abc import Mapping
from typing import Any

from app.domain import annotations
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload

Object = dict[str, Any]
_FIELDS = {"CPUProfile": "cpuProfiling", "MemoryProfile": "memoryProfiling"}


def need(
    resource: str,
    name: str,
    value: str,
    *,
    namespace: str = "shop",
    kind: str = "Deployment",
    confidence: str = "0.90",
    containers: tuple[Object, ...] = (),
    **status: Any,
) -> Object:
    """A CPU or memory profile; *status* has further fields, such as `request` and `replicas`."""
    profile_kind = "CPUProfile" if resource == "cpu" else "MemoryProfile"
    profile = ProfileKind.CPU if resource == "cpu" else ProfileKind.MEMORY
    identity = Identity(profile, Workload(namespace, name, kind))
    listed = list(containers) or [{"name": "app", "value": value, "samples": 2016}]
    return {
        "apiVersion": "webapp.liqo.io.profiling/v1",
        "kind": profile_kind,
        "metadata": {
            "name": contract_name(identity) or separated_name(identity),
            "namespace": "profiling",
            "annotations": {
                annotations.WORKLOAD_KIND: kind,
                annotations.WORKLOAD_NAMESPACE: namespace,
                annotations.WORKLOAD_NAME: name,
            },
        },
        "spec": {_FIELDS[profile_kind]: {"updateTime": "2026-03-01T12:00:00Z", "value": value}},
        "status": {"confidence": confidence, "samples": 2016, "containers": listed, **status},
    }


def edge(source: str, destination: str, messages: str, **status: Any) -> Object:
    """A connection profile between two Deployments of the namespace `shop`."""
    return {
        "kind": "ConnectionProfile",
        "metadata": {"name": f"conn-{source}-{destination}", "annotations": {}},
        "spec": {
            "bandwidth_requirement": messages,
            "source_job": source,
            "source_namespace": "shop",
            "destination_job": destination,
            "destination_namespace": "shop",
            "update_time": "2026-03-01T12:00:00Z",
        },
        "status": status,
    }


def container(
    name: str = "app", requests: Mapping[str, str] = {}, limits: Mapping[str, str] = {}, **more: Any
) -> Object:
    """A container of a Pod template."""
    resources = {key: dict(value) for key, value in (("requests", requests), ("limits", limits)) if value}
    return {"name": name, "image": "example/app", **({"resources": resources} if resources else {}), **more}


def deployment(
    name: str,
    *containers: Object,
    namespace: str = "shop",
    replicas: int | None = 2,
    labels: Mapping[str, str] = {},
    **spec: Any,
) -> Object:
    """A Deployment, whose template has *spec* beside its containers."""
    template = {
        "metadata": {"labels": {"app": name, **labels}},
        "spec": {"containers": list(containers), **spec},
    }
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }
