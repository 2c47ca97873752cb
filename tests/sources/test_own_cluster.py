"""Queries never read series of another cluster: every selector of every query names this cluster."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx
import pytest

from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles, LoggedReport
from app.profiler.ports import ClusterPorts
from app.runtime.policies import cycle_policy
from app.settings.environment import read_settings
from app.sources.connections import hubble, istio, linkerd
from app.sources.connections.flow_metrics import BEYLA, NETOBSERV, OBI
from app.sources.connections.new_series import SERIES_ADDED
from app.sources.connections.pod_addresses import POD_INFO, POD_PHASE
from app.sources.owners import CONTROLLER_OWNER, JOB_OWNER, POD_OWNER, REPLICASET_OWNER, WORKLOAD_OF_POD
from app.sources.pressure import (
    CPU_WAITING,
    LAST_REASON,
    MEMORY_STALLED,
    OOM_EVENTS,
    PERIODS,
    REASON,
    RESTARTS,
    SPEC_LIMIT,
    THROTTLED_PERIODS,
)
from app.sources.prometheus import PrometheusSource
from app.sources.queries import CONTAINER_LABELS, CONTAINER_LIMITS, CPU_USAGE, MEMORY_USAGE, Scope, selector
from tests.profiler.scenario import NOON
from tests.sources.wire import answer, parts_of, row

NAME = 'prod "eu"\\1'
MATCHER = r'k8s_cluster="prod \"eu\"\\1"'
OURS = Scope(("emojivoto",), ("kube-system",), NAME, "k8s_cluster")

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^{}]*)\}")
_LABELS = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^()]*\)")
_OPERATORS = {"and", "or", "unless", "offset", "bool"}


def selectors(query: str) -> Iterator[tuple[str, list[str]]]:
    """Each metric of a query with its matchers; fails if a metric has no selector."""
    strings: list[str] = []

    def hide(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f'"{len(strings) - 1}"'

    hidden = _STRING.sub(hide, query)
    for metric, matchers in _SELECTOR.findall(hidden):
        yield (
            metric,
            [
                re.sub(r'"(\d+)"', lambda match: strings[int(match[1])], matcher)
                for matcher in matchers.split(",")
            ],
        )
    rest = re.sub(r"\[[^\]]*\]", "", _LABELS.sub("", _SELECTOR.sub("", hidden)))
    words = set(re.findall(r"[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()", re.sub(r'"\d+"|\d+\w*', "", rest)))
    assert words <= _OPERATORS, query


class Listener:
    """Answers each part of a query with one series that has all labels, so that dependent queries follow."""

    def __init__(self, *, without: str = "") -> None:
        self.queries: list[str] = []
        self._without = without

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The series, at the end of the query's range; none for the metric *without*.

        It shows no names of metrics: those would be of all clusters, and only decide what is asked.
        """
        if request.url.path.endswith("/label/__name__/values"):
            return httpx.Response(404)
        (query,), (end,) = (parse_qs(request.content.decode())[name] for name in ("query", "end"))
        self.queries.append(query)
        if self._without and self._without in query:
            return answer()
        labels = {label for labels in re.findall(r"by \(([^()]*)\)", query) for label in labels.split(",")}
        labels = labels or {*CONTAINER_LABELS}  # a query that does not aggregate
        numbers = (number for number, _ in parts_of(query))
        return answer(
            *(
                row(dict.fromkeys(labels, "emojivoto") | {"part": number}, [(int(end), "1")])
                for number in numbers
            )
        )


async def queries_of_two_cycles(scope: Scope, *, without: str = "") -> list[str]:
    """All queries of two cycles of the product, an hour apart."""
    listener = Listener(without=without)
    source = PrometheusSource("http://p:9090", scope=scope, transport=httpx.MockTransport(listener.answer))
    lister = FixedSnapshot(ClusterSnapshot(workloads=(Workload("emojivoto", "web"),)))
    cluster = ClusterPorts(lister, InMemoryProfiles("profiling"), LoggedReport())
    settings = read_settings({"history_days": "1"})
    cycle = ProfilingCycle(source, cluster, cycle_policy(settings), scope.covers)
    async with source:
        for hours in (0, 1):
            await cycle.run_once(NOON.replace(hour=NOON.hour + hours))
    return listener.queries


EVERY_METRIC = {
    *(CPU_USAGE, MEMORY_USAGE),
    *(PERIODS, THROTTLED_PERIODS, CPU_WAITING, MEMORY_STALLED),
    *(RESTARTS, LAST_REASON, REASON, OOM_EVENTS, CONTAINER_LIMITS, SPEC_LIMIT),
    *(POD_OWNER, REPLICASET_OWNER, JOB_OWNER, CONTROLLER_OWNER, WORKLOAD_OF_POD),
    *(linkerd.REQUESTS, linkerd.RESPONSES, linkerd.WRITTEN_BYTES, linkerd.READ_BYTES, "up"),
    *(istio.REQUESTS, f"{istio.REQUEST_BYTES}_sum", f"{istio.RESPONSE_BYTES}_sum"),
    *(istio.REQUEST_BYTES, istio.RESPONSE_BYTES),
    *(istio.TCP_RECEIVED_BYTES, istio.TCP_SENT_BYTES, istio.BUILD),
    *(istio.REQUEST_MESSAGES, istio.RESPONSE_MESSAGES, SERIES_ADDED),
    *(linkerd.PROXY.start, istio.PROXY.start, istio.PROXY.uptime),
    *(NETOBSERV.metric, NETOBSERV.sampling, NETOBSERV.agent_sampling, OBI.metric, BEYLA.metric),
    *(hubble.REQUESTS, POD_INFO, POD_PHASE),
}


async def test_every_selector_names_our_cluster() -> None:
    """Two cycles, with and without owners in kube-state-metrics: each selector has the matcher once.

    The name of the cluster has quotes and a backslash, which are escaped.
    """
    queries = {
        *await queries_of_two_cycles(OURS),
        *await queries_of_two_cycles(OURS, without=f"{POD_OWNER}{{"),
    }

    named: dict[str, list[list[str]]] = {}
    for query in queries:
        for metric, matchers in selectors(query):
            named.setdefault(metric, []).append(matchers)
    assert named.keys() == EVERY_METRIC
    for metric, uses in named.items():
        assert [matchers.count(MATCHER) for matchers in uses] == [1] * len(uses), metric


async def test_without_a_cluster_no_selector_has_its_label() -> None:
    """A Prometheus of one cluster may have no such label, or a label `cluster` with another meaning."""
    queries = await queries_of_two_cycles(Scope(("emojivoto",)))

    used = {matcher for query in queries for _, matchers in selectors(query) for matcher in matchers}
    assert not [matcher for matcher in used if "cluster" in matcher]


def test_a_selector_can_not_be_made_without_a_scope() -> None:
    """The scope has the cluster; other matchers precede its matcher."""
    assert selector("up", ('a="b"',), OURS) == f'up{{a="b",{MATCHER}}}'
    assert selector("up", (), Scope(cluster="prod")) == 'up{cluster="prod"}'
    assert selector("up", (), Scope()) == "up{}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum by (a,b)(rate(x{c="}",d!="by (e)"}[5m])) > 0.05', [("x", ['c="}"', 'd!="by (e)"'])]),
        ('x{a="1"} and on(a) y{b="\\"2"} offset 5m', [("x", ['a="1"']), ("y", ['b="\\"2"'])]),
    ],
)
def test_selectors_finds_every_metric(query: str, expected: list[tuple[str, list[str]]]) -> None:
    """The test above relies on it; quoted values may contain any text."""
    assert list(selectors(query)) == expected


@pytest.mark.parametrize("query", ["sum(up)", 'up / x{a="b"}', 'label_replace(up[5m],"a","b","c","d")'])
def test_a_metric_without_a_selector_is_noticed(query: str) -> None:
    """It would have the series of every cluster."""
    with pytest.raises(AssertionError):
        list(selectors(query))
