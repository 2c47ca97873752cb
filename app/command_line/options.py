"""Command-line options, generated from the settings so that both always agree."""

import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, cast

import typer

from app.settings.environment import Settings, read_settings


def default_text(value: object) -> str:
    """*value* in the form in which a user would type it; `""` if it is empty."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value) or '""'
    return str(value) or '""'


def metavar(name: str) -> str:
    """The placeholder of a setting's value in the help: its choices, or its type."""
    kind = Settings.model_fields[name].annotation
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "|".join(kind)
    return {bool: "BOOL", int: "INT", float: "FLOAT"}.get(cast("type", kind), "STRING")


def _parameter(name: str) -> inspect.Parameter:
    """The option of one setting. It takes any text: `read_settings` validates all settings together."""
    field = Settings.model_fields[name]
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=f"{field.description} (default: {default_text(field.default)}; environment: {name.upper()})",
        show_default=False,
        metavar=metavar(name),
    )
    annotation = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def takes_settings(names: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turns a function with a parameter `settings` into a command with an option for each setting in *names*.

    Settings without an option are still read from the environment. SettingsError lists all faults.
    """
    option_names = tuple(names)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own_parameters = [
            p for name, p in inspect.signature(command).parameters.items() if name != "settings"
        ]

        @wraps(command)
        def run(**arguments: Any) -> None:
            flags = {name: arguments.pop(name) for name in option_names}
            command(settings=read_settings(flags), **arguments)

        parameters = [*own_parameters, *map(_parameter, option_names)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate
