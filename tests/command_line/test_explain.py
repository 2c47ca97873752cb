"""`job-profiler explain`: words, numbers and a plot for one workload."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.command_line.conftest import Program
from tests.command_line.pasts import write_past


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Sixteen days, the last one whole too."""
    return write_past(tmp_path / "usage.npz", 16)


def test_the_words_tell_samples_window_candidate_and_other_choices(program: Program, past: Path) -> None:
    """Two replicas in each of 288 steps of 15 days: 8640 samples; 14 days before the last one count.

    KRR's memory is 1 GiB and 15 %: 1234803098 bytes; the request of 4 cores is named, too.
    """
    outcome = program.run("explain", "shop/web", "--history", past)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("shop/web, as of 2024-10-20T00:00:00Z\n\nserver, CPU: ")
    assert "8640 samples of at most 2 replicas at a time; the choice rests on 14 UTC days" in outcome.said
    assert "It is the largest of the days'" in outcome.said
    assert "nine days of ten keep to" in outcome.said
    assert "cheapest of 50 candidates, where cost is slack and 7.7 times that risk" in outcome.said
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["krr", "1234803098"] in [line[:2] for line in lines]
    assert ["requests", "4.000"] in [line[:2] for line in lines]
    assert sum(line[:1] == ["2024-10-18"] for line in lines) == 2


def test_risk_changes_the_price(program: Program, past: Path) -> None:
    """The setting's level is the one that is explained."""
    outcome = program.run("explain", "shop/web", "--history", past, "--risk", "low")

    assert "where cost is slack and 19.8 times that risk" in outcome.said


@pytest.mark.parametrize("named", ["shop/database", "StatefulSet/shop/database", "statefulset/shop/database"])
def test_a_kind_may_be_left_out(program: Program, past: Path, named: str) -> None:
    """Where there is only one workload of that name; its spelling does not matter."""
    outcome = program.run("explain", named, "--history", past)

    assert outcome.code == 0
    assert outcome.out.startswith("StatefulSet/shop/database, as of ")


def test_the_plot_is_written(program: Program, past: Path, tmp_path: Path) -> None:
    """One panel for CPU and one for memory."""
    file = tmp_path / "web.svg"

    assert program.run("explain", "shop/web", "--history", past, "--plot", file).code == 0

    told = [each.text for each in ET.fromstring(file.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert {"server: cpu", "server: memory", "requests", "normal"} <= set(told)


@pytest.mark.parametrize(
    ("named", "code", "message"),
    [
        ("web", 2, "WORKLOAD is 'web': use NAMESPACE/NAME or KIND/NAMESPACE/NAME"),
        ("shop/wep", 1, "knows no workload shop/wep; it knows shop/web"),
        ("DaemonSet/shop/web", 1, "knows no workload shop/web; it knows shop/web"),
        ("store/web", 1, "knows no usage in the namespace store"),
    ],
)
def test_a_workload_that_is_not_there(
    program: Program, past: Path, named: str, code: int, message: str
) -> None:
    """What is known instead is named."""
    outcome = program.run("explain", named, "--history", past)

    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_plot_that_can_not_be_written_is_named(program: Program, past: Path) -> None:
    """Exit code 2."""
    outcome = program.run("explain", "shop/web", "--history", past, "--plot", "/nowhere/web.svg")

    assert outcome.code == 2
    assert "job-profiler: --plot is '/nowhere/web.svg', which can't be written" in outcome.err
