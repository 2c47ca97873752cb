"""The page of commands: usage, arguments, options with defaults and variables, and examples of each."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import typer.main

from app.command_line.options import default_text, metavar
from app.command_line.root import program
from app.settings.environment import Settings
from docs.references.markdown import code, table

_INTRODUCTION = """\
# Commands

`job-profiler COMMAND --help` shows the options that are used most, `--help-all` every one. How a command
finds the cluster and Prometheus is in [the command line](../command-line.md); the command for each daily
question, with its output, in [commands for daily questions](../commands.md).

Exit codes: 0 done; 1 a source, the cluster or a check failed; 2 a setting, an option or a file is invalid.
"""


def page() -> str:
    """The text of the page."""
    lines = [_INTRODUCTION]
    for name, command in commands().items():
        lines += [f"## {name}", "", inspect.cleandoc(command.help or ""), ""]
        lines += [f"Usage: `{_usage(name, command)}`", "", *_tables(command)]
        lines += ["```text", *_examples(command), "```", ""]
    return "\n".join(lines)


def commands() -> dict[str, Any]:
    """The commands by name, in order; those of a group have its name before their own."""
    return dict(sorted(_commands("", typer.main.get_command(program))))


def _commands(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{prefix}{name} ", command)
        else:
            yield f"{prefix}{name}", command


def _usage(name: str, command: Any) -> str:
    arguments = [one.metavar or one.name.upper() for one in _parameters(command, "argument")]
    required = [
        f"{one.opts[0]} {_placeholder(one)}" for one in _parameters(command, "option") if one.required
    ]
    return " ".join(["job-profiler", name, *arguments, *required, "[OPTIONS]"])


def _tables(command: Any) -> Iterator[str]:
    """The tables of arguments, of own options, and of settings."""
    arguments = _parameters(command, "argument")
    rows = [(code(one.metavar or one.name.upper()), one.help or "") for one in arguments]
    yield from table(("Argument", "Meaning"), rows)
    options = _parameters(command, "option")
    own = [one for one in options if one.name not in Settings.model_fields]
    yield from table(("Option", "Default", "Meaning"), map(_own_row, own))
    settings = [one for one in options if one.name in Settings.model_fields]
    yield from table(("Setting", "Variable", "Default", "Meaning"), map(_setting_row, settings))


def _parameters(command: Any, kind: str) -> list[Any]:
    return [one for one in command.params if one.param_type_name == kind]


def _own_row(option: Any) -> Sequence[str]:
    has_default = not option.is_flag and option.default not in {None, ""}
    default = "required" if option.required else code(default_text(option.default) if has_default else "")
    return _names(option), default, option.help or ""


def _setting_row(option: Any) -> Sequence[str]:
    field = Settings.model_fields[option.name]
    return (
        _names(option),
        code(option.name.upper()),
        code(default_text(field.default)),
        field.description or "",
    )


def _names(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    return code(names if option.is_flag else f"{names} {_placeholder(option)}")


def _placeholder(option: Any) -> str:
    if option.name in Settings.model_fields:
        return metavar(option.name)
    return str(option.metavar or "VALUE")


def _examples(command: Any) -> list[str]:
    """The lines of the command's examples, below their heading."""
    lines = [line.strip() for line in (command.epilog or "").replace("\b", "").splitlines()]
    return [line for line in lines if line and line != "Examples:"]
