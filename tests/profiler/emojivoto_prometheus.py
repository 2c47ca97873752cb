"""Prometheus' HTTP API with a past of emojivoto that is constant unless a test changes it.

Deployment  container      CPU cores  memory bytes   cores * 1.0625     bytes * 1.27125
web         web-svc            0.100    20,000,000   (0.1 + 0.02) ...   30,000,000 ...
(web)       linkerd-proxy      0.020    10,000,000   = 0.1275           = 38137476
voting      voting-svc         0.060    12,000,000   0.064              15254990
emoji       emoji-svc          0.040    16,000,000   0.043              20339986
vote-bot    vote-bot           0.020     8,000,000   0.022              10169993

With one whole day before today, t = 1, CPU is raised by .5 / (1 + 1)^3 = 0.0625, and memory, which is
steady, by nothing. Its width is .1 on a first day, and e^.24 = 1.27125 times its maximum costs least: x above
it costs e^x + 6 * (y^(-3/2) / 2 + .05 * y^(-1/2)), with y = 1 + 2 x / .1. Bytes of a container are known to
24 bits: 25,424,984 and 12,712,492 are web's.

connection         requests/s  responses/s   per minute
web -> voting             0.5          0.4   60 * 0.9 =  54.00
web -> emoji              1.0          1.0   60 * 2.0 = 120.00
vote-bot -> web           1.5          1.5   60 * 3.0 = 180.00
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs

import httpx

from app.sources.connections.linkerd import READ_BYTES, REQUESTS, RESPONSES, WRITTEN_BYTES
from app.sources.connections.new_series import SERIES_ADDED
from app.sources.exported_labels import EXPORTED_POD
from app.sources.owners import POD_OWNER
from app.sources.pressure import LAST_REASON, PERIODS
from app.sources.queries import CPU_USAGE, LOAD_OF, MEMORY_USAGE
from tests.sources.wire import parts_of, successful

WEB_POD = "web-6b6f9d7d5c-2x8qz"
CONTAINERS: Mapping[tuple[str, str], tuple[float, float]] = {
    (WEB_POD, "web-svc"): (0.1, 2e7),
    (WEB_POD, "linkerd-proxy"): (0.02, 1e7),
    ("voting-5f5b555dff-fcg7c", "voting-svc"): (0.06, 1.2e7),
    ("emoji-7d4b9c6f8-6b6f9", "emoji-svc"): (0.04, 1.6e7),
    ("vote-bot-9d8b7c65f-xvbnm", "vote-bot"): (0.02, 8e6),
}
PODS = {pod.rsplit("-", 2)[0]: pod for pod, _ in CONTAINERS}
EDGES: Mapping[tuple[str, str], tuple[float, float]] = {
    ("web", "voting"): (0.5, 0.4),
    ("web", "emoji"): (1.0, 1.0),
    ("vote-bot", "web"): (1.5, 1.5),
}
SIGNALS = ("cpu", "memory", "connections")

Row = tuple[dict[str, str], float]


@dataclass(frozen=True)
class Question:
    """A range query as Prometheus received it; times in Unix seconds."""

    signal: str
    query: str
    start: int
    end: int


Fault = Callable[[Question, dict[str, Any]], httpx.Response]


ANSWERED = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def unchanged(_second: int) -> float:
    """The factor of a constant past."""
    return 1.0


@dataclass
class EmojivotoPrometheus:
    """A server that responds to every range query; `faults` replaces the responses to a signal's queries.

    A factor multiplies the usage above in the 5 minutes that end at a Unix time. The mesh has samples from
    `mesh_since` on. `throttled` has the throttled share of a container in those 5 minutes, and `killed` is
    above 0 if it was killed. `load` is the number of raw samples that a query reads per step, and `retention`
    the retention that the server reports.
    """

    containers: dict[tuple[str, str], tuple[float, float]] = field(default_factory=lambda: dict(CONTAINERS))
    edges: dict[tuple[str, str], tuple[float, float]] = field(default_factory=lambda: dict(EDGES))
    proxies: tuple[str, ...] = ("web", "vote-bot")
    mesh_since: int = 0
    cpu_factor: Callable[[int], float] = unchanged
    memory_factor: Callable[[int], float] = unchanged
    throttled: dict[tuple[str, str], Callable[[int], float]] = field(default_factory=dict)
    killed: dict[tuple[str, str], Callable[[int], float]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    load: float = 100.0
    retention: str = "15d"
    questions: list[Question] = field(default_factory=list)
    mesh_metric: ClassVar[str] = REQUESTS  # is there if the mesh is
    answers_others: bool = False  # queries that read no series, while others fail

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport for an HTTP client."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/status/runtimeinfo"):
            return httpx.Response(200, json={"data": {"storageRetention": self.retention}})
        if request.url.path.endswith("/label/__name__/values"):
            names = [self.mesh_metric] if self.edges or self.proxies else []
            return httpx.Response(200, json={"status": "success", "data": names})
        if request.url.path.endswith("/label/namespace/values"):
            return httpx.Response(200, json={"status": "success", "data": ["emojivoto"]})
        parameters = request.content if request.method == "POST" else request.url.query
        form = {key: value for key, [value] in parse_qs(parameters.decode()).items()}
        assert form["step"] == "300"
        query = form["query"]
        if query == "vector(1)":
            return httpx.Response(200, json=ANSWERED if self.answers_others else {"status": "error"})
        question = Question(_signal_of(query), query, int(form["start"]), int(form["end"]))
        self.questions.append(question)
        body = self._matrix(question)
        fault = self.faults.get(question.signal)
        return fault(question, body) if fault else successful(body)

    def _matrix(self, question: Question) -> dict[str, Any]:
        if question.signal in {"throttling", "kills"}:
            return self._sparse(question)
        factor = {"cpu": self.cpu_factor, "memory": self.memory_factor}.get(question.signal, unchanged)
        begin = max(question.start, self.mesh_since) if question.signal == "connections" else question.start
        factors = [(moment, factor(moment)) for moment in range(begin, question.end + 1, 300)]
        result = [
            {"metric": labels, "values": [[moment, str(value * times)] for moment, times in factors]}
            for labels, value in self._rows(question)
        ]
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _sparse(self, question: Question) -> dict[str, Any]:
        """The pressure of the containers that were under pressure."""
        signs = self.throttled if question.signal == "throttling" else self.killed
        moments = range(question.start, question.end + 1, 300)
        result = [
            {
                "metric": {"namespace": "emojivoto", "pod": pod, "container": container},
                "values": [[moment, str(share)] for moment in moments if (share := shown(moment))],
            }
            for (pod, container), shown in signs.items()
        ]
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _rows(self, question: Question) -> Iterator[Row]:
        if question.signal in {"owners", "reporter"}:
            return
        if question.signal == "planning":
            yield {_namespace_label(question.query): "emojivoto"}, self.load
            if LOAD_OF in question.query:  # so that a query on CPU loads as much as one on memory
                yield {"namespace": "emojivoto", LOAD_OF: "cpu"}, self.load / 2.5
            return
        if question.signal == "connections":
            for number, part in parts_of(question.query):
                yield from ((labels | {"part": number}, value) for labels, value in self._mesh_rows(part))
            return
        for (pod, container), usage in self.containers.items():
            labels = {"namespace": "emojivoto", "pod": pod, "container": container}
            yield labels, usage[question.signal == "memory"]

    def _mesh_rows(self, query: str) -> Iterator[Row]:
        unused = ("istio_", WRITTEN_BYTES, READ_BYTES, "grpc_status!=", "last_over_time(", SERIES_ADDED)
        if any(text in query for text in unused):
            return
        if REQUESTS not in query and RESPONSES not in query:
            of_pods = "max_over_time" in query
            for name in self.proxies:
                yield _proxy(name, query) | ({"pod": PODS[name]} if of_pods else {}), 1.0 if of_pods else 10.0
            return
        for (source, destination), rates in self.edges.items():
            peer = {"dst_namespace": "emojivoto", "dst_deployment": destination}
            yield _proxy(source, query) | peer, rates[RESPONSES in query]


def _proxy(deployment: str, query: str) -> dict[str, str]:
    labels = {"namespace": "emojivoto", "deployment": deployment}
    return labels | ({"replicas": PODS[deployment].rpartition("-")[0]} if '"replicas"' in query else {})


def _namespace_label(query: str) -> str:
    return "source_workload_namespace" if "istio_" in query else "namespace"


def _signal_of(query: str) -> str:
    counts = r"namespace(,job)?(,cluster[A-Za-z0-9_,]*)?\)\(count_over_time"
    if re.search(counts, query) and "max by" not in query:
        return "planning"
    if EXPORTED_POD in query:
        return "reporter"
    if CPU_USAGE in query:
        return "cpu"
    signals = {MEMORY_USAGE: "memory", POD_OWNER: "owners", PERIODS: "throttling", LAST_REASON: "kills"}
    return next((signal for metric, signal in signals.items() if metric in query), "connections")
