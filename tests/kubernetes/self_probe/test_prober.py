"""The leader's self-probe: status, Events, log lines and metric; a follower has none of them."""

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

from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.kubernetes.events import EventRecorder
from app.kubernetes.self_probe.prober import Prober
from app.runtime.policies import probe_policy
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
    """A cluster in which all is well, which keeps the report and the Events."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.report: dict[str, Any] = {}
        server.on("GET", CONFIGURATION, answers(configuration()))
        server.on("GET", STATUS_MAP, self._tells)
        server.on("PATCH", STATUS_MAP, self._takes)
        server.on("POST", EVENTS, answers({"metadata": {}}, status=201))
        self.is_well()

    def is_well(self) -> None:
        """The webhook answers from now on."""
        self.server.on("POST", CONFIG_MAPS, patches_config_map())

    @property
    def probes(self) -> int:
        """How often was asked so far."""
        return len([each for each in self.server.received("POST") if each.path == CONFIG_MAPS])

    @property
    def writes(self) -> int:
        """How often the report was written."""
        return len(self.server.received("PATCH"))

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and reason of each Event."""
        told = [each.json for each in self.server.received("POST") if each.path == EVENTS]
        assert {each["involvedObject"]["name"] for each in told} <= {"job-profiler-status"}
        return [(each["type"], each["reason"]) for each in told]

    async def probed(self, times: int = 3) -> None:
        """Wait for so many further probes, until the last result is published."""
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
    """It is well; who fails tries again at once."""
    async with FakeApiServer() as server:
        yield Cluster(server)


@asynccontextmanager
async def leading(
    cluster: Cluster, directory: Path, installation_seconds: float = 120, **settings: object
) -> AsyncIterator[Prober]:
    """One term of a leader that probes 20 times a second."""
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


async def test_success_is_told_once_and_is_no_news(cluster: Cluster, tmp_path: Path) -> None:
    """Four probes, one write, no Event; what a follower says of it afterwards is nothing."""
    async with leading(cluster, tmp_path) as prober:
        assert prober.has_succeeded is None
        await cluster.probed()
        assert prober.has_succeeded is True

    assert prober.has_succeeded is None
    assert cluster.report == {"state": "Ok", "reasons": [], "message": "", "since": "2026-03-01T12:00:00Z"}
    assert (cluster.writes, cluster.events) == (1, [])


async def test_a_failure_and_the_recovery_from_it_are_news(cluster: Cluster, tmp_path: Path) -> None:
    """One Event for each cause, and one for another cause in between; the report has each with its advice."""
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


async def test_a_failure_in_other_words_is_no_news(cluster: Cluster, tmp_path: Path) -> None:
    """API servers name a port, another one with each call: the cause is the same, and nothing is written."""
    ports = iter(range(50_000, 60_000))

    async def resets(request: web.Request) -> web.StreamResponse:
        words = f"{CALL}read tcp 10.0.0.1:{next(ports)}->10.0.0.2:443: connection reset by peer"
        return await refuses(500, words)(request)

    async with leading(cluster, tmp_path):
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, resets)
        await cluster.probed(5)

    assert (cluster.writes, cluster.events) == (2, [("Warning", "ProbeFailed")])


async def test_what_is_being_installed_takes_its_time(cluster: Cluster, tmp_path: Path) -> None:
    """If nothing was ever published, failures are retried and not published until the first success."""
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed(20)
        assert (prober.has_succeeded, cluster.writes) == (None, 0)
        cluster.is_well()
        await until(lambda: cluster.report.get("state") == "Ok")
        cluster.server.on("POST", CONFIG_MAPS, REFUSED)
        await until(lambda: cluster.events == [("Warning", "ProbeFailed")])


async def test_an_installation_that_never_works_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """After two minutes, here 0.2 s, the leader says what it finds, though it has never seen a success."""
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


async def test_a_new_leader_knows_what_the_last_one_told(cluster: Cluster, tmp_path: Path) -> None:
    """A continuing failure is not published again, its end is; a change of leader makes no difference."""
    cluster.report = {"state": "Failing", "reasons": ["Unreachable"], "message": "m", "since": "earlier"}
    cluster.server.on("POST", CONFIG_MAPS, REFUSED)
    async with leading(cluster, tmp_path):
        await cluster.probed(20)
        assert (cluster.writes, cluster.events) == (0, [])
        cluster.is_well()
        await until(lambda: cluster.events == [("Normal", "ProbeSucceeded")])

    assert cluster.report["state"] == "Ok"


async def test_an_api_server_in_trouble_says_nothing_of_the_webhook(cluster: Cluster, tmp_path: Path) -> None:
    """What was known stays: nothing is written, and the gauge does not move."""
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, refuses(503, "etcd leader changed"))
        await cluster.probed()
        assert prober.has_succeeded is True

    assert (cluster.writes, cluster.events) == (1, [])


async def test_a_report_that_can_not_be_written_ends_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Alerts learn of the failure all the same, and the report follows when it can."""
    cluster.server.on("PATCH", STATUS_MAP, refuses(403, "no"))
    async with leading(cluster, tmp_path) as prober:
        await cluster.probed()
        cluster.server.on("POST", CONFIG_MAPS, REFUSED)
        await cluster.probed()
        assert prober.has_succeeded is False
        cluster.server.on("PATCH", STATUS_MAP, cluster._takes)
        await until(lambda: cluster.report.get("state") == "Failing")


async def test_an_edited_entry_fails_the_probe_though_it_is_answered(
    cluster: Cluster, tmp_path: Path
) -> None:
    """What selects Pods is compared with what was rendered."""
    async with leading(cluster, tmp_path):
        await cluster.probed()
        edited = configuration(pods={"namespaceSelector": {"matchLabels": {"team": "web"}}})
        cluster.server.on("GET", CONFIGURATION, answers(edited))
        await until(lambda: cluster.report["state"] == "Failing")

    assert cluster.report["reasons"] == ["EntryChanged"]
    assert 'namespaceSelector is {"matchLabels":{"team":"web"}}' in cluster.report["message"]


async def test_a_probe_that_is_switched_off_says_so(cluster: Cluster, tmp_path: Path) -> None:
    """No probe is sent, and an old report is replaced."""
    cluster.report = {"state": "Failing", "reasons": ["Unreachable"], "message": "m", "since": "earlier"}
    async with leading(cluster, tmp_path, probe_enabled=False) as prober:
        await until(lambda: cluster.report["state"] == "Off")
        assert prober.has_succeeded is None

    assert (cluster.probes, cluster.events) == (0, [])


async def test_how_long_a_probe_took_is_observed(cluster: Cluster, tmp_path: Path) -> None:
    """Each probe that came to an end is one observation, well or not."""
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
