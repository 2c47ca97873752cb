"""`job-profiler backtest`: table, JSON, plots, and errors."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.command_line.conftest import Program
from tests.command_line.pasts import write_past
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

POLICIES = [
    *("low", "normal", "high", "krr", "krr-no-floor", "vpa", "vpa-no-floor", "autopilot", "clairvoyant"),
    "requests",
]


def table_rows(printed: str, title: str) -> dict[str, list[str]]:
    """The rows of the table below the line that begins with *title*, by policy."""
    _, _, below = printed.partition(f"\n{title}")
    lines = [line.split() for line in below.partition("\n\n")[0].splitlines()]
    return {line[0]: line[1:] for line in lines if line and line[0] in POLICIES}


def test_the_tables_have_a_row_for_each_policy(program: Program, tmp_path: Path) -> None:
    """The last of 15 days is evaluated for two containers, each with a request of four cores.

    `web` bursts to 2 cores for 10 of 288 samples (3.5 %), so its P95 is 1 core, and that of `database` half
    of it. The slack of the requests is (3/4 + 7/8) / 2 = 0.8125 for CPU and (2 - 1) / 2 for memory. Used are
    1 + 10/288 cores and half of that: .776 on average, and 4 - .776 = 3.224 cores are wasted, 4.154 times
    that. Three replicas of 4 cores and 2 GiB fit on one node.
    """
    past = write_past(tmp_path / "usage.npz", 15)

    outcome = program.run("backtest", "--history", past)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("Evaluated 2 container-days (2 containers, 2024-10-18 to 2024-10-18). ")
    of_cpu, of_memory = table_rows(outcome.out, "CPU"), table_rows(outcome.out, "Memory")
    packing = table_rows(outcome.out, "Packing on nodes of 32 cores and 128 GiB")
    assert list(of_cpu) == list(of_memory) == list(packing) == POLICIES
    assert of_cpu["requests"] == [
        *("0.812", "0.812", "3.224", "0.0000", "4.154", "0.0000", "0.00%", "0.00%", "0.000")
    ]
    assert of_memory["requests"] == [
        *("0.500", "1.000", "0.000", "1.000", "0.0000", "0.00%", "0.00%", "100.0%", "0.000")
    ]
    assert packing["requests"] == ["1.0", "0.00"]
    assert list(table_rows(outcome.out, "VPA's updater")) == ["normal", "vpa"]


def test_the_tables_are_readable_at_80_columns(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of a title and no figure is cut: a word is at most as long as the widest cell allows."""
    past = write_past(tmp_path / "usage.npz", 15)

    monkeypatch.setenv("COLUMNS", "80")
    printed = program.run("backtest", "--history", past).out

    assert max(map(len, printed.splitlines())) <= 80
    assert "…" not in printed


def test_predicted_risk_beside_observed_risk(program: Program, tmp_path: Path) -> None:
    """With bursts of 10 of 288 samples (3.5 %) on each of 15 days, `high` is below them, `low` is not.

    No time above on 14 past days gives a predicted risk of 3 % / 15 = .2 %.
    """
    past = write_past(tmp_path / "usage.npz", 15)

    outcome = program.run("backtest", "--history", past)
    scores = json.loads(program.run("backtest", "--history", past, "--json").out)["policies"]["high"]

    rows = table_rows(outcome.out, "Predicted and observed risk of this policy (means)")
    assert list(rows) == ["low", "normal", "high"]
    assert rows["low"][:2] == ["0.20%", "0.00%"]
    assert rows["high"][1] == "3.47%"
    assert float(rows["high"][0].rstrip("%")) == pytest.approx(100 * scores["cpu_expected_above"], abs=0.005)
    assert float(rows["high"][3].rstrip("%")) == pytest.approx(100 * scores["cpu_bound_held"])
    assert rows["high"][5] == "0.00%"


def test_json_has_the_keys_that_are_documented(program: Program, tmp_path: Path) -> None:
    """Standard output is JSON only; shares are fractions."""
    past = write_past(tmp_path / "usage.npz", 16, requests=False)

    outcome = program.run("backtest", "--history", past, "--json")

    scores = json.loads(outcome.out)
    assert (outcome.code, list(scores["policies"])) == (0, POLICIES[:-1])
    assert scores["policies"]["krr"]["cpu_time_above"] == pytest.approx(10 / 288)
    assert set(scores["frontier"]) == {"cpu", "memory"}


def test_a_short_history_is_replayed_with_a_note(program: Program, tmp_path: Path) -> None:
    """Of five days the last three are evaluated, with values from two to four days."""
    past = write_past(tmp_path / "usage.npz", 5)

    outcome = program.run("backtest", "--history", past)

    assert outcome.code == 0
    assert outcome.out.startswith("Evaluated 6 container-days (2 containers, ")
    assert outcome.err == (
        f"{past} has 5 UTC days of usage, fewer than 15: values are computed from 2 to 4 days instead of 14,"
        " and days 3 to 5 are evaluated\n"
    )


def test_of_a_single_day_the_hours_after_the_first_six_are_evaluated(
    program: Program, tmp_path: Path
) -> None:
    """The containers' bursts are in their first hours, so nothing is above a value; JSON says so too."""
    past = write_past(tmp_path / "usage.npz", 1)

    outcome = program.run("backtest", "--history", past)
    scores = json.loads(program.run("backtest", "--history", past, "--json").out)

    assert outcome.code == 0
    assert outcome.err == (
        f"{past} has too little usage to evaluate days: values are computed from the first 6 hours of each"
        " container, and the 24 hours after them are evaluated\n"
    )
    assert outcome.out.startswith("Evaluated 2 container-days (2 containers, 2024-10-04 to 2024-10-04). ")
    assert table_rows(outcome.out, "CPU")["normal"][6] == "0.00%"
    assert "Packing" not in outcome.out
    assert (scores["judged"]["short_past"], scores["updater"]) == (True, {})


def test_less_than_twelve_hours_are_refused(program: Program, tmp_path: Path) -> None:
    """Exit code 2; the message has what is needed."""
    past = write_past(tmp_path / "usage.npz", 1, steps=143)

    outcome = program.run("backtest", "--history", past)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"job-profiler: no container of {past} can be evaluated: it needs CPU and memory samples in the first"
        " 6 hours of the container, and in 6 hours after them\n"
    )


def test_plots_are_written(program: Program, tmp_path: Path) -> None:
    """The plots are the frontier and one per container; the folder is created."""
    past, plots = write_past(tmp_path / "usage.npz", 15), tmp_path / "new" / "plots"

    outcome = program.run("backtest", "--history", past, "--plot", plots)

    assert (outcome.code, outcome.err) == (0, f"3 plots written to {plots}\n")
    names = ["StatefulSet_shop_database_main.svg", "frontier.svg", "shop_web_server.svg"]
    assert sorted(path.name for path in plots.iterdir()) == names
    for path in plots.iterdir():
        assert ET.fromstring(path.read_text()).tag.endswith("svg")


@pytest.mark.parametrize(("name", "magic"), [("frontier.png", b"\x89PNG"), ("slack.SVG", b"<svg ")])
def test_a_file_has_the_frontier(program: Program, tmp_path: Path, name: str, magic: bytes) -> None:
    """A name that ends in .svg or .png is that of one file."""
    past, plot = write_past(tmp_path / "usage.npz", 2), tmp_path / name

    outcome = program.run("backtest", "--history", past, "--plot", plot)

    assert outcome.code == 0
    assert outcome.err.endswith(f"slack against risk written to {plot}\n")
    assert plot.read_bytes().startswith(magic)


def test_a_folder_may_have_a_dot_in_its_name_if_it_exists(program: Program, tmp_path: Path) -> None:
    """A new name with an ending could be a mistyped file."""
    folder = tmp_path / "plots.2026"
    folder.mkdir()

    assert program.run("backtest", "--history", write_past(tmp_path / "a.npz", 2), "--plot", folder).code == 0
    assert (folder / "frontier.svg").exists()


def test_another_ending_is_refused_before_the_replay(program: Program) -> None:
    """The history file is not even opened: there is none."""
    outcome = program.run("backtest", "--history", "/nowhere/usage.npz", "--plot", "slack.pdf")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "job-profiler: --plot is 'slack.pdf': the name of a file must end in .svg or .png, and a new folder's"
        " name has no ending\n"
    )


def test_without_the_extra_only_plots_fail(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of None fails as that of a missing package does."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    past = write_past(tmp_path / "usage.npz", 2)

    outcome = program.run("backtest", "--history", past, "--plot", tmp_path / "plots")

    assert program.run("backtest", "--history", past).code == 0
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "job-profiler: --plot needs packages that are not installed:"
        " pip install 'kubernetes-job-profiler[dashboard]'\n"
    )
    assert not (tmp_path / "plots").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "0"], "--days is 0: no day is read"),
        (["--history", "/nowhere/usage.npz"], "/nowhere/usage.npz: there is no such file"),
        (["--prometheus-port", "0"], "PROMETHEUS_PORT (--prometheus-port) is '0'"),
    ],
)
def test_wrong_arguments_are_named(program: Program, arguments: list[str], message: str) -> None:
    """Exit code 2 and a message of one line."""
    outcome = program.run("backtest", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"job-profiler: {message}")
    assert len(outcome.err.splitlines()) == 1


def test_selectors_need_a_cluster(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace selector is rejected, because this command cannot read labels."""
    monkeypatch.setenv("PROFILING_NAMESPACE_SELECTOR", "team=web")

    outcome = program.run("backtest", "--history", write_past(tmp_path / "usage.npz", 2))

    assert (outcome.code, outcome.out) == (2, "")
    assert "PROFILING_NAMESPACE_SELECTOR (--profiling-namespace-selector) is 'team=web'" in outcome.err


async def test_prometheus_is_queried_for_whole_days(program: Program, api_server: FakeApiServer) -> None:
    """The queries end at the last midnight. KRR's value is never exceeded by constant usage."""
    prometheus = EmojivotoPrometheus()
    serve(api_server, prometheus)

    outcome = await program.run_beside("backtest", "--prometheus-url", api_server.url, "--days", 3, "--json")

    scores = json.loads(outcome.out)
    assert outcome.code == 0
    # web-svc, linkerd-proxy, voting-svc, emoji-svc and vote-bot on two days.
    assert (scores["days"], scores["judged"]["container_days"]) == (3, 10)
    assert scores["policies"]["krr"]["cpu_time_above"] == 0
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    ends = {question.end for question in prometheus.questions if question.signal in {"cpu", "memory"}}
    assert max(ends) <= midnight


async def test_an_empty_prometheus(program: Program, api_server: FakeApiServer) -> None:
    """Exit code 1; the message names the server."""
    serve(api_server, EmojivotoPrometheus(containers={}))

    outcome = await program.run_beside("backtest", "--prometheus-url", api_server.url, "--days", 2)

    assert (outcome.code, outcome.out) == (1, "")
    assert f"{api_server.url} has no usage of any container in scope" in outcome.err
