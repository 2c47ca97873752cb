"""`job-profiler status`: the report and the leader as text and JSON."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.command_line.status import show
from app.kubernetes import paths
from tests.command_line.conftest import Outcome, Program
from tests.command_line.decided_cluster import serve_namespaces
from tests.command_line.status_signals import NO_MESH, SIGNALS
from tests.kubernetes.fake_api_server import Answer, FakeApiServer, answers, listed, refuses

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
STATUS_MAP = paths.config_map("profiling", "job-profiler-status")
LEASE = paths.lease("profiling", "job-profiler")
WELL: dict[str, Any] = {
    "pastPodsAttributedBy": "names",
    "signals": SIGNALS,
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
    """A function that returns the printed lines for a report and a Lease, with single spaces."""

    def lines(report: dict[str, Any], spec: dict[str, Any]) -> list[str]:
        show(report, spec, NOON)
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_all_is_well(shown: Any) -> None:
    """Prints leader, counts and signals; no list of workloads if all have profiles."""
    assert shown(WELL, lease()) == [
        "Leader: profiler-1 (Lease renewed 1 s ago)",
        "Webhook: reachable (since 2026-03-04T10:00:00Z)",
        "Profiles: 4 cpu, 3 memory, 0 connection",
        "Terminated Pods matched by: name pattern",
        "",
        "SIGNAL STATE SINCE REASON MESSAGE",
        "cpu Ok 2026-03-04T11:00:00Z Answered -",
        f"connections Absent 2026-03-04T11:00:00Z NoMesh {NO_MESH}",
    ]


@pytest.mark.parametrize(
    ("by", "text"),
    [("names", "name pattern"), ("kube-state-metrics", "kube-state-metrics"), ("", "nothing yet")],
)
def test_the_match_of_terminated_pods(shown: Any, by: str, text: str) -> None:
    """The fourth line has the source of the owners of terminated Pods; "names" is spelled out."""
    assert shown(WELL | {"pastPodsAttributedBy": by}, lease())[3] == f"Terminated Pods matched by: {text}"


@pytest.mark.parametrize(
    "message",
    [
        "http://[::1]:9090 can't be reached",
        "unexpected [/closing] of [bold]something[/bold]",
        "series :key: and \\[a-z]+",
    ],
)
def test_a_message_is_shown_as_it_is(shown: Any, message: str) -> None:
    """Brackets and colons in a message are printed as text, not as markup."""
    assert f"cpu Failing 2026-03-04T11:00:00Z Unreachable {message}" in shown(failing(message), lease())


def test_reasons_are_listed_below_their_total(shown: Any) -> None:
    """The report lists two of 2,345 workloads; the printed total is 2345, with the numbers by reason."""
    reasons = {"shop/api": "NoSamples: no usage of its Pods was found", "shop/web": "TooFewSamples: fewer"}
    report = WELL | {
        "workloadsWithoutProfile": reasons,
        "workloadsWithoutProfileTotal": 2345,
        "workloadsWithoutProfileByReason": {
            "NoSamples": {"existing": 1, "past": 0},
            "TooFewSamples": {"existing": 1, "past": 2343},
        },
        "namespacesWithUnattributedPods": ["db", "shop"],
    }

    assert shown(report, lease())[8:] == [
        "",
        "2345 workloads without a profile:",
        "REASON EXISTING PAST",
        "NoSamples 1 0",
        "TooFewSamples 1 2343",
        "",
        "WORKLOAD REASON",
        "shop/api NoSamples: no usage of its Pods was found",
        "shop/web TooFewSamples: fewer",
        "",
        "... and 2343 more workloads (-o json lists up to 2)",
        "Namespaces with Pods that match no workload: db, shop",
    ]


def test_faults_are_listed(shown: Any) -> None:
    """Each fault that costs only a part of the work has a line, up to 50; the rest are counted."""
    faults = {f"cpu of namespace team-{number:03d}": "422" for number in range(120)}
    printed = shown(WELL | {"faults": faults, "faultsTotal": 1200}, lease())[8:]

    assert printed[:4] == [
        "",
        "1200 faults of single watches and namespaces, tried again all the time:",
        "FAULT REASON",
        "cpu of namespace team-000 422",
    ]
    assert printed[-1] == "... and 1150 more faults (-o json lists up to 120)"
    assert len(printed) == 3 + 50 + 2


def test_faults_of_the_webhook_come_first(shown: Any) -> None:
    """The self-probe brings them; a count of profiles that can't be listed is unknown, which is not 0."""
    report = WELL | {
        "profiles": {"cpu": 4, "memory": None, "connection": 0},
        "faults": {"watch of memoryprofiles": "403"},
        "faultsTotal": 1,
        "probe": WELL["probe"] | {"faults": {"clock (webhook-a)": "90 s ahead of the API server's"}},
    }
    printed = shown(report, lease())

    assert printed[2] == "Profiles: 4 cpu, unknown memory, 0 connection"
    assert printed[-5:] == [
        "",
        "2 faults of single watches and namespaces, tried again all the time:",
        "FAULT REASON",
        "webhook: clock (webhook-a) 90 s ahead of the API server's",
        "watch of memoryprofiles 403",
    ]


ODD: list[Any] = [None, 7, "text", ["a", 7, {}], {"a": 7, "b": ["c"]}]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_report_of_other_types_is_shown_without_them(shown: Any, odd: Any) -> None:
    """People can edit the ConfigMap and the Lease: each part in turn, then all parts, are of other types."""
    optional = dict.fromkeys(("workloadsWithoutProfileByReason", "faults", "faultsTotal", "containerJobs"))
    keys = WELL | optional | dict.fromkeys(("droppedEdges", "absurdNeeds", "refusedWrites"))
    for key in keys:
        assert shown(WELL | {key: odd}, lease())[0] == "Leader: profiler-1 (Lease renewed 1 s ago)"
    everything = shown(dict.fromkeys(keys, odd), dict.fromkeys(lease(), odd))

    assert everything[0] == "Leader: none (is the profiler running?)"


@pytest.mark.parametrize(
    ("spec", "leader"),
    [
        pytest.param({}, "none (is the profiler running?)", id="never-held"),
        pytest.param(lease(""), "none (is the profiler running?)", id="freed"),
        pytest.param({"holderIdentity": "profiler-1"}, "none (is the profiler running?)", id="never-renewed"),
        pytest.param(lease(age_seconds=15), "profiler-1 (Lease renewed 15 s ago)", id="about-to-run-out"),
        pytest.param(
            lease(age_seconds=16),
            "none (profiler-1 last renewed its Lease 16 s ago: this report may be outdated)",
            id="just-run-out",
        ),
        pytest.param(
            lease(age_seconds=3600),
            "none (profiler-1 last renewed its Lease 3600 s ago: this report may be outdated)",
            id="stale",
        ),
        pytest.param(
            lease(age_seconds=-5), "profiler-1 (Lease renewed 0 s ago)", id="clock-of-the-leader-is-ahead"
        ),
    ],
)
def test_the_leader(shown: Any, spec: dict[str, Any], leader: str) -> None:
    """A Lease that was not renewed within its duration has no holder."""
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
def test_the_result_of_the_self_probe(shown: Any, probe: dict[str, Any] | None, line: str) -> None:
    """The second line is the result of the probe; a failure has its reasons and its message."""
    assert shown(WELL | {"probe": probe}, lease())[1] == f"Webhook: {line}"


def dated(document: object, moment: datetime) -> Answer:
    """A response of an API server with its own clock."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(document, headers={"Date": format_datetime(moment, usegmt=True)})

    return answer


class TestOverTheWire:
    """The whole command against a fake API server."""

    @pytest.fixture
    def cluster(self, api_server: FakeApiServer) -> FakeApiServer:
        """A cluster with a report and a leader."""
        serve_namespaces(api_server, "profiling")
        self.reports(api_server, WELL)
        held = {"spec": lease("profiler-1", now=datetime.now(UTC))}
        api_server.on("GET", LEASE, answers(held))
        return api_server

    @staticmethod
    def reports(server: FakeApiServer, report: dict[str, Any] | None) -> None:
        """Serves the status ConfigMap with *report*; None is the empty ConfigMap of the chart."""
        status = dict(report or {})
        documents = {"probe.json": status.pop("probe", None), "status.json": status}
        data = {key: json.dumps(document) for key, document in documents.items() if document}
        server.on("GET", STATUS_MAP, answers({"metadata": {"name": "job-profiler-status"}, "data": data}))

    @staticmethod
    async def status(program: Program, server: FakeApiServer, directory: Path, *more: str) -> Outcome:
        """Runs the command against *server*."""
        kubeconfig = server.kubeconfig(directory)
        return await program.run_beside("status", "--kubeconfig", kubeconfig, "-n", "profiling", *more)

    async def test_the_report_and_the_leader(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """The command sends three GET requests and returns exit code 0."""
        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.err) == (0, "")
        assert "Leader: profiler-1 (Lease renewed " in outcome.out
        assert "Profiles: 4 cpu, 3 memory, 0 connection" in outcome.out
        assert [request.verb for request in cluster.requests] == ["GET"] * 3

    @pytest.mark.parametrize("form", ["table", "json"])
    async def test_a_source_that_fails(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, form: str
    ) -> None:
        """The report is printed as ever, and the exit code is 1."""
        self.reports(cluster, failing("http://p:9090 can't be reached"))

        outcome = await self.status(program, cluster, tmp_path, "-o", form)

        assert (outcome.code, outcome.err) == (1, "")
        assert "http://p:9090 can't be reached" in outcome.out

    async def test_the_server_that_was_found(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """The servers are named with what they serve."""
        found = {"containers": "http://p.monitoring.svc:9090", "connections": "http://p.linkerd-viz.svc:9090"}
        self.reports(cluster, WELL | {"foundServers": found})

        outcome = await self.status(program, cluster, tmp_path)

        assert (
            "Prometheus found: http://p.monitoring.svc:9090 (containers),"
            " http://p.linkerd-viz.svc:9090 (connections)\n"
        ) in outcome.out

    async def test_the_namespace_of_the_release(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """Without a namespace, it is that of the only release whose Deployment can be listed."""
        environment = [{"name": "ROLE", "value": "combined"}]
        template = {"spec": {"containers": [{"name": "job-profiler", "env": environment}]}}
        metadata = {"name": "job-profiler", "namespace": "profiling"}
        cluster.on("GET", paths.deployments(), listed({"metadata": metadata, "spec": {"template": template}}))

        outcome = await program.run_beside("status", "--kubeconfig", cluster.kubeconfig(tmp_path))

        assert outcome.code == 0
        [listing] = [request for request in cluster.requests if request.path == paths.deployments()]
        assert listing.query["labelSelector"] == "app.kubernetes.io/part-of=job-profiler"

    async def test_json_is_the_report_with_the_lease(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """The JSON output is the report with the Lease's spec."""
        outcome = await self.status(program, cluster, tmp_path, "-o", "json")

        document = json.loads(outcome.out)
        assert document.pop("lease")["holderIdentity"] == "profiler-1"
        assert document == WELL

    @pytest.mark.parametrize(
        "metadata",
        [
            {"name": "robusta-krr-enforcer"},
            {"name": "renamed", "labels": {"app.kubernetes.io/component": "krr-enforcer"}},
        ],
        ids=lambda metadata: str(metadata["name"]),
    )
    async def test_another_writer_of_requests_is_named(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, metadata: dict[str, Any]
    ) -> None:
        """KRR's enforcer is known by the name or by the label that its chart gives; VPA's webhook is none."""
        vpa, ours = {"name": "vpa-webhook-config"}, {"name": "job-profiler"}
        configurations = [{"metadata": one} for one in (vpa, metadata, ours)]
        cluster.on("GET", paths.MUTATING_WEBHOOKS, listed(*configurations))

        outcome = await self.status(program, cluster, tmp_path)
        as_json = await self.status(program, cluster, tmp_path, "-o", "json")

        assert outcome.code == 0
        assert f"of new Pods, too ({metadata['name']})" in outcome.one_line
        assert "admission.robusta.dev/krr-mutation-mode: ignore" in outcome.one_line
        assert json.loads(as_json.out)["krrEnforcers"] == [metadata["name"]]

    async def test_without_the_right_to_list_webhooks_nothing_is_said_of_them(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """A reader of one namespace may not list objects of the cluster."""
        cluster.on("GET", paths.MUTATING_WEBHOOKS, refuses(403, "forbidden"))

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.err) == (0, "")
        assert "krr" not in outcome.out

    async def test_parts_that_can_not_be_read_are_named(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """Two parts of the report and the Lease's spec are of other types; the rest is shown."""
        self.reports(cluster, WELL | {"profiles": ["many"], "signals": 7})
        cluster.on("GET", LEASE, answers({"spec": "gone"}))

        outcome = await self.status(program, cluster, tmp_path)

        assert outcome.code == 0
        assert outcome.err == "left out of the report, since they can't be read: profiles, signals\n"
        assert "Webhook: reachable" in outcome.out

    @pytest.mark.parametrize("data", [7, {"status.json": 7, "probe.json": ["a"]}], ids=str)
    async def test_a_config_map_of_other_types_has_no_report(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, data: Any
    ) -> None:
        """Exit code 1 and the same hint as without a report."""
        cluster.on("GET", STATUS_MAP, answers({"metadata": {}, "data": data}))

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("job-profiler: no status in namespace profiling")

    @pytest.mark.parametrize(("ahead", "way"), [(3600, "behind"), (-3600, "ahead of")])
    async def test_a_wrong_clock_of_this_machine_is_named(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, ahead: int, way: str
    ) -> None:
        """The API server's clock and the leader's are an hour ahead or behind: the leader counts as alive."""
        theirs = datetime.now(UTC) + timedelta(seconds=ahead)
        cluster.on("GET", STATUS_MAP, dated({"data": {"status.json": json.dumps(WELL)}}, theirs))
        cluster.on("GET", LEASE, dated({"spec": lease("profiler-1", now=theirs)}, theirs))

        outcome = await self.status(program, cluster, tmp_path)

        assert "Leader: profiler-1 (Lease renewed " in outcome.out
        [seconds] = re.findall(rf"^this machine's clock is (\d+) s {way} the API server's$", outcome.err)
        assert abs(int(seconds) - 3600) <= 30

    async def test_without_a_lease_there_is_no_leader(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """If the Lease was deleted, the report is printed without a leader."""
        cluster.on("GET", LEASE, refuses(404, "not found"))

        outcome = await self.status(program, cluster, tmp_path)

        assert outcome.code == 0
        assert "Leader: none (is the profiler running?)" in outcome.out

    async def test_no_report_yet(self, program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
        """With the empty ConfigMap of the chart: exit code 1 and a hint."""
        self.reports(cluster, None)

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err == (
            "job-profiler: no status in namespace profiling: set --own-namespace to the namespace of the"
            " release, or see the log of the profiler\n"
        )

    @pytest.mark.parametrize(
        ("status", "words"),
        [(403, "forbidden to you"), (404, "it comes with the Helm chart"), (503, "503 Service Unavailable")],
    )
    async def test_an_api_server_that_refuses(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, status: int, words: str
    ) -> None:
        """Exit code 1 and a message of one line."""
        cluster.on("GET", STATUS_MAP, refuses(status, "forbidden to you"))

        outcome = await self.status(program, cluster, tmp_path)

        assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 1)
        assert words in outcome.err


def test_a_missing_kubeconfig(program: Program, tmp_path: Path) -> None:
    """The message has the path and its setting."""
    outcome = program.run("status", "--kubeconfig", tmp_path / "none")

    assert outcome.code == 2
    assert f"{tmp_path / 'none'}" in outcome.err
    assert "KUBECONFIG (--kubeconfig)" in outcome.err


def test_an_unknown_output(program: Program) -> None:
    """Exit code 2; the message lists the valid formats."""
    outcome = program.run("status", "-o", "xml")

    assert outcome.code == 2
    assert outcome.err == ("job-profiler: --output is 'xml': use table, wide, json, yaml, csv or markdown\n")
