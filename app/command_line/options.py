"""Command-line options, generated from the settings so that both always agree."""

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, cast

import typer
from typer.core import TyperOption

from app.command_line.cluster_access import ClusterAccess, choose_access, read_overrides
from app.domain.profiles import RiskLevel
from app.errors import SettingsError
from app.lean_imports import import_without
from app.settings.environment import Settings, read_settings

Output = Annotated[
    str, typer.Option("--output", "-o", help="Output format: table, wide, json, yaml, csv or markdown")
]

Risk = Annotated[
    str | None,
    typer.Option("--risk", metavar="LEVEL", help="Take the stored needs at low, normal or high risk"),
]


def risk_level(text: str | None) -> RiskLevel | None:
    """The level that the option `--risk` names.

    Raises:
        SettingsError: it is none.
    """
    if text is None:
        return None
    if text not in set(RiskLevel):
        raise SettingsError([f"--risk is {text!r}: use low, normal or high"])
    return RiskLevel(text)


def examples(*commands: str) -> str:
    """The end of a help, with each command on a line of its own."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])


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


def _parameter(name: str, *, aliases: Sequence[str] = (), hidden: bool = False) -> inspect.Parameter:
    """The option of one setting. It takes any text: `read_settings` validates all settings together."""
    field = Settings.model_fields[name]
    option = typer.Option(
        *aliases,
        f"--{name.replace('_', '-')}",
        help=f"{field.description} (default: {default_text(field.default)}; environment: {name.upper()})",
        show_default=False,
        metavar=metavar(name),
        hidden=hidden,
    )
    return _optional(name, Annotated[str | None, option], None)


def _optional(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _show_all(context: typer.Context, *, value: bool) -> None:
    """Prints the help with the options that `--help` leaves out."""
    if value:
        for parameter in context.command.params:
            if isinstance(parameter, TyperOption):
                parameter.hidden = False
        typer.echo(context.get_help())
        raise typer.Exit


def _help_all(count: int) -> inspect.Parameter:
    text = f"Show {count} more settings, with default and environment variable, and exit."
    option = typer.Option("--help-all", help=text, is_eager=True, callback=_show_all, show_default=False)
    return _optional("help_all", Annotated[bool, option], default=False)


def _text_option(flag: str, text: str) -> object:
    return Annotated[str | None, typer.Option(flag, help=text, metavar="NAME", show_default=False)]


def _list_option(flag: str, metavar: str, text: str) -> object:
    return Annotated[list[str] | None, typer.Option(flag, help=text, metavar=metavar, show_default=False)]


# Named as kubectl's, and with their meaning.
_CLUSTER_PARAMETERS = (
    _optional("context", _text_option("--context", "Context of the kubeconfig"), None),
    _optional("as_", _text_option("--as", "User to act as, as in kubectl"), None),
    _optional("as_group", _list_option("--as-group", "NAME", "Group to act as; repeat it for several"), None),
    _optional("as_uid", _text_option("--as-uid", "UID to act as"), None),
    _optional(
        "as_user_extra",
        _list_option("--as-user-extra", "KEY=VALUE", "Extra field of the user to act as"),
        None,
    ),
)
_CONTEXTS = _optional(
    "context",
    _list_option("--context", "NAME", "Context of the kubeconfig; repeat it for several clusters"),
    None,
)
_ALL_NAMESPACES = _optional(
    "all_namespaces",
    Annotated[
        bool,
        typer.Option(
            "--all-namespaces", "-A", help="All namespaces, not only that of the context", show_default=False
        ),
    ],
    default=False,
)
_PROFILED = "profiling_namespace"


def takes_settings(
    names: Iterable[str],
    *,
    also_read: Iterable[str] = (),
    shown: Collection[str] = (),
    namespace: str = "",
    several_contexts: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turns a function with a parameter `settings` into a command with an option for each setting in *names*.

    The settings in *also_read* have no option and are read from the environment. All others have their
    defaults, so that a variable of another program does not stop the command. SettingsError lists all faults.
    `--help` has the settings *shown*, or all if there are none; `--help-all` has all.

    With *namespace*, the setting that `-n` stands for, the command reads the cluster: it has kubectl's flags
    for that, and the function a parameter `access`. With *several_contexts*, `--context` may be repeated, and
    the function has a parameter `contexts` too.
    """
    option_names = tuple(names)
    variables = {*option_names, *also_read}
    hidden = {name for name in option_names if shown and name not in shown}
    own_of_namespace = ("-n", "--namespace")
    asks_prometheus = bool(namespace) and "prometheus_url" in option_names  # `serve` may be a webhook
    cluster = (
        *([_CONTEXTS, *_CLUSTER_PARAMETERS[1:]] if several_contexts else _CLUSTER_PARAMETERS),
        *([_ALL_NAMESPACES] if namespace == _PROFILED else []),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own_parameters = [
            p
            for name, p in inspect.signature(command).parameters.items()
            if name not in {"settings", "access", "contexts"}
        ]

        @wraps(command)
        def run(**arguments: Any) -> None:
            arguments.pop("help_all", None)
            flags = {name: arguments.pop(name) for name in option_names}
            if several_contexts:
                arguments["contexts"] = tuple(arguments.pop("context") or ())
                arguments["context"] = next(iter(arguments["contexts"]), None)
            if namespace:
                arguments["access"] = _access(flags, arguments)
            used = variables if arguments.get("history") is None else _without_prometheus(variables)
            # structlog would load rich for colours that no line has, httpx its own command line with click
            # and pygments: together a sixth of a command's start.
            import_without("rich", "structlog")
            if asks_prometheus:
                import_without("click", "httpx")
            command(settings=read_settings(flags, used), **arguments)

        parameters = [*own_parameters]
        parameters += (
            _parameter(name, aliases=own_of_namespace if name == namespace else (), hidden=name in hidden)
            for name in option_names
        )
        parameters += cluster if namespace else ()
        parameters += [_help_all(len(hidden))] if hidden else []
        run.__dict__["__signature__"] = inspect.Signature(parameters)  # typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _access(flags: dict[str, Any], arguments: dict[str, Any]) -> ClusterAccess:
    """The access by the flags, which are taken from *arguments*; `-A` removes the namespaces of *flags*."""
    overrides = read_overrides(
        arguments.pop("context"),
        arguments.pop("as_"),
        arguments.pop("as_uid"),
        arguments.pop("as_group") or (),
        arguments.pop("as_user_extra") or (),
    )
    all_namespaces = arguments.pop("all_namespaces", False)
    if all_namespaces:
        flags[_PROFILED] = ""
    kubeconfig = read_settings({"kubeconfig": flags["kubeconfig"]}, ("kubeconfig",)).kubeconfig
    return choose_access(kubeconfig, overrides, all_namespaces=all_namespaces)


_OF_CONNECTIONS = frozenset({"network_metric_provider", "service_graph_sampling"})


def _without_prometheus(names: Iterable[str]) -> set[str]:
    """The settings that a command uses if it reads a history file."""
    return {name for name in names if "prometheus" not in name and name not in _OF_CONNECTIONS}
