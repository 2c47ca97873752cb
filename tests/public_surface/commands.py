"""The public surface of the command line: settings, options, exit codes, and keys of JSON output."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click
import typer.main

from tests.public_surface.application import Settings, typer_program

REPOSITORY = Path(__file__).parents[2]
HISTORY = REPOSITORY / "tests" / "public_surface" / "stored" / "history.npz"
_HIDDEN = ("title", "description")
# Nothing listens on this address.
_UNREACHABLE = """
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {token: none}}]
current-context: none
"""
_RUNS: Mapping[str, tuple[str, ...]] = {
    "help": ("--help",),
    "no command": (),
    "unknown command": ("nonsense",),
    "unknown option": ("status", "--nonsense"),
    "wrong setting": ("serve", "--role", "nonsense"),
    "two wrong settings": ("serve", "--timeslots=5", "--log-level=loud"),
    "setting out of range": ("profile", "--history-days", "99"),
    "wrong output": ("profile", "--output", "xml"),
    "missing history file": ("profile", "--history", "{missing}"),
    "history file of no history": ("profile", "--history", "{kubeconfig}"),
    "history without profiles": ("profile", "--history", "{history}", "--profiling-namespace=nobody"),
    "profiles of a history": ("profile", "--history", "{history}"),
    "history and apply": ("profile", "--history", "{history}", "--apply"),
    "backtest of no days": ("backtest", "--history", "{history}", "--days=0"),
    "unknown workload": ("explain", "nobody/nothing", "--history", "{history}"),
    "missing kubeconfig": ("status", "--kubeconfig={missing}"),
    "unreachable API server": ("status", "--kubeconfig={kubeconfig}"),
    "probe without API server": ("probe", "--kubeconfig={kubeconfig}"),
    "unreachable Prometheus": (
        "profile",
        "--prometheus-url=http://127.0.0.1:9",
        "--prometheus-timeout=1",
        "--network-metric-provider=none",
    ),
}
_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "profile -o json": ("profile", "--history", "{history}", "-o", "json"),
    "backtest --json": ("backtest", "--history", "{history}", "--json"),
}


def settings() -> Iterator[str]:
    """Name, type with limits, and default of each setting."""
    schema = Settings.model_json_schema()
    for name, field in schema["properties"].items():
        schema_of_field = {key: value for key, value in field.items() if key not in _HIDDEN}
        if reference := schema_of_field.pop("$ref", None):
            schema_of_field |= {"enum": schema["$defs"][reference.rpartition("/")[2]]["enum"]}
        yield f"{name.upper()} {json.dumps(schema_of_field, sort_keys=True)}"


def options() -> Iterator[str]:
    """Each command with its options and arguments."""
    program = cast("click.Group", typer.main.get_command(typer_program))
    for name, command in sorted(_commands("", program)):
        yield f"{name}"
        for parameter in command.params:
            kind = "argument" if parameter.param_type_name == "argument" else "option"
            names = "/".join(sorted(parameter.opts))
            required = " required" if parameter.required else ""
            yield f"{name} {kind} {names}{' flag' if getattr(parameter, 'is_flag', False) else ''}{required}"


def _commands(prefix: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """The commands by name; those of a group have its name before their own."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{prefix}{name} ", cast("click.Group", command))
        else:
            yield f"{prefix}{name}", command


def exit_codes() -> Iterator[str]:
    """The exit code of each run, and whether standard error has a line of the program itself."""
    with tempfile.TemporaryDirectory() as directory:
        for name, arguments in _RUNS.items():
            done = run(Path(directory), arguments)
            named = ", named" if "job-profiler: " in done.stderr else ""
            assert "Traceback" not in done.stderr, done.stderr
            yield f"{name}: {done.returncode}{named}"


def json_outputs() -> Iterator[str]:
    """Every path of the documents that commands print; `*` replaces names, `[]` list items."""
    with tempfile.TemporaryDirectory() as directory:
        for name, arguments in _OUTPUTS.items():
            document = json.loads(run(Path(directory), arguments).stdout)
            yield from (f"{name}: {path}" for path in sorted(set(paths_of("", document))))


def paths_of(path: str, value: Any) -> Iterator[str]:
    """The paths of all leaves of a document."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from paths_of(f"{path}.{key}", item)
    elif isinstance(value, list) and value:
        for item in value:
            yield from paths_of(f"{path}[]", item)
    else:
        yield path


def run(directory: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Runs `job-profiler` in a process without any setting of this environment."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(_UNREACHABLE)
    names = {"missing": directory / "missing", "kubeconfig": kubeconfig, "history": HISTORY}
    setting_names = {name.upper() for name in Settings.model_fields}
    return subprocess.run(
        [sys.executable, "-m", "app", *(argument.format_map(names) for argument in arguments)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in setting_names}
        | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
