"""`--help`: each command lists its settings with unit, default and environment variable."""

import pytest

from app.command_line.options import metavar
from app.settings.environment import Settings
from app.version import VERSION
from docs.references.commands import commands
from tests.command_line.conftest import Program
from tests.command_line.options import COMMANDS

UNITS = {
    "prometheus_timeout": "Seconds",
    "prometheus_concurrency": "Queries",
    "prometheus_sample_budget": "Samples",
    "background_routine_update_time": "Seconds",
    "history_days": "Days",
    "profile_write_rate": "Maximum profile writes per second",
    "stale_after_days": "Days",
    "expire_after_days": "Days",
    "max_review_bytes": "Bytes",
    "max_client_connections": "Open",
    "max_client_connections_per_address": "Open",
    "backfill_rate": "Maximum Pods patched per second",
    "vpa_write_rate": "Maximum VerticalPodAutoscalers and statuses written per second",
    "shutdown_delay": "Seconds",
    "lease_retry_period": "Seconds",
    "lease_renew_deadline": "Seconds",
    "lease_duration": "Seconds",
    "min_samples": "5-minute samples",
    "service_graph_sampling": "Share of the requests",
    "timeslots": "Equal parts of the UTC day",
    "serving_certificate_lifetime": "Seconds",
    "authority_lifetime": "Seconds",
    "certificate_check_period": "Seconds",
    "trust_lag": "Seconds",
    "probe_interval": "Seconds",
    "cpu_price": "Price of one core",
    "memory_price": "Price of one GiB",
    "scheduling_min_confidence": "Minimum confidence (0 to below 1)",
    "scheduling_deadband": "A request is kept if it differs from the new one by at most this fraction",
    "scheduling_cpu_limit_ratio": "CPU limit = request x this ratio",
    "scheduling_memory_limit_ratio": "Memory limit = request x this ratio",
}


def squeezed(text: str) -> str:
    """*text* without white space, which depends on the width of the terminal."""
    return "".join(text.split())


def test_the_commands() -> None:
    """The registered commands are those of `COMMANDS`."""
    assert set(commands()) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_setting_with_default_and_variable(program: Program, command: str) -> None:
    """The long help has option, meaning, default and variable of exactly the command's settings."""
    outcome = program.run(*command.split(), "--help-all")
    if outcome.code == 2:  # a command without more settings than `--help` has
        outcome = program.run(*command.split(), "--help")

    assert outcome.code == 0
    text = squeezed(outcome.out)
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        assert (f"{flag}{metavar(name)}" in text) == (name in COMMANDS[command])
        if name in COMMANDS[command]:
            assert squeezed(f"{field.description} (default: ") in text
            assert f"environment:{name.upper()})" in text


def test_the_format_of_defaults(program: Program) -> None:
    """Lists have commas, booleans are true or false, empty defaults are `""`."""
    serve_help = squeezed(program.run("serve", "--help-all").out)

    for text in (
        "(default: 150; environment: BACKGROUND_ROUTINE_UPDATE_TIME)",
        "(default: kube-system,kube-public,kube-node-lease; environment: EXCLUDED_NAMESPACES)",
        "(default: true; environment: BACKGROUND_ROUTINE_ENABLED)",
        '(default: ""; environment: PROFILING_NAMESPACE)',
        "(default: combined; environment: ROLE)",
    ):
        assert squeezed(text) in serve_help


@pytest.mark.parametrize(
    ("name", "placeholder"),
    [
        ("role", "webhook|profiler|combined"),
        ("probe_enabled", "BOOL"),
        ("timeslots", "INT"),
        ("probe_interval", "FLOAT"),
        ("webhook_port", "INT"),
        ("profiling_namespace", "STRING"),
        ("prometheus_url", "STRING"),
    ],
)
def test_the_placeholder_of_a_value_is_its_choices_or_its_type(name: str, placeholder: str) -> None:
    """A setting with choices lists them; other settings have the name of their type."""
    assert metavar(name) == placeholder


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_a_number_that_measures_something_has_its_unit(name: str, unit: str) -> None:
    """The description of a measured setting starts with its unit."""
    assert (Settings.model_fields[name].description or "").startswith(unit)


def test_every_number_has_a_unit_or_is_a_count() -> None:
    """Each numeric setting is in `UNITS`, or is a port or a count."""
    numbers = {name for name, field in Settings.model_fields.items() if field.annotation in {int, float}}

    ports = {"prometheus_port", "webhook_port", "health_port"}
    counts = {"max_connections", "max_edges", "max_profiles", "max_workload_series"}
    assert numbers == UNITS.keys() | ports | counts


def test_without_a_command_the_commands_are_listed(program: Program) -> None:
    """Without arguments, the program lists its commands."""
    outcome = program.run()

    assert all(command.split()[0] in outcome.one_line for command in COMMANDS)
    assert "Traceback" not in outcome.one_line


def test_an_unknown_flag_is_named(program: Program) -> None:
    """Exit code 2, as for an invalid value."""
    outcome = program.run("serve", "--no-such-flag", "1")

    assert outcome.code == 2
    assert "--no-such-flag" in outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(program: Program, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 60 lines at 80 columns, with two examples, which are commands with options that exist."""
    monkeypatch.setenv("COLUMNS", "80")

    outcome = program.run(*command.split(), "--help")

    lines = outcome.out.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    examples = [line.strip() for line in lines if line.startswith("    ") and "job-profiler " in line]
    assert sum(f"job-profiler {command}" in example for example in examples) == 2
    listed = program.run(*command.split(), "--help-all")
    options = listed.out if listed.code == 0 else outcome.out
    for word in " ".join(examples).split():
        assert not word.startswith("-") or f"{word} " in options.replace(",", " "), word


@pytest.mark.parametrize("command", [name for name in COMMANDS if "kubeconfig" in COMMANDS[name] - {"serve"}])
def test_flags_of_kubectl(program: Program, command: str) -> None:
    """Each command that reads a cluster has kubectl's flags for it; `serve` acts as its kubeconfig says."""
    text = program.run(*command.split(), "--help").out

    flags = ("--context", "--as ", "--as-group", "--as-uid", "--as-user-extra", "-n, --namespace")
    assert [flag in text for flag in flags] == [command != "serve"] * len(flags)
    assert ("-A, --all-namespaces" in text) == (command not in {"serve", "status", "probe"})


def test_version(program: Program) -> None:
    """One line, the version of the wheel; also in a checkout that is not installed."""
    assert program.run("--version").out == f"job-profiler {VERSION}\n"
