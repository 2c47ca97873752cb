"""Every setting as a flag: the options are made from the settings, so that they can't differ."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Annotated, Any

import typer

from app.settings.environment import Settings, read_settings


def default_text(value: object) -> str:
    """A default as a person would type it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value) or "none"


def _parameter(name: str) -> inspect.Parameter:
    """One setting as an optional text option: what is wrong with it is said with all other faults."""
    field = Settings.model_fields[name]
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=f"{field.description} (default: {default_text(field.default)}; environment: {name.upper()})",
        show_default=False,
        metavar="TEXT" if isinstance(field.default, str | tuple) else "VALUE",
    )
    annotation = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def takes_settings(names: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command out of a function that takes `settings`: the settings *names* become its flags.

    Every setting is read from the environment all the same; SettingsError names all that are wrong.
    """
    chosen = tuple(names)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for name, p in inspect.signature(command).parameters.items() if name != "settings"]

        @wraps(command)
        def run(**given: Any) -> None:
            flags = {name: given.pop(name) for name in chosen}
            command(settings=read_settings(flags), **given)

        parameters = [*own, *map(_parameter, chosen)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate
