"""Custom resources and the chart: every field, value and type, without a word of description."""

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
            yield from (f"{kind} column {_column(each)}" for each in version["additionalPrinterColumns"])
            yield from (f"{kind} {each}" for each in _fields("", version["schema"]["openAPIV3Schema"]))


def _column(column: Mapping[str, Any]) -> str:
    return f"{column['name']} {column['type']} {column['jsonPath']} priority {column.get('priority', 0)}"


def _fields(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, each in schema.get("properties", {}).items():
        limits = "".join(f" {key}={json.dumps(each[key])}" for key in _LIMITS if key in each)
        word = " required" if name in required else ""
        yield f"{path}.{name} {each.get('type', 'any')}{word}{limits}"
        yield from _fields(f"{path}.{name}", each)
    if isinstance(items := schema.get("items"), Mapping):
        yield f"{path}[] {items.get('type', 'any')}"
        yield from _fields(f"{path}[]", items)
    if isinstance(more := schema.get("additionalProperties"), Mapping):
        yield f"{path}.* {more.get('type', 'any')}"
        yield from _fields(f"{path}.*", more)


def chart_values() -> Iterator[str]:
    """Every path with its default."""
    yield from _values("", yaml.safe_load((CHART / "values.yaml").read_text()))


def _values(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _values(f"{path}.{key}" if path else str(key), each)
    else:
        yield f"{path} = {json.dumps(value)}"


def chart_schema() -> Iterator[str]:
    """Every path with what may stand there."""
    document = json.loads((CHART / "values.schema.json").read_text())
    yield from _paths("", document, document)


def _paths(path: str, schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    if path:
        yield f"{path}: {_type(schema)}"
    for name, each in schema.get("properties", {}).items():
        yield from _paths(f"{path}.{name}" if path else name, each, document)
    if isinstance(items := schema.get("items"), Mapping):
        yield from _paths(f"{path}[]", items, document)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {json.dumps(schema['enum'])}"
    if "type" in schema:
        kind = schema["type"]
        return kind if isinstance(kind, str) else " or ".join(kind)
    return " or ".join(_type(each) for each in schema.get("anyOf", schema.get("oneOf", []))) or "any"


def chart_keys() -> set[str]:
    """Keys and names of ours that stand in the chart's files."""
    files = [path for path in CHART.rglob("*") if path.suffix in {".yaml", ".tpl", ".json"}]
    return {match[0].strip(".-") for path in files for match in _KEY.finditer(path.read_text())}
