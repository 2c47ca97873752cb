"""`job-profiler status`: what is shown of the report and of the Lease."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.command_line.status import show
from app.kubernetes import paths
from tests.command_line.conftest import Outcome, Program
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
STATUS_MAP = paths.config_map("profiling", "job-profiler-status")
LEASE = paths.lease("profiling", "job-profiler")
NO_MESH = "Prometheus holds no service mesh metrics: CPU and memory profiles only"
WELL: dict[str, Any] = {
    "pastPodsAttributedBy": "names",
    "signals": [
        {
            "signal": "cpu",
            "state": "Ok",
            "reason": "Answered",
            "message": "",
            "since": "2026-03-04T11:00:00Z",
        },
        {
            "signal": "connections",
            "state": "Absent",
            "reason": "NoMesh",
            "message": NO_MESH,
            "since": "2026-03-04T11:00:00Z",
        },
    ],
    "profiles": {"cpu": 4, "memory": 3, "connection": 0},
    "workloadsWithoutProfile": {},
    "workloadsWithoutProfileTotal": 0,
    "namespacesWithUnattributedPods": [],
    "probe": {"state": "Ok", "reasons": [], "message": "", "since": "2026-03-04T10:00:00Z"},
}


def lease(holder: str = "profiler-1", *, age_seconds: float = 1, now: datetime = NOON) -> dict[str, Any]:
    renewed = (now - timedelta(seconds=age_seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}


def failing(message: str) -> dict[str, Any]:
    return WELL | {
        "signals": [WELL["signals"][0] | {"state": "Failing", "reason": "Unreachable", "message": message}]
    }


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a person sees of a report and a Lease, line by line with single spaces."""

    def lines(report: dict[str, Any], spec: dict[str, Any]) -> list[str]:
        show(report, spec, NOON)
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_all_is_well(shown: Any) -> None:
    """Leader, counts and one line per signal; nothing about workloads where none lacks a profile."""
    assert shown(WELL, lease()) == [
        "Leader: profiler-1 (seen 1 s ago)",
        "Webhook: answers (probed; since 2026-03-04T10:00:00Z)",
        "Profiles: 4 cpu, 3 memory, 0 connection",
        "Past Pods find their workload by: names",
        "SIGNAL STATE SINCE REASON MESSAGE",
        "cpu Ok 2026-03-04T11:00:00Z Answered",
        f"connections Absent 2026-03-04T11:00:00Z NoMesh {NO_MESH}",
    ]


@pytest.mark.parametrize(
    "message",
    [
        "http://[::1]:9090 can't be reached",
        "unexpected [/closing] of [bold]something[/bold]",
        "series :key: and \\[a-z]+",
    ],
)
def test_a_message_is_shown_as_it_is(shown: Any, message: str) -> None:
    """Brackets and colons in it are no markup; they neither vanish nor end the program."""
    assert f"cpu Failing 2026-03-04T11:00:00Z Unreachable {message}" in shown(failing(message), lease())


def test_reasons_are_listed_below_their_total(shown: Any) -> None:
    """The report lists two of 2,345: the total is that of all."""
    reasons = {"shop/api": "NoSamples: no usage of its Pods was found", "shop/web": "TooFewSamples: fewer"}
    report = WELL | {
        "workloadsWithoutProfile": reasons,
        "workloadsWithoutProfileTotal": 2345,
        "namespacesWithUnattributedPods": ["db", "shop"],
    }

    assert shown(report, lease())[7:] == [
        "",
        "2345 workloads without a profile:",
        "WORKLOAD REASON",
        "shop/api NoSamples: no usage of its Pods was found",
        "shop/web TooFewSamples: fewer",
        "",
        "Namespaces with Pods of no known workload: db, shop",
    ]


@pytest.mark.parametrize(
    ("spec", "leader"),
    [
        pytest.param({}, "none (is the profiler running?)", id="never-held"),
        pytest.param(lease(""), "none (is the profiler running?)", id="freed"),
        pytest.param({"holderIdentity": "profiler-1"}, "none (is the profiler running?)", id="never-renewed"),
        pytest.param(lease(age_seconds=15), "profiler-1 (seen 15 s ago)", id="about-to-run-out"),
        pytest.param(
            lease(age_seconds=16),
            "none (profiler-1 was last seen 16 s ago: what follows may be out of date)",
            id="just-run-out",
        ),
        pytest.param(
            lease(age_seconds=3600),
            "none (profiler-1 was last seen 3600 s ago: what follows may be out of date)",
            id="stale",
        ),
        pytest.param(lease(age_seconds=-5), "profiler-1 (seen 0 s ago)", id="clock-of-the-leader-is-ahead"),
    ],
)
def test_who_leads(shown: Any, spec: dict[str, Any], leader: str) -> None:
    """A Lease that was not renewed within its duration has no holder any more."""
    assert shown(WELL, spec)[0] == f"Leader: {leader}"


@pytest.mark.parametrize(
    ("probe", "line"),
    [
        (None, "not probed yet"),
        ({"state": "Off", "reasons": [], "since": "s"}, "not probed (PROBE_ENABLED is false)"),
        (
            {
                "state": "Failing",
                "reasons": ["EntryChanged", "NotTrusted"],
                "message": "rules is [x]",
                "since": "s",
            },
            "EntryChanged, NotTrusted (since s): rules is [x]",
        ),
        ({"something": "else"}, "not probed yet"),
    ],
    ids=["none", "off", "failing", "by-hand"],
)
def test_what_the_self_probe_found(shown: Any, probe: dict[str, Any] | None, line: str) -> None:
    """Below the leader who probes; a failure with all its causes and what to do."""
    assert shown(WELL | {"probe": probe}, lease())[1] == f"Webhook: {line}"


class TestOverTheWire:
    """The whole command against a fake API server."""

    @pytest.fixture
    def cluster(self, api_server: FakeApiServer) -> FakeApiServer:
        """A profiler has reported, and leads."""
        self.reports(api_server, WELL)
        held = {"spec": lease("profiler-1", now=datetime.now(UTC))}
        api_server.on("GET", LEASE, answers(held))
        return api_server

    @staticmethod
    def reports(server: FakeApiServer, report: dict[str, Any] | None) -> None:
        """Put *report* where the profiler keeps it; None as the chart renders the ConfigMap."""
        told = dict(report or {})
        documents = {"probe.json": told.pop("probe", None), "status.json": told}
        data = {key: json.dumps(document) for key, document in documents.items() if document}
        server.on("GET", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}, "data": data}))

    @staticmethod
    async def status(program: Program, server: FakeApiServer, directory: Path, *more: str) -> Outcome:
        """The command with the credentials of *server*."""
        return await program.run_beside("status", "--kubeconfig", server.kubeconfig(directory), *more)

    async def test_the_report_and_the_leader(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """Two GETs, nothing else, and exit code 0."""
        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.err) == (0, "")
        assert "Leader: profiler-1 (seen" in outcome.out
        assert "Profiles: 4 cpu, 3 memory, 0 connection" in outcome.out
        assert [request.verb for request in cluster.requests] == ["GET", "GET"]

    async def test_json_is_the_report_with_the_lease(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """For scripts: the document itself, and the Lease's spec beside it."""
        outcome = await self.status(program, cluster, tmp_path, "-o", "json")

        document = json.loads(outcome.out)
        assert document.pop("lease")["holderIdentity"] == "profiler-1"
        assert document == WELL

    async def test_without_a_lease_nobody_leads(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """It was deleted: the report is shown all the same."""
        cluster.on("GET", LEASE, refuses(404, "not found"))

        outcome = await self.status(program, cluster, tmp_path)

        assert outcome.code == 0
        assert "Leader: none (is the profiler running?)" in outcome.out

    async def test_no_report_yet(self, program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
        """The chart renders an empty ConfigMap: exit code 1, and where to look."""
        self.reports(cluster, None)

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err == (
            "job-profiler: no profiler has reported in namespace profiling yet: see the logs of its Pods\n"
        )

    @pytest.mark.parametrize(
        ("status", "words"),
        [(403, "forbidden to you"), (404, "it comes with the Helm chart"), (503, "503 Service Unavailable")],
    )
    async def test_an_api_server_that_refuses(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, status: int, words: str
    ) -> None:
        """One line that says what was refused, and exit code 1."""
        cluster.on("GET", STATUS_MAP, refuses(status, "forbidden to you"))

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 1)
        assert words in outcome.err


def test_a_kubeconfig_that_is_not_there(program: Program, tmp_path: Path) -> None:
    """Its path is named, with the setting that holds it."""
    outcome = program.run("status", "--kubeconfig", tmp_path / "none")

    assert outcome.code == 1
    assert f"{tmp_path / 'none'}" in outcome.err
    assert "KUBECONFIG (--kubeconfig)" in outcome.err


def test_an_unknown_output(program: Program) -> None:
    """Exit code 2, and the two that there are."""
    outcome = program.run("status", "-o", "yaml")

    assert (outcome.code, outcome.err) == (2, "job-profiler: --output is 'yaml': use table or json\n")
