"""Nothing that a tenant or a server writes controls the terminal of who runs a command."""

import io
import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from rich.table import Table

from app.command_line.plain_console import console
from app.command_line.printout import OutputFormat
from app.command_line.profile_report import profiles_printout
from app.command_line.status import show
from app.command_line.terminal import print_error, print_out
from app.runtime.logs import configure_logs
from app.settings.types import LogFormat

# Clears the screen, renames the window, adds a line, reverses the order, and is markup.
HOSTILE = "web\x1b[2J\x1b]0;owned\x07\nLeader: forged\u202e[red]\x9b31m"
SHOWN = r"web\x1b[2J\x1b]0;owned\x07\nLeader: forged\u202e[red]\x9b31m"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
# What rich itself writes to a terminal: colours and weights.
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def is_harmless(printed: str) -> bool:
    """True if each line, without styles, has printable characters only."""
    return all(STYLES.sub("", line).isprintable() for line in printed.split("\n"))


@pytest.mark.parametrize("is_terminal", [False, True])
def test_text_and_cells_are_escaped(is_terminal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """In a line, in a cell, in a heading and in a title."""
    out = console()
    out.file, out._force_terminal = io.StringIO(), is_terminal
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    out.print(HOSTILE)
    out.print(table)

    printed = out.file.getvalue()
    assert is_harmless(printed)
    assert STYLES.sub("", printed).count(SHOWN) == 4


def test_the_status_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """A report with hostile text in every place has one line that begins with `Leader: `."""
    report: dict[str, Any] = {
        "pastPodsAttributedBy": HOSTILE,
        "signals": [dict.fromkeys(("signal", "state", "since", "reason", "message"), HOSTILE)],
        "profiles": {HOSTILE: 1},
        "workloadsWithoutProfile": {HOSTILE: HOSTILE},
        "workloadsWithoutProfileTotal": 1,
        "workloadsWithoutProfileByReason": {HOSTILE: {"existing": 1, "past": 0}},
        "namespacesWithUnattributedPods": [HOSTILE],
        "faults": {HOSTILE: HOSTILE},
        "faultsTotal": 1,
        "probe": {
            "state": "Failing",
            "since": HOSTILE,
            "reasons": [HOSTILE],
            "message": HOSTILE,
            "faults": {HOSTILE: HOSTILE},
        },
        "containerJobs": [HOSTILE, HOSTILE],
        "droppedEdges": {HOSTILE: [HOSTILE]},
        "absurdNeeds": {HOSTILE: HOSTILE},
    }

    show(report, {"holderIdentity": HOSTILE, "renewTime": "2026-03-04T12:00:00Z"}, NOON)

    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert len([line for line in printed.splitlines() if line.startswith("Leader: ")]) == 1


def test_profiles_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Identity, name, value and confidence of stored objects are text of whoever wrote them."""
    keys = ("workload-kind", "workload-namespace", "workload-name")
    needs = {
        "kind": "CPUProfile",
        "metadata": {
            "name": HOSTILE,
            "annotations": {f"job-profiler.liqo.io/{key}": HOSTILE for key in keys},
        },
        "spec": {"cpuProfiling": {"value": HOSTILE}},
        "status": {"samples": 1, "confidence": HOSTILE},
    }
    ends = ("source_job", "source_namespace", "destination_job", "destination_namespace")
    connection = {
        "kind": "ConnectionProfile",
        "metadata": {"name": HOSTILE},
        "spec": dict.fromkeys((*ends, "bandwidth_requirement"), HOSTILE),
        "status": {},
    }

    print_out(profiles_printout([needs, connection]), OutputFormat.WIDE)

    assert is_harmless(capsys.readouterr().out)


def test_errors_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of Prometheus's error is one line on standard error."""
    print_error(f"cpu: {HOSTILE}")

    assert capsys.readouterr().err == f"cpu: {SHOWN}\n"


@pytest.mark.parametrize("log_format", LogFormat)
def test_log_lines_are_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log_format: LogFormat
) -> None:
    """Of values, also in a list, and of the message of an exception; JSON has the exact text."""
    monkeypatch.setattr(logging.root, "handlers", [])
    before = structlog.get_config()
    configure_logs("info", log_format)
    log = structlog.get_logger("app.test")
    try:
        try:
            int(HOSTILE)
        except ValueError:
            log.exception("failed", name="\x1b[2J", names=[HOSTILE])
    finally:
        structlog.configure(**before)
        logging.getLogger("app").setLevel(logging.NOTSET)

    written = capsys.readouterr().err
    assert is_harmless(written)
    if log_format is LogFormat.JSON:
        assert json.loads(written)["names"] == [HOSTILE]
