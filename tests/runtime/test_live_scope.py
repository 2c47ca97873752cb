"""Namespaces enter and leave the scope while cycles run: queries, stored profiles and reports."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import ProfilingCycle
from app.profiler.cycle.loop import CycleSchedule, run_cycles
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.profiler.registries.namespaces import NamespaceRecord
from app.runtime.policies import cycle_policy
from app.runtime.scope import namespace_scope, query_scope
from app.settings.environment import read_settings
from app.sources.prometheus import PrometheusSource
from tests.kubernetes.polling import until
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Question
from tests.profiler.scenario import DEPLOYMENTS, NOON, RecordingSink
from tests.sources.selectors import selects

SETTINGS = read_settings({"history_days": "1"})
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
SHOP, EMOJIVOTO = (NamespaceRecord(name, LONG_AGO) for name in ("shop", "emojivoto"))


class SharedPrometheus:
    """The history of emojivoto, also under the name shop; results cover the queried namespaces only."""

    def __init__(self) -> None:
        self._emojivoto = EmojivotoPrometheus(edges={}, proxies=())
        self._emojivoto.faults = dict.fromkeys(("cpu", "memory"), self._answer)

    @property
    def transport(self) -> httpx.MockTransport:
        """The HTTP transport."""
        return self._emojivoto.transport

    @property
    def queries(self) -> list[str]:
        """All queries so far."""
        return [question.query for question in self._emojivoto.questions]

    @staticmethod
    def _answer(question: Question, body: dict[str, Any]) -> httpx.Response:
        rows = body["data"]["result"]
        [namespaces] = set(re.findall(r'namespace=~?"([^"]*)"', question.query))
        body["data"]["result"] = [
            row | {"metric": row["metric"] | {"namespace": name}}
            for name in namespaces.split("|")
            for row in rows
        ]
        return httpx.Response(200, json=body)


class Term:
    """A leader's cycles over a scope that a test changes; each cycle starts when the previous one ends."""

    def __init__(self) -> None:
        self.prometheus, self.sink = SharedPrometheus(), RecordingSink()
        self.profiles = InMemoryProfiles("profiling")
        self.namespaces = namespace_scope(SETTINGS)
        self.selected = self.namespaces.new_selected()
        self.opted_out = self.namespaces.new_opted_out()
        self.now, self.cycles = NOON, 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs cycles while the context is open."""
        source = PrometheusSource(
            "http://prometheus.test:9090",
            scope=lambda: query_scope(SETTINGS, self.namespaces.current()),
            network_providers=("none",),
            transport=self.prometheus.transport,
        )
        cluster = ClusterPorts(
            FixedSnapshot(ClusterSnapshot(workloads=DEPLOYMENTS)), self.profiles, self.sink
        )
        cycle = ProfilingCycle(source, cluster, cycle_policy(SETTINGS), self.namespaces.covers)
        metrics = CycleMetrics(CollectorRegistry())
        schedule = CycleSchedule(0.01, clock=self._clock)
        task = asyncio.create_task(run_cycles(cycle, self.namespaces, schedule, metrics))
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _clock(self) -> datetime:
        self.cycles += 1
        return self.now

    async def settle(self) -> None:
        """Wait for a whole cycle (each cycle reads the clock at its start and end)."""
        seen = self.cycles
        await until(lambda: self.cycles >= seen + 4)

    def samples(self, namespace: str) -> dict[str, int]:
        """The number of samples of each profile in a namespace, by kind and workload."""
        samples = {}
        for manifest in self.profiles.manifests.values():
            notes = manifest["metadata"]["annotations"]
            if notes["job-profiler.liqo.io/workload-namespace"] == namespace:
                samples[f"{manifest['kind']} {notes['job-profiler.liqo.io/workload-name']}"] = manifest[
                    "status"
                ]["samples"]
        return samples


async def test_without_a_selected_namespace_nothing_is_queried() -> None:
    """The scope is neither "all" nor an error: no query, no profile, one warning for each of two signals.

    Connections are disabled. With the first selected namespace the state becomes `Ok`.
    """
    term = Term()
    term.selected.replace([])
    term.opted_out.replace([])

    async with term.running():
        await term.settle()

        assert (term.prometheus.queries, term.profiles.manifests) == ([], {})
        states = {name: (signal["state"], signal["reason"]) for name, signal in term.sink.signals.items()}
        assert states["cpu"] == states["memory"] == ("Empty", "NoNamespaces")
        assert [reason for reason, _, warns in term.sink.events if warns] == ["NoNamespaces"] * 2
        message = term.sink.signals["cpu"]["message"]
        assert "none matches PROFILING_NAMESPACE_SELECTOR" in message

        term.selected.upsert(EMOJIVOTO)
        await until(lambda: len(term.profiles.manifests) == 8)
        await until(lambda: term.sink.signals["cpu"]["state"] == "Ok")


async def test_cycles_wait_for_the_labels() -> None:
    """Before the labels are listed the scope is unknown: nothing is queried or reported."""
    term = Term()
    term.selected.replace([EMOJIVOTO])

    async with term.running():
        await asyncio.sleep(0.2)
        assert (term.cycles, term.prometheus.queries) == (0, [])
        term.opted_out.replace([])
        await until(lambda: len(term.profiles.manifests) == 8)


async def test_a_namespace_that_comes_into_scope_brings_its_past() -> None:
    """Both namespaces have equal usage: their profiles have equal samples, and none counts twice.

    A day and a half at 12 steps an hour (yesterday and today up to 12:00) are 288 + 144 = 432 samples of each
    container, and `web` has two containers: 864.
    """
    term = Term()
    term.selected.replace([SHOP])
    term.opted_out.replace([])

    async with term.running():
        await until(lambda: len(term.profiles.manifests) == 8)
        alone = term.samples("shop")
        assert (alone["CPUProfile web"], alone["MemoryProfile voting"]) == (864, 432)

        term.selected.upsert(EMOJIVOTO)
        await until(lambda: len(term.profiles.manifests) == 16)
        await term.settle()

    assert term.samples("emojivoto") == term.samples("shop") == alone


async def test_a_namespace_that_opts_out_keeps_its_profiles() -> None:
    """A day and an hour later shop's profiles have more samples; emojivoto is not queried or written."""
    term = Term()
    term.selected.replace([SHOP, EMOJIVOTO])
    term.opted_out.replace([])

    async with term.running():
        await until(lambda: len(term.profiles.manifests) == 16)
        before = term.samples("emojivoto")
        earlier_queries = len(term.prometheus.queries)

        term.opted_out.upsert(EMOJIVOTO)
        term.now += timedelta(days=1, hours=1)
        await until(lambda: term.samples("shop") != before)
        await term.settle()

    assert term.samples("emojivoto") == before
    later = term.prometheus.queries[earlier_queries:]
    assert later
    assert [query for query in later if selects(query, "emojivoto")] == []
