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


def takes_settings(
    names: Iterable[str], *, also_read: Iterable[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turns a function with a parameter `settings` into a command with an option for each setting in *names*.

    The settings in *also_read* have no option and are read from the environment. All others have their
    defaults, so that a variable of another program does not stop the command. SettingsError lists all faults.
    """
    option_names = tuple(names)
    variables = {*option_names, *also_read}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own_parameters = [
            p for name, p in inspect.signature(command).parameters.items() if name != "settings"
        ]

        @wraps(command)
        def run(**arguments: Any) -> None:
            flags = {name: arguments.pop(name) for name in option_names}
            used = variables if arguments.get("history") is None else _without_prometheus(variables)
            command(settings=read_settings(flags, used), **arguments)

        parameters = [*own_parameters, *map(_parameter, option_names)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _without_prometheus(names: Iterable[str]) -> set[str]:
    """The settings that a command uses if it reads a history file."""
    return {name for name in names if "prometheus" not in name and name != "network_metric_provider"}
