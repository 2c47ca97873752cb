"""The schemas of `crds/` accept exactly what the profiler writes."""

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from app.domain.custom_resources import GROUP, KINDS, VERSION
from app.domain.profiles import ProfileKind
from tests.chart.profiles import PROFILES, crowded, manifest_of, plural_of, status_of
from tests.chart.rendered import REPOSITORY

pytestmark = pytest.mark.chart

every_kind = pytest.mark.parametrize("resource", PROFILES)
formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def _is_rfc_3339(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def crd_of(resource: str) -> dict[str, Any]:
    crd = yaml.safe_load((REPOSITORY / "crds" / f"{plural_of(resource)}.yaml").read_text())
    assert isinstance(crd, dict)
    return crd


def schema_of(resource: str) -> dict[str, Any]:
    (version,) = crd_of(resource)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    assert isinstance(schema, dict)
    return schema


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema in *schema*, with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with unknown fields refused, which the API server would drop silently."""
    result = copy.deepcopy(dict(schema))
    for path, node in nodes(result):
        if "properties" in node and path != ".metadata":
            node["additionalProperties"] = False  # type: ignore[index] # nodes of the test's own copy
    return result


def faults(resource: str, manifest: Mapping[str, Any]) -> list[str]:
    """The paths in *manifest* that the schema refuses."""
    validator = Draft202012Validator(closed(schema_of(resource)), format_checker=formats)
    return [error.json_path for error in validator.iter_errors(manifest)]


@every_kind
def test_names_are_the_contracts(resource: str) -> None:
    """Group, version, kind and plural are those of the program; status is a subresource."""
    spec = crd_of(resource)["spec"]
    (version,) = spec["versions"]

    assert crd_of(resource)["metadata"]["name"] == f"{plural_of(resource)}.{GROUP}"
    assert (spec["group"], version["name"], spec["scope"]) == (GROUP, VERSION, "Namespaced")
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (
        KINDS[ProfileKind(resource)].kind,
        plural_of(resource),
    )
    assert spec["names"]["shortNames"] == [{"cpu": "cpup", "memory": "memp", "connection": "connp"}[resource]]
    assert spec["names"]["categories"] == ["profiling"]
    assert version["subresources"] == {"status": {}}


@every_kind
def test_schemas_are_structural(resource: str) -> None:
    """Each node has a type and a description; each required field and each key of a list is declared."""
    for path, node in nodes(schema_of(resource)):
        assert "type" in node, path
        assert node.get("description", "").endswith(".") or path == ".metadata", path
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), path
        assert not {"$ref", "additionalProperties", "x-kubernetes-validations"} & node.keys(), path
        if node["type"] == "array":
            keys = node.get("x-kubernetes-list-map-keys", [])
            assert set(keys) <= set(node["items"].get("required", ())), path
            assert node["x-kubernetes-list-type"] == ("map" if keys else "atomic"), path


@every_kind
def test_every_written_profile_fits(resource: str) -> None:
    """A profile from the profiler is valid, and each of its fields is declared."""
    for status in (status_of(resource), *crowded(resource)):
        assert faults(resource, manifest_of(resource, "profiling") | {"status": status}) == []


@every_kind
def test_every_declared_field_is_written(resource: str) -> None:
    """Status and spec declare nothing that the profiler never writes, except conditions."""
    spec = manifest_of(resource, "profiling")["spec"]
    written = [{"spec": spec, "status": status} for status in (status_of(resource), *crowded(resource))]
    declared = {
        path
        for path, _ in nodes(schema_of(resource))
        if path.startswith((".spec", ".status")) and ".conditions" not in path
    }

    assert declared == {path for whole in written for path in _paths(whole)}


def _paths(value: object, path: str = "") -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{path}[]")


@every_kind
def test_a_condition_fits(resource: str) -> None:
    """A condition like those of Kubernetes is valid; one without a reason is not."""
    stale = {
        "type": "Stale",
        "status": "True",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-03-01T12:00:00Z",
        "reason": "NoSamples",
        "message": "the last sample is 3 days old",
    }
    profile = manifest_of(resource, "profiling")

    assert faults(resource, profile | {"status": {"conditions": [stale]}}) == []
    del stale["reason"]
    assert faults(resource, profile | {"status": {"conditions": [stale]}}) == ["$.status.conditions[0]"]


BAD_VALUES = [
    ("cpu", "spec.cpuProfiling.value", "0.02"),
    ("cpu", "spec.cpuProfiling.value", "20m"),
    ("cpu", "spec.cpuProfiling.value", ".020"),
    ("cpu", "spec.cpuProfiling.value", "-0.020"),
    ("cpu", "spec.cpuProfiling.value", 0.02),
    ("cpu", "spec.cpuProfiling.updateTime", "2021-04-06 06:53:01.64 +0000 UTC m=+15.2"),
    ("memory", "spec.memoryProfiling.value", "0"),
    ("memory", "spec.memoryProfiling.value", "17.5"),
    ("memory", "spec.memoryProfiling.value", "16Mi"),
    ("memory", "spec.memoryProfiling.value", 17106488),
    ("connection", "spec.bandwidth_requirement", "47.1"),
    ("connection", "spec.bandwidth_requirement", "NaN"),
    ("connection", "spec.source_job", "Web"),
    ("connection", "spec.source_job", "w" * 254),
    ("connection", "spec.destination_namespace", "emoji.voto"),
    ("connection", "spec.destination_namespace", "e" * 64),
    ("connection", "status.requestsPerMinute", "23"),
    ("connection", "status.requestBytesPerSecond", "51.2"),
    ("connection", "status.responseBytesPerSecond", "00"),
    ("cpu", "status.confidence", "1.01"),
    ("cpu", "status.coverage", "97%"),
    ("cpu", "status.samples", -1),
    ("cpu", "status.slots.0.start", "24:00"),
    ("cpu", "status.slots.0.end", "24:01"),
    ("cpu", "status.slots.1.value", "0.1"),
    ("memory", "status.containers.0.value", "0"),
    ("memory", "status.containers.0.name", "Web"),
    ("memory", "status.window.end", "yesterday"),
    ("cpu", "status.explanation", "w" * 4097),
    ("cpu", "status.containers.1.role", "Init"),
    ("cpu", "status.signals.0.reason", "Evicted"),
    ("memory", "status.signals.0.raisedBy", "20%"),
    ("memory", "status.signals.0.lastSeen", "yesterday"),
]


@pytest.mark.parametrize(("resource", "path", "value"), BAD_VALUES, ids=lambda part: str(part)[:40])
def test_a_bad_value_is_refused(resource: str, path: str, value: object) -> None:
    """A value in a wrong format is refused with its path, and no other path is refused."""
    profile = copied(manifest_of(resource, "profiling") | {"status": status_of(resource)})
    *parents, field = path.split(".")
    inner = profile
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    inner[field] = value

    assert faults(resource, profile) == ["$." + path.replace(".0", "[0]").replace(".1", "[1]")]


MISSING = [
    ("cpu", "$", ("spec",)),
    ("cpu", "$.spec", ("spec", "cpuProfiling")),
    ("cpu", "$.spec.cpuProfiling", ("spec", "cpuProfiling", "value")),
    ("memory", "$.spec.memoryProfiling", ("spec", "memoryProfiling", "updateTime")),
    *(("connection", "$.spec", ("spec", field)) for field in manifest_of("connection", "profiling")["spec"]),
]


@pytest.mark.parametrize(("resource", "place", "path"), MISSING, ids=lambda part: str(part)[:40])
def test_a_missing_field_is_refused(resource: str, place: str, path: tuple[str, ...]) -> None:
    """Each field that the contract requires is required by the schema."""
    profile = copied(manifest_of(resource, "profiling"))
    inner = profile
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]

    assert faults(resource, profile) == [place]


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))
