"""Variables of other programs: a command is not stopped by a variable that it does not use."""

from collections.abc import Callable
from typing import Any

import pytest

from app.settings.environment import Settings
from tests.command_line.conftest import Program
from tests.command_line.options import COMMANDS
from tests.command_line.process import job_profiler

# The function that each command calls with its settings, and the arguments that the command needs.
CALLS = {
    "profile": ("profile.compute_and_print", ()),
    "status": ("status.print_status", ()),
    "probe": ("probe.probe_and_print", ()),
    "doctor": ("doctor.examine_and_print", ()),
    "backtest": ("backtest.backtest_and_print", ()),
    "record": ("record.record_and_print", ("--output", "usage.npz")),
    "explain": ("explain.explain_and_print", ("shop/web",)),
}
# Read from the environment without an option: limits of written profiles, and a selector that is refused.
WITHOUT_OPTION = {
    "profile": {"max_profiles", "profile_write_rate", "stale_after_days", "expire_after_days"},
    **{command: {"profiling_namespace_selector"} for command in ("backtest", "record", "explain")},
}
# No setting accepts this text, but for texts of any form.
FOREIGN = "<foreign>"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Settings]]:
    """Replaces a function of the command line, and returns the list of the settings that it receives."""

    def replace(function: str) -> list[Settings]:
        calls: list[Settings] = []
        monkeypatch.setattr(f"app.command_line.{function}", lambda settings, *_, **__: calls.append(settings))
        return calls

    return replace


@pytest.mark.parametrize("command", CALLS)
def test_variables_that_a_command_does_not_use_are_not_read(
    command: str,
    program: Program,
    received: Callable[[str], list[Settings]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a wrong text in each of these variables, the command runs with their defaults."""
    function, arguments = CALLS[command]
    calls = received(function)
    unused = Settings.model_fields.keys() - COMMANDS[command] - WITHOUT_OPTION.get(command, set())
    assert {"role", "log_level", "identity", "operating_mode"} <= unused
    for name in unused:
        monkeypatch.setenv(name.upper(), FOREIGN)

    outcome = program.run(command, *arguments)

    assert (outcome.code, outcome.err) == (0, "")
    [settings] = calls
    assert {name: getattr(settings, name) for name in unused} == {
        name: Settings.model_fields[name].default for name in unused
    }


@pytest.mark.parametrize("command", ["profile", "backtest", "explain"])
def test_a_history_file_needs_no_prometheus(
    command: str,
    program: Program,
    received: Callable[[str], list[Settings]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kubernetes sets PROMETHEUS_PORT=tcp://... beside a Service; with --history it is not read."""
    function, arguments = CALLS[command]
    calls = received(function)
    monkeypatch.setenv("PROMETHEUS_PORT", "tcp://10.0.0.1:9090")

    with_prometheus = program.run(command, *arguments)
    with_history = program.run(command, *arguments, "--history", "usage.npz")

    assert (with_prometheus.code, with_history.code) == (2, 0)
    assert [settings.prometheus_port for settings in calls] == [9090]


def test_a_variable_that_a_command_uses_is_checked(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profile` uses RISK; the message names the variable, which may be meant for another program."""
    monkeypatch.setenv("RISK", "HIGHEST")

    outcome = program.run("profile")

    assert (outcome.code, outcome.err) == (
        2,
        "job-profiler: RISK (--risk) is 'HIGHEST': use low, normal or high\n",
    )


def test_foreign_variables_in_the_real_process() -> None:
    """ROLE=admin, LOG_LEVEL=TRACE and an IDENTITY do not stop a command; `serve` names the first two."""
    foreign: dict[str, Any] = {"ROLE": "admin", "LOG_LEVEL": "TRACE", "IDENTITY": "me@example"}

    profile = job_profiler("profile", "--history", "app/demo/emojivoto.npz", **foreign)
    serve = job_profiler("serve", **foreign)

    assert (profile.returncode, profile.stderr) == (0, "")
    assert "\nemojivoto/web " in profile.stdout
    assert (serve.returncode, [line.split()[1] for line in serve.stderr.splitlines()]) == (
        2,
        ["ROLE", "LOG_LEVEL"],
    )
