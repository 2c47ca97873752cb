"""The page of custom resources: every column and every field of the CRDs, with type and description."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docs.references.markdown import code, table

_CRDS = Path(__file__).parents[2] / "crds"
_INTRODUCTION = """\
# Custom resources

The API group is `webapp.liqo.io.profiling/v1`. The contract is in `spec`; `status` has the data behind it.
What the fields are for is in [what a profile holds](../profiles.md); how programs find and read profiles, in
[consume profiles](../consume.md). A field in a list is written with `[]`.
"""
_LIMITS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
}


def page() -> str:
    """The text of the page."""
    lines = [_INTRODUCTION]
    for file in sorted(_CRDS.glob("*.yaml")):
        lines += _resource(yaml.safe_load(file.read_text()))
    return "\n".join(lines)


def _resource(crd: Mapping[str, Any]) -> Iterator[str]:
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    short = ", ".join(
        map(code, [names["plural"], *names.get("shortNames", ()), *names.get("categories", ())])
    )
    yield from (
        f"## {names['kind']}",
        "",
        schema["description"],
        "",
        f"`kubectl get` knows it as {short}.",
        "",
    )
    yield from table(
        ("Column", "Type", "Meaning", "Shown"),
        (
            (
                column["name"],
                column["type"],
                column["description"],
                "wide" if column.get("priority") else "always",
            )
            for column in version["additionalPrinterColumns"]
        ),
    )
    yield from table(("Field", "Type", "Meaning"), _fields("", schema))


def _fields(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A row for each field below *schema*, but for the metadata that every object has."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        if not path and name in {"apiVersion", "kind", "metadata"}:
            continue
        own = f"{path}.{name}" if path else name
        is_list = field.get("type") == "array"
        kind = f"{_type(field)}{', required' if name in required else ''}"
        yield code(f"{own}[]" if is_list else own), kind, field.get("description", "")
        inner = field.get("items", {}) if is_list else field
        yield from _fields(f"{own}[]" if is_list else own, inner)
        if isinstance(values := inner.get("additionalProperties"), Mapping):
            yield from _fields(f"{own}.*", values)


def _type(field: Mapping[str, Any]) -> str:
    """The type with its format, choices and limits."""
    name = str(field.get("type", "any"))
    if name == "array":
        name = f"list of {field['items'].get('type', 'any')}"
    parts = [name, *([field["format"]] if "format" in field else [])]
    parts += [text.format(field[key]) for key, text in _LIMITS.items() if key in field]
    if "enum" in field:
        parts.append(f"one of {', '.join(map(str, field['enum']))}")
    if "pattern" in field:
        parts.append(code(field["pattern"]))
    return ", ".join(parts)
