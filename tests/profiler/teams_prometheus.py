"""The past of emojivoto in many namespaces, of which a query selects some, on a server that refuses a few."""

import re
from collections.abc import Callable, Collection
from typing import Any

import httpx

from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Question
from tests.sources.wire import successful

_MATCHER = re.compile(r'(?<![a-z_])(?:source_workload_)?namespace(=~|!~|=|!=)"([^"]*)"')
ALL = ("cpu", "memory", "connections", "throttling", "kills", "owners", "planning")
COLLISION = "vector cannot contain metrics with the same labelset"
# The response to a query on some namespaces; None if there is no fault.
Refuse = Callable[[Question, Collection[str]], httpx.Response | None]


def refused(status: int = 422, error: str = COLLISION) -> httpx.Response:
    """The response of Prometheus to a query that it can't evaluate."""
    return httpx.Response(status, json={"status": "error", "errorType": "execution", "error": error})


class Teams:
    """Namespaces that all have the past of emojivoto; `refuse` is asked for each query."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.refuse: Refuse = lambda _question, _namespaces: None
        self.prometheus = EmojivotoPrometheus()
        self.prometheus.faults = dict.fromkeys(ALL, self._answer)

    def refuse_namespace(self, name: str, signal: str, response: Callable[[], httpx.Response]) -> None:
        """From now on, each query on *signal* that selects *name* meets this response."""
        self.refuse = lambda question, namespaces: (
            response() if question.signal == signal and name in namespaces else None
        )

    def count(self, signal: str) -> int:
        """The number of queries on *signal* since the last call."""
        questions = [question for question in self.prometheus.questions if question.signal == signal]
        self.prometheus.questions[:] = [
            question for question in self.prometheus.questions if question.signal != signal
        ]
        return len(questions)

    def _answer(self, question: Question, body: dict[str, Any]) -> httpx.Response:
        selected = [name for name in self.names if _selects(question.query, name)]
        if response := self.refuse(question, selected):
            return response
        rows = body["data"]["result"]
        body["data"]["result"] = [
            row | {"metric": _moved(row["metric"], name)} for name in selected for row in rows
        ]
        return successful(body)


def _selects(query: str, namespace: str) -> bool:
    selector = query.partition("{")[2].partition("}")[0]
    for operator, pattern in _MATCHER.findall(selector):
        if (operator in {"=", "=~"}) != bool(re.fullmatch(pattern.replace("\\\\", "\\"), namespace)):
            return False
    return True


def _moved(labels: dict[str, str], namespace: str) -> dict[str, str]:
    return {label: namespace if value == "emojivoto" else value for label, value in labels.items()}
