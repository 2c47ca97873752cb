"""The objects of a rendered release, and lookups in them."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "charts" / "job-profiler"
IMAGE = {"image": {"repository": "registry.example/job-profiler"}}
# Value of fields that only the kubelet knows, such as the Pod's name.
DOWNWARD = {"metadata.namespace": "profiling", "metadata.name": "job-profiler-0"}

Object = dict[str, Any]
# Namespace or *, API group, resource, its name or *, verb.
Right = tuple[str, str, str, str, str]


class Release:
    """The objects that Helm rendered for a release named job-profiler in a namespace."""

    def __init__(self, objects: list[Object], namespace: str = "profiling") -> None:
        self.objects = objects
        self._namespace = namespace

    def of(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [manifest for manifest in self.objects if manifest["kind"] == kind]

    def names(self, kind: str) -> set[str]:
        """The names of all objects of a kind, with the namespace if it is not the release's."""
        return {_qualified(manifest["metadata"]) for manifest in self.of(kind)}

    def one(self, kind: str, name: str = "") -> Object:
        """The only object of a kind, or the only one with that name."""
        (match,) = [manifest for manifest in self.of(kind) if name in {"", manifest["metadata"]["name"]}]
        return match

    def webhook(self, name: str = "pods") -> Object:
        """The webhook of that name in the only configuration: for Pods, or for the probe."""
        (match,) = [
            webhook
            for webhook in self.one("MutatingWebhookConfiguration")["webhooks"]
            if webhook["name"] == f"{name}.job-profiler.liqo.io"
        ]
        assert isinstance(match, dict)
        return match

    def pods(self) -> dict[str, Object]:
        """The Pod spec of each component."""
        return {
            deployment["metadata"]["labels"]["app.kubernetes.io/component"]: deployment["spec"]["template"][
                "spec"
            ]
            for deployment in self.of("Deployment")
        }

    def environment(self, component: str) -> dict[str, str]:
        """The environment variables of a component."""
        return variables_of(self.pods()[component])

    def rights(self, account: str) -> set[Right]:
        """The rights of a service account."""
        return set(self._rights(account))

    def _rights(self, account: str) -> Iterator[Right]:
        for binding in (*self.of("RoleBinding"), *self.of("ClusterRoleBinding")):
            subject = {"kind": "ServiceAccount", "name": account, "namespace": self._namespace}
            if subject not in binding["subjects"]:
                continue
            namespace = binding["metadata"].get("namespace", "*")
            for rule in self._role(binding)["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for name in rule.get("resourceNames", ["*"]):
                            for verb in rule["verbs"]:
                                yield namespace, group, resource, name, verb

    def _role(self, binding: Mapping[str, Any]) -> Object:
        """The role that a binding refers to; a Role is in the binding's own namespace."""
        reference, namespace = binding["roleRef"], binding["metadata"].get("namespace")
        (role,) = [
            role
            for role in self.of(reference["kind"])
            if role["metadata"]["name"] == reference["name"]
            and role["metadata"].get("namespace") == namespace
        ]
        return role


def container(pod: Mapping[str, Any]) -> Object:
    """The only container of a Pod spec."""
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


def variables_of(pod: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a Pod's container; one from a Secret has its source as value."""
    return {variable["name"]: _value(variable) for variable in container(pod)["env"]}


def _value(variable: Mapping[str, Any]) -> str:
    if "value" in variable:
        return str(variable["value"])
    source = variable["valueFrom"]
    if "fieldRef" in source:
        return DOWNWARD[source["fieldRef"]["fieldPath"]]
    return f"{source['secretKeyRef']['name']}/{source['secretKeyRef']['key']}"


def _qualified(metadata: Mapping[str, Any]) -> str:
    namespace = metadata.get("namespace", "profiling")
    name: str = metadata["name"]
    return name if namespace == "profiling" else f"{namespace}/{name}"


def project_version() -> str:
    """The version in pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def keys_of(value: object) -> Iterator[str]:
    """Every key of every mapping in *value*."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)
