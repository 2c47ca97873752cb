"""The leader's self-probe: status, Events, log lines and metrics, of which a follower has none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.domain.self_probe import ReplicaFaults
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.kubernetes.events import EventRecorder
from app.kubernetes.self_probe.prober import Prober
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses
from tests.kubernetes.polling import until
from tests.kubernetes.self_probe.probe_answers import patches_config_map
from tests.kubernetes.webhook_configurations import EXPECTED, PROBE, configuration

CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")
CONFIG_MAPS, STATUS_MAP = paths.config_maps("profiling"), paths.config_map("profiling", "job-profiler-status")
EVENTS = paths.events("profiling")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERIOD_SECONDS = 0.05
SETTINGS = read_settings({"own_namespace": "profiling", "expected_webhook": json.dumps(EXPECTED)})
CALL = f'failed calling webhook "{PROBE}": '
REFUSED = refuses(500, f"{CALL}dial tcp 10.0.0.1:443: connect: connection refused")
TIMED_OUT = refuses(500, f"{CALL}context deadline exceeded")


class Cluster:
    """A cluster without faults that stores the report and the Events."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.report: dict[str, Any] = {}
        server.on("GET", CONFIGURATION, answers(configuration()))
        server.on("GET", STATUS_MAP, self._tells)
        server.on("PATCH", STATUS_MAP, self._takes)
        server.on("POST", EVENTS, answers({"metadata": {}}, status=201))
        self.is_well()

    def is_well(self) -> None:
        """From now on the webhook answers."""
        self.server.on("POST", CONFIG_MAPS, patches_config_map())

    @property
    def probes(self) -> int:
        """The number of probes until now."""
        return len([request for request in self.server.received("POST") if request.path == CONFIG_MAPS])

    @property
    def writes(self) -> int:
        """The number of writes of the report."""
        return len(self.server.received("PATCH"))

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and reason of each Event."""
        events = [request.json for request in self.server.received("POST") if request.path == EVENTS]
        assert {event["involvedObject"]["name"] for event in events} <= {"job-profiler-status"}
        return [(event["type"], event["reason"]) for event in events]

    async def probed(self, times: int = 3) -> None:
        """Waits for this number of further probes, and until the last result is published."""
        before = self.probes
        await until(lambda: self.probes > before + times)

    async def _tells(self, _: web.Request) -> web.StreamResponse:
        data = {"probe.json": json.dumps(self.report)} if self.report else {}
        return web.json_response({"metadata": {"name": "job-profiler-status"}, "data": data})

    async def _takes(self, request: web.Request) -> web.StreamResponse:
        self.report = json.loads((await request.json())["data"]["probe.json"])
        return web.json_response({})


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A cluster without faults."""
    async with FakeApiServer() as server:
        yield Cluster(server)


@asynccontextmanager
async def leading(
    cluster: Cluster, directory: Path, installation_seconds: float = 120, **settings: object
) -> AsyncIterator[Prober]:
    """One term of a leader that probes 20 times per second and retries after 10 ms."""
    quick = SETTINGS.model_copy(update={"probe_interval": PERIOD_SECONDS, **settings})
    async with open_cluster(cluster.server.kubeconfig(directory)) as client:
        terms = replace(probe_policy(quick), retry_seconds=0.01, installation_seconds=installation_seconds)
        prober = Prober(client, terms, EventRecorder(client, "a"), CollectorRegistry(), lambda: NOON)
        term = asyncio.create_task(prober.run())
        try:
            yield prober
            assert not term.done(), term
        finally:
            term.cancel()
            await asyncio.gather(term, return_exceptions=True)


async def test_success_is_written_once_without_an_event(cluster: Cluster, tmp_path: Path) -> None:
    """Four probes cause one write and no Event; a former leader has no gauge."""
    async with leading(cluster, tmp_path) as prober:
        assert prober.has_succeeded is None
        await cluster.probed()
        assert prober.has_succeeded is True

    assert prober.has_succeeded is None
    assert cluster.report == {"state": "Ok", "reasons": [], "message": "", "since": "2026-03-01T12:00:00Z"}
    assert (cluster.writes, cluster.events) == (1, [])


async def test_a_failure_and_its_recovery_are_events(cluster: Cluster, tmp_path: Path) -> None:
    """Each new cause is one Event, and so is the recovery; the report has the advice of each cause."""
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed()
        for script, reason, advice in (
            (REFUSED, "Unreachable", "check that its Pods run"),
            (TIMED_OUT, "TimedOut", "firewall"),
        ):
            cluster.server.on("POST", CONFIG_MAPS, script)
            await cluster.probed()
            assert prober.has_succeeded is False
            assert (cluster.report["state"], cluster.report["reasons"]) == ("Failing", [reason])
            assert advice in cluster.report["message"]
        cluster.is_well()
        await cluster.probed()
        assert (prober.has_succeeded, cluster.report["state"]) == (True, "Ok")

    failed, succeeded = ("Warning", "ProbeFailed"), ("Normal", "ProbeSucceeded")
    assert cluster.events == [failed, failed, succeeded]
    assert cluster.writes == 4


async def test_another_error_text_of_the_same_cause_is_no_event(cluster: Cluster, tmp_path: Path) -> None:
    """Error texts contain a port that differs in each call: the cause is the same, so nothing is written."""
    ports = iter(range(50_000, 60_000))

    async def resets(request: web.Request) -> web.StreamResponse:
        words = f"{CALL}read tcp 10.0.0.1:{next(ports)}->10.0.0.2:443: connection reset by peer"
        return await refuses(500, words)(request)

    async with leading(cluster, tmp_path):
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, resets)
        await cluster.probed(5)

    assert (cluster.writes, cluster.events) == (2, [("Warning", "ProbeFailed")])


async def test_failures_during_installation_are_not_published(cluster: Cluster, tmp_path: Path) -> None:
    """Until the first success ever, failures are retried and not published."""
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed(20)
        assert (prober.has_succeeded, cluster.writes) == (None, 0)
        cluster.is_well()
        await until(lambda: cluster.report.get("state") == "Ok")
        cluster.server.on("POST", CONFIG_MAPS, REFUSED)
        await until(lambda: cluster.events == [("Warning", "ProbeFailed")])


async def test_a_failing_installation_is_published_after_a_time(cluster: Cluster, tmp_path: Path) -> None:
    """After two minutes (0.2 s in this test) the leader publishes the fault without any earlier success."""
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path, installation_seconds=0.2) as prober:
        await until(lambda: cluster.report.get("state") == "Failing", within_seconds=2)
        assert prober.has_succeeded is False


async def test_a_new_leader_waits_a_period(cluster: Cluster, tmp_path: Path) -> None:
    """When all replicas start at once, failures are published only after a grace period."""
    cluster.report = {"state": "Ok", "reasons": [], "message": "", "since": "earlier"}
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path, probe_interval=0.3) as prober:
        await cluster.probed(5)
        assert (prober.has_succeeded, cluster.writes) == (None, 0)
        await until(lambda: cluster.report["state"] == "Failing", within_seconds=2)


async def test_a_new_leader_reads_the_last_report(cluster: Cluster, tmp_path: Path) -> None:
    """A continuing failure is not published again, but its recovery is, by whatever leader."""
    cluster.report = {"state": "Failing", "reasons": ["Unreachable"], "message": "m", "since": "earlier"}
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path):
        await cluster.probed(20)
        assert (cluster.writes, cluster.events) == (0, [])
        cluster.is_well()
        await until(lambda: cluster.events == [("Normal", "ProbeSucceeded")])

    assert cluster.report["state"] == "Ok"


async def test_an_unavailable_api_server_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """The last result stays: nothing is written, and the gauge keeps its value."""
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, refuses(503, "etcd leader changed"))
        await cluster.probed()
        assert prober.has_succeeded is True

    assert (cluster.writes, cluster.events) == (1, [])


async def test_a_failed_write_of_the_report_is_retried(cluster: Cluster, tmp_path: Path) -> None:
    """The gauge shows the failure meanwhile; the report follows with a later write."""
    cluster.server.on("PATCH", STATUS_MAP, refuses(403, "no"))
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, REFUSED)
        await cluster.probed()
        assert prober.has_succeeded is False
        cluster.server.on("PATCH", STATUS_MAP, cluster._takes)
        await until(lambda: cluster.report.get("state") == "Failing")


async def test_faults_of_each_replica_are_published(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replicas answer in turn, one of them with a fault; the state and its time stay, without an Event.

    Six probes cause one more write. When the replica has no fault any more, or is gone for ten minutes (0.2 s
    here), none is left.
    """
    monkeypatch.setattr("app.kubernetes.self_probe.prober._REMEMBERED_SECONDS", 0.2)
    fault = {"watch of cpuprofiles": "403 Forbidden"}
    good, bad = (patches_config_map(faults=ReplicaFaults(name, of)) for name, of in (("a", {}), ("b", fault)))
    async with leading(cluster, tmp_path):
        await cluster.probed()
        well = dict(cluster.report)
        cluster.server.on("POST", CONFIG_MAPS, bad, good, bad, good, bad, good)
        await until(lambda: "faults" in cluster.report)
        assert cluster.report == well | {"faults": {"watch of cpuprofiles (b)": "403 Forbidden"}}
        await until(lambda: cluster.report == well)

    assert (cluster.writes, cluster.events) == (3, [])


async def test_an_edited_entry_fails_an_answered_probe(cluster: Cluster, tmp_path: Path) -> None:
    """The entry for Pods is compared with the rendered one, also if the webhook answers the probe."""
    async with leading(cluster, tmp_path):
        await cluster.probed()
        edited = configuration(pods={"namespaceSelector": {"matchLabels": {"team": "web"}}})
        cluster.server.on("GET", CONFIGURATION, answers(edited))
        await until(lambda: cluster.report["state"] == "Failing")

    assert cluster.report["reasons"] == ["EntryChanged"]
    assert 'namespaceSelector is {"matchLabels":{"team":"web"}}' in cluster.report["message"]


async def test_a_disabled_probe_replaces_the_report(cluster: Cluster, tmp_path: Path) -> None:
    """No probe is sent, and the report says that the probe is disabled."""
    cluster.report = {"state": "Failing", "reasons": ["Unreachable"], "message": "m", "since": "earlier"}
    async with leading(cluster, tmp_path, probe_enabled=False) as prober:
        await until(lambda: cluster.report["state"] == "Off")
        assert prober.has_succeeded is None

    assert (cluster.probes, cluster.events) == (0, [])


async def test_the_duration_of_each_probe_is_observed(cluster: Cluster, tmp_path: Path) -> None:
    """Each probe that ended, with or without a fault, is one observation."""
    registry = CollectorRegistry()
    async with open_cluster(cluster.server.kubeconfig(tmp_path)) as client:
        settings = SETTINGS.model_copy(update={"probe_interval": PERIOD_SECONDS})
        prober = Prober(client, probe_policy(settings), EventRecorder(client, "a"), registry)
        term = asyncio.create_task(prober.run())
        await cluster.probed()
        term.cancel()
        await asyncio.gather(term, return_exceptions=True)

    count = registry.get_sample_value("job_profiler_probe_duration_seconds_count")
    assert count in {cluster.probes, cluster.probes - 1}
