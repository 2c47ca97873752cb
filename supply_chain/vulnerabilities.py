"""Known vulnerabilities of the locked packages: `python -m supply_chain.vulnerabilities LOCK...`.

One line per lock file shows what is known. Exit code 0: every package was looked up, and none has a known
vulnerability; 1: the listed packages have some; 3: NOT AUDITED, because pip-audit gave no complete answer,
for example without a connection to its database. `--allow-unaudited` turns 3 into 0, for machines without
such a connection; the line stays. Options after `--` are passed to pip-audit.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

PIP_AUDIT = (
    *(sys.executable, "-m", "pip_audit"),
    *("--strict", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"),
)
NOT_AUDITED = "NOT AUDITED"


class Outcome(IntEnum):
    """What is known about the packages; the values are exit codes."""

    CLEAN = 0
    VULNERABLE = 1
    UNKNOWN = 3


class Audit(NamedTuple):
    """The outcome and the lines that explain it."""

    outcome: Outcome
    lines: list[str]


def main(arguments: Sequence[str]) -> int:
    """Runs pip-audit on each lock file; the worst outcome is the exit code."""
    parser = argparse.ArgumentParser(description="Looks up known vulnerabilities of locked packages.")
    parser.add_argument("locks", nargs="+", metavar="LOCK", help="a lock file with hashes")
    parser.add_argument(
        "--allow-unaudited", action="store_true", help="exit with 0 if the database can't be reached"
    )
    own, separator, passed = _split(arguments)
    options = parser.parse_args(own)
    audits = [audit(lock, passed if separator else ()) for lock in options.locks]
    for line in (line for found in audits for line in found.lines):
        print(line)
    worst = max(audits, key=lambda found: _SEVERITY[found.outcome]).outcome
    return int(Outcome.CLEAN if worst is Outcome.UNKNOWN and options.allow_unaudited else worst)


_SEVERITY = {Outcome.CLEAN: 0, Outcome.UNKNOWN: 1, Outcome.VULNERABLE: 2}


def _split(arguments: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    """The arguments before and after `--`."""
    if "--" not in arguments:
        return list(arguments), False, []
    at = list(arguments).index("--")
    return list(arguments[:at]), True, list(arguments[at + 1 :])


def audit(lock: str, options: Sequence[str] = ()) -> Audit:
    """Runs pip-audit on one lock file."""
    done = subprocess.run(
        [*PIP_AUDIT, *options, f"--requirement={lock}"], capture_output=True, text=True, check=False
    )
    return judged(lock, done.stdout, done.stderr)


def judged(lock: str, report: str, log: str) -> Audit:
    """The outcome by pip-audit's report: its exit code is 1 for a vulnerability and for a failure alike."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(Outcome.UNKNOWN, [f"{NOT_AUDITED}: {lock}: {_reason(log)}"])
    unknown = [entry for entry in dependencies if "vulns" not in entry]
    if unknown or not dependencies:
        reason = ", ".join(f"{entry['name']}: {entry.get('skip_reason', '')}" for entry in unknown)
        return Audit(Outcome.UNKNOWN, [f"{NOT_AUDITED}: {lock}: {reason or 'no package was looked up'}"])
    vulnerable = [_line(entry, known) for entry in dependencies for known in entry["vulns"]]
    if vulnerable:
        return Audit(Outcome.VULNERABLE, [f"VULNERABLE: {lock}: {line}" for line in vulnerable])
    return Audit(Outcome.CLEAN, [f"audited: {lock}: {len(dependencies)} packages, no known vulnerability"])


def _line(package: dict[str, Any], known: dict[str, Any]) -> str:
    fixed = ", ".join(known.get("fix_versions", ())) or "no release yet"
    return f"{package['name']} {package['version']}: {known['id']}, fixed in {fixed}"


def _reason(log: str) -> str:
    """The last line of pip-audit's log, which names the failure."""
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR:pip_audit._cli:") if lines else "pip-audit gave no report"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
