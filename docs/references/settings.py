"""The page of settings: every field of `Settings`, in a table for each concern."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.command_line.options import default_text
from app.settings.environment import Settings
from docs.references.markdown import code, table

_INTRODUCTION = """\
# Settings

Each setting is an environment variable of the Pods and a flag of the commands: `PROMETHEUS_URL` is
`--prometheus-url`, and the flag goes first. All invalid settings are named at once, before anything starts; a
command reads only the variables of the settings that it uses. The chart sets most of them from its
[values](chart-values.md), the others through `extraEnv`.
"""

_TITLES = {"TlsSettings": "Certificates", "ServingSettings": "Process"}
_TYPES: Mapping[object, str] = {bool: "true or false", int: "whole number", float: "number"}


def page() -> str:
    """The text of the page."""
    lines = [_INTRODUCTION]
    for concern in _concerns():
        summary = (concern.__doc__ or "").strip()
        lines += [f"## {_title(concern)}", "", summary, ""]
        names = [name for name in Settings.model_fields if name in concern.__annotations__]
        lines += table(("Variable", "Default", "Value", "Meaning"), map(_row, names))
    return "\n".join(lines)


def _concerns() -> Iterator[type[BaseModel]]:
    """The classes that `Settings` is composed of, in the order of their fields."""
    classes = [cls for cls in Settings.__mro__ if cls.__module__.startswith("app.settings.")]
    return reversed([cls for cls in classes if cls is not Settings and issubclass(cls, BaseModel)])


def _title(concern: type[BaseModel]) -> str:
    return _TITLES.get(concern.__name__, concern.__name__.removesuffix("Settings"))


def _row(name: str) -> tuple[str, str, str, str]:
    field = Settings.model_fields[name]
    return code(name.upper()), code(default_text(field.default)), _value(field), field.description or ""


def _value(field: FieldInfo) -> str:
    """The choices or the type of a value, with its limits."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    name = _TYPES.get(kind, "text")
    return ", ".join([name, *_limits(field)])


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if (bound := getattr(limit, attribute, None)) is not None:
                yield f"{sign} {bound}"
