"""The time that artifacts state as their own."""

import subprocess
from pathlib import Path

import pytest

from supply_chain.source_date import VARIABLE, WITHOUT_HISTORY, source_date_epoch

NOON = 1772366400


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_variable_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH is the convention of reproducible builds."""
    monkeypatch.setenv(VARIABLE, str(NOON))

    assert source_date_epoch(tmp_path) == NOON


def test_else_it_is_the_last_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committer's time, in seconds since the epoch."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "someone@example.org")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{NOON} +0000")
    for command in (("init",), ("commit", "--allow-empty", "--message=First")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)

    assert source_date_epoch(tmp_path) == NOON


def test_a_source_without_history_has_a_fixed_time(tmp_path: Path) -> None:
    """An unpacked source archive has no commits: the time is the one that hatchling uses too."""
    assert source_date_epoch(tmp_path) == WITHOUT_HISTORY
