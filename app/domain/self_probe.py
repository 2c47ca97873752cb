"""The self-probe's ConfigMap: the profiler sets a question, and the webhook adds the answer."""

from collections.abc import Mapping
from typing import Any

# The second webhook of the MutatingWebhookConfiguration matches ConfigMaps with this label.
LABEL = "job-profiler.liqo.io/probe"
QUESTION = "job-profiler.liqo.io/probe-question"
ANSWER = "job-profiler.liqo.io/probe-answer"


def config_map(question: str) -> dict[str, Any]:
    """The ConfigMap with *question*; it is created by dry run and never stored."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "generateName": "job-profiler-probe-",
            "labels": {LABEL: "true"},
            "annotations": {QUESTION: question},
        },
    }


def is_answered(annotations: Mapping[str, str], question: str) -> bool:
    """True if *annotations* hold the webhook's answer to *question*."""
    return annotations.get(ANSWER) == question
