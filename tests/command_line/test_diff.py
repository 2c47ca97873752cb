"""`job-profiler diff`: two JSON outputs of one command."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conftest import Program
from tests.decisions.manifests import need


def document(kind: str, **amounts: float) -> dict[str, Any]:
    """An output with the amount of CPU of each workload."""
    workloads = [
        {"namespace": "shop", "kind": "Deployment", "name": name, "cpu": {"amount": amount}}
        for name, amount in amounts.items()
    ]
    return {"kind": kind, "workloads": workloads}


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """A function that writes documents to files and returns their paths."""

    def write(*documents: object) -> list[Path]:
        paths = [tmp_path / f"{number}.json" for number in range(len(documents))]
        for path, content in zip(paths, documents, strict=True):
            path.write_text(json.dumps(content))
        return paths

    return write


def test_changes_the_largest_first(program: Program, files: Any) -> None:
    """2 → 1.5 and nothing → 0.25; what is equal is left out. Sums: 3 → 2.75, that is -8.3 %."""
    before, after = document("Savings", web=2, api=1), document("Savings", web=1.5, api=1, new=0.25)

    outcome = program.run("diff", *files(before, after))

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[:5] == [
        "Requested and not needed, over all Pods",
        "WORKLOAD  RESOURCE       AMOUNT  CHANGE  UNIT",
        "shop/web  cpu       2000m→1500m   -0.50  cores",
        "shop/new  cpu         none→250m   +0.25  cores",
        "",
    ]
    assert "Sum of cpu: 3000m→2750m (-8.3%)." in outcome.out


def test_csv_has_exact_numbers(program: Program, files: Any) -> None:
    """Both amounts have columns of their own; a missing one is empty."""
    paths = files(document("Plan", web=2), document("Plan", web=1.5, new=0.25))

    rows = list(csv.DictReader(io.StringIO(program.run("diff", *paths, "-o", "csv").out)))

    assert [(row["before"], row["after"]) for row in rows] == [("2", "1.5"), ("", "0.25")]


@pytest.mark.parametrize(("limit", "code"), [("10%", 0), ("9", 1)])
def test_fail_over(program: Program, files: Any, limit: str, code: int) -> None:
    """The sum grows from 2 to 2.2 cores: by 10 %, which is not over 10 %."""
    paths = files(document("Plan", web=2), document("Plan", web=2.2))

    outcome = program.run("diff", *paths, "--fail-over", limit)

    assert outcome.code == code
    assert ("the sums grew: cpu +10.0 %, over 9 %" in outcome.err) == bool(code)


def test_two_lists_of_profiles(program: Program, files: Any) -> None:
    """The needs of one Pod, as `profile -o json` prints them."""
    lists = [
        {"kind": "List", "items": [need("memory", "web", value)]} for value in ("104857600", "209715200")
    ]

    outcome = program.run("diff", *files(*lists), "-o", "json")

    (amount,) = json.loads(outcome.out)["amounts"]
    assert (amount["name"], amount["before"], amount["after"]) == ("web", 104857600, 209715200)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (document("Plan", web=1), "one is of kind Plan, and the other of kind Savings"),
        ({"kind": "Pod"}, "it is no output of savings, plan or profile with -o json"),
        ([], "it is no output of savings"),
    ],
)
def test_other_documents(program: Program, files: Any, second: object, message: str) -> None:
    """Exit code 2, and what is wrong."""
    outcome = program.run("diff", *files(document("Savings", web=1), second))

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "1" + "0" * 400])
def test_a_number_that_is_not_finite(program: Program, tmp_path: Path, number: str) -> None:
    """Two workloads, of which one has such an amount: exit code 2, with the name of the file."""
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(document("Savings", web=1, api=7)).replace("7", number))

    outcome = program.run("diff", path, path)

    assert outcome.code == 2
    assert f"{path} can't be read as JSON: {number[:20]} is no finite number" in outcome.err


def test_an_amount_that_is_no_number(program: Program, files: Any) -> None:
    """JSON's `true` is a number in Python; the amount counts as missing."""
    outcome = program.run("diff", *files(document("Plan", web=True), document("Plan", web=1)), "-o", "json")

    assert [one["before"] for one in json.loads(outcome.out)["amounts"]] == [None]


def test_a_file_that_is_no_json(program: Program, tmp_path: Path) -> None:
    """Exit code 2, with the name of the file."""
    path = tmp_path / "none.json"

    outcome = program.run("diff", path, path)

    assert outcome.code == 2
    assert f"{path} can't be read as JSON" in outcome.err
