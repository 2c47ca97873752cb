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
        """The wire."""
        return self._emojivoto.transport

    @property
    def queries(self) -> list[str]:
        """Everything that was asked so far."""
        return [question.query for question in self._emojivoto.questions]

    @staticmethod
    def _answer(question: Question, body: dict[str, Any]) -> httpx.Response:
        rows = body["data"]["result"]
        [asked] = set(re.findall(r'namespace=~?"([^"]*)"', question.query))
        body["data"]["result"] = [
            row | {"metric": row["metric"] | {"namespace": name}} for name in asked.split("|") for row in rows
        ]
        return httpx.Response(200, json=body)


class Term:
    """A leader's cycles over a scope that a test changes; each begins as soon as the one before has ended."""

    def __init__(self) -> None:
        self.prometheus, self.sink = SharedPrometheus(), RecordingSink()
        self.profiles = InMemoryProfiles("profiling")
        self.namespaces = namespace_scope(SETTINGS)
        self.selected = self.namespaces.new_selected()
        self.opted_out = self.namespaces.new_opted_out()
        self.now, self.cycles = NOON, 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From the first cycle on."""
        source = PrometheusSource(
            "http://prometheus.test:9090",
            scope=lambda: query_scope(SETTINGS, self.namespaces.current()),
            network_provider="none",
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
        """Let a whole cycle pass (the clock is asked at both ends of each)."""
        seen = self.cycles
        await until(lambda: self.cycles >= seen + 4)

    def samples(self, namespace: str) -> dict[str, int]:
        """What each profile of a namespace rests on, by kind and workload."""
        found = {}
        for each in self.profiles.manifests.values():
            notes = each["metadata"]["annotations"]
            if notes["job-profiler.liqo.io/workload-namespace"] == namespace:
                found[f"{each['kind']} {notes['job-profiler.liqo.io/workload-name']}"] = each["status"][
                    "samples"
                ]
        return found


async def test_nothing_is_asked_where_nothing_is_selected() -> None:
    """Neither "all" nor an error at every try: no question, no profile, one warning for each of two signals.

    The connections are off. With the first selected namespace the state becomes `Ok`.
    """
    term = Term()
    term.selected.replace([])
    term.opted_out.replace([])

    async with term.running():
        await term.settle()

        assert (term.prometheus.queries, term.profiles.manifests) == ([], {})
        states = {name: (each["state"], each["reason"]) for name, each in term.sink.signals.items()}
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
    """Both have used the same for as long: their profiles rest on the same samples, and none counts twice.

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


async def test_a_namespace_that_opts_out_keeps_what_it_has() -> None:
    """A day and an hour later shop's profiles rest on more; of emojivoto nothing more is asked or stored."""
    term = Term()
    term.selected.replace([SHOP, EMOJIVOTO])
    term.opted_out.replace([])

    async with term.running():
        await until(lambda: len(term.profiles.manifests) == 16)
        before = term.samples("emojivoto")
        asked = len(term.prometheus.queries)

        term.opted_out.upsert(EMOJIVOTO)
        term.now += timedelta(days=1, hours=1)
        await until(lambda: term.samples("shop") != before)
        await term.settle()

    assert term.samples("emojivoto") == before
    later = term.prometheus.queries[asked:]
    assert later
    assert all("namespace!" in query and "emojivoto" in query.split("namespace!")[1] for query in later)
