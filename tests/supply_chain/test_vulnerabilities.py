"""A missing answer of the vulnerability database is never a clean one: pip-audit runs on a lock file."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from supply_chain.vulnerabilities import Outcome, judged
from tests.supply_chain.environment import REPOSITORY, run_program
from tests.supply_chain.vulnerability_database import vulnerability_database

HASH = "0" * 64
LOCK = f"alpha==1.0.0 --hash=sha256:{HASH}\nbeta==2.0.0 --hash=sha256:{HASH}\n"
FLAW: dict[str, Any] = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "A flaw",
    "details": "A flaw",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "beta"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0.1"}]}],
        }
    ],
}
NOBODY = "http://127.0.0.1:9/v1/query"  # the port of `discard`, where nothing listens


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(LOCK)
    return file


def audited(lock: Path, database: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the audit on one lock file, with the database at that URL."""
    pip_audit = ("--", "--vulnerability-service=osv", f"--osv-url={database}", "--timeout=5")
    return run_program("vulnerabilities", *options, lock, *pip_audit)


def test_packages_without_known_vulnerability_are_clean(lock: Path) -> None:
    """The database is asked for both packages and knows nothing of either: exit code 0."""
    with vulnerability_database({}) as database:
        done = audited(lock, database)

    assert done.returncode == 0
    assert done.stdout == f"audited: {lock}: 2 packages, no known vulnerability\n"


@pytest.mark.parametrize("options", [(), ("--allow-unaudited",)])
def test_a_known_vulnerability_fails(lock: Path, options: tuple[str, ...]) -> None:
    """Version 2.0.0 of `beta` has a flaw that 2.0.1 fixes: exit code 1, whatever is allowed."""
    with vulnerability_database({"beta": FLAW}) as database:
        done = audited(lock, database, *options)

    assert done.returncode == 1
    assert done.stdout == f"VULNERABLE: {lock}: beta 2.0.0: PYSEC-2026-1, fixed in 2.0.1\n"


def test_an_unreachable_database_is_not_a_clean_one(lock: Path) -> None:
    """Without a database the line says NOT AUDITED and the exit code is 3; only a flag makes it 0."""
    refused = audited(lock, NOBODY)
    allowed = audited(lock, NOBODY, "--allow-unaudited")

    assert (refused.returncode, allowed.returncode) == (3, 0)
    for done in (refused, allowed):
        assert done.stdout.startswith(f"NOT AUDITED: {lock}: ")
        assert "no known vulnerability" not in done.stdout


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}], "fixes": []}', Outcome.CLEAN),
        ('{"dependencies": [{"name": "a", "skip_reason": "no version"}], "fixes": []}', Outcome.UNKNOWN),
        ('{"dependencies": [], "fixes": []}', Outcome.UNKNOWN),
        ("[]", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
    ],
    ids=["all looked up", "one skipped", "nothing looked up", "another format", "no report"],
)
def test_only_a_complete_report_is_clean(report: str, outcome: Outcome) -> None:
    """A package that was skipped, an empty list and no report at all are unknown, not clean."""
    assert judged("requirements.lock", report, "").outcome is outcome


def test_every_package_of_a_release_is_audited() -> None:
    """`make audit` names the locks of everything that is shipped, builds it and tests it.

    requirements-aws.lock and requirements-dev.lock have every package of requirements.lock, in one version.
    """
    makefile = (REPOSITORY / "Makefile").read_text()
    [audited_locks] = [line for line in makefile.splitlines() if line.startswith("AUDITED := ")]
    names = audited_locks.removeprefix("AUDITED := ").split()

    assert set(names) == {f"requirements-{part}.lock" for part in ("aws", "build", "dev")}
    runtime = _pins("requirements.lock")
    assert runtime <= _pins("requirements-aws.lock") & _pins("requirements-dev.lock")


def _pins(lock: str) -> set[str]:
    lines = (REPOSITORY / lock).read_text().splitlines()
    return {line.removesuffix(" \\") for line in lines if "==" in line and not line.startswith(" ")}
