"""How the profiler asks the webhook whether it is there: a question on a ConfigMap, and the answer to it."""

import secrets
from collections.abc import Mapping
from typing import Any

# The webhook's second entry in its configuration matches ConfigMaps with this label.
LABEL = "job-profiler.liqo.io/probe"
QUESTION = "job-profiler.liqo.io/probe-question"
ANSWER = "job-profiler.liqo.io/probe-answer"


def new_question() -> str:
    """A question that nobody was asked before."""
    return secrets.token_hex(16)


def config_map(question: str) -> dict[str, Any]:
    """The ConfigMap that carries *question*; it is never stored."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "generateName": "job-profiler-probe-",
            "labels": {LABEL: "true"},
            "annotations": {QUESTION: question},
        },
    }


def answered(annotations: Mapping[str, str], question: str) -> bool:
    """True where the webhook answered *question*."""
    return annotations.get(ANSWER) == question
