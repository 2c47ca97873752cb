"""The public surface of custom resources and chart: fields, values and types, without descriptions."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "charts" / "job-profiler"
_KEY = re.compile(r"[\w.-]*liqo\.io(?:\.[a-z.]+)?(?:/[\w-]+)?")
_LIMITS = (
    "enum",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
)


def custom_resources() -> Iterator[str]:
    """Names, fields with type and limits, and printer columns of each kind."""
    for path in sorted((CHART / "files" / "crds").glob("*.yaml")):
        spec = yaml.safe_load(path.read_text())["spec"]
        names, kind = spec["names"], spec["names"]["kind"]
        yield f"{kind}: group {spec['group']}, scope {spec['scope']}"
        yield f"{kind}: {', '.join(f'{key} {names[key]}' for key in sorted(names))}"
        for version in spec["versions"]:
            yield f"{kind} {version['name']}: served {version['served']}, stored {version['storage']}"
            subresources = sorted(version.get("subresources", {}))
            yield f"{kind} {version['name']}: subresources {', '.join(subresources)}"
            yield from (f"{kind} column {_column(column)}" for column in version["additionalPrinterColumns"])
            yield from (f"{kind} {field}" for field in _fields("", version["schema"]["openAPIV3Schema"]))


def _column(column: Mapping[str, Any]) -> str:
    return f"{column['name']} {column['type']} {column['jsonPath']} priority {column.get('priority', 0)}"


def _fields(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        limits = "".join(f" {key}={json.dumps(field[key])}" for key in _LIMITS if key in field)
        suffix = " required" if name in required else ""
        yield f"{path}.{name} {field.get('type', 'any')}{suffix}{limits}"
        yield from _fields(f"{path}.{name}", field)
    if isinstance(items := schema.get("items"), Mapping):
        yield f"{path}[] {items.get('type', 'any')}"
        yield from _fields(f"{path}[]", items)
    if isinstance(additional := schema.get("additionalProperties"), Mapping):
        yield f"{path}.* {additional.get('type', 'any')}"
        yield from _fields(f"{path}.*", additional)


def chart_values() -> Iterator[str]:
    """Every path of values.yaml with its default."""
    yield from _values("", yaml.safe_load((CHART / "values.yaml").read_text()))


def _values(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _values(f"{path}.{key}" if path else str(key), inner)
    else:
        yield f"{path} = {json.dumps(value)}"


def chart_schema() -> Iterator[str]:
    """Every path of values.schema.json with its type or allowed values."""
    document = json.loads((CHART / "values.schema.json").read_text())
    yield from _paths("", document, document)


def _paths(path: str, schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    if path:
        yield f"{path}: {_type(schema)}"
    for name, inner in schema.get("properties", {}).items():
        yield from _paths(f"{path}.{name}" if path else name, inner, document)
    if isinstance(items := schema.get("items"), Mapping):
        yield from _paths(f"{path}[]", items, document)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {json.dumps(schema['enum'])}"
    if "type" in schema:
        kind = schema["type"]
        return kind if isinstance(kind, str) else " or ".join(kind)
    return " or ".join(_type(option) for option in schema.get("anyOf", schema.get("oneOf", []))) or "any"


def chart_keys() -> set[str]:
    """The project's keys and names in the chart's files."""
    files = [path for path in CHART.rglob("*") if path.suffix in {".yaml", ".tpl", ".json"}]
    return {match[0].strip(".-") for path in files for match in _KEY.finditer(path.read_text())}
