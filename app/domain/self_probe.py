"""The self-probe's ConfigMap: the profiler sets a question, the webhook adds the answer and its faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

# The second webhook of the MutatingWebhookConfiguration matches ConfigMaps with this label.
LABEL = "job-profiler.liqo.io/probe"
QUESTION = "job-profiler.liqo.io/probe-question"
ANSWER = "job-profiler.liqo.io/probe-answer"
FAULTS = "job-profiler.liqo.io/probe-faults"
_MAX_FAULTS, _MAX_LENGTH = 20, 300


@dataclass(frozen=True, slots=True)
class ReplicaFaults:
    """The reason of each fault of one replica of the webhook, by its subject."""

    replica: str
    faults: Mapping[str, str] = field(default_factory=dict)

    def to_annotation(self) -> str:
        """The first faults, as JSON."""
        shown = {subject[:_MAX_LENGTH]: reason[:_MAX_LENGTH] for subject, reason in self.faults.items()}
        document = {"replica": self.replica, "faults": dict(list(shown.items())[:_MAX_FAULTS])}
        return msgspec.json.encode(document).decode()


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


def read_faults(annotations: Mapping[str, str]) -> ReplicaFaults | None:
    """The faults of the replica that answered; None if it states none that can be read."""
    try:
        return msgspec.json.decode(annotations.get(FAULTS, ""), type=ReplicaFaults)
    except msgspec.DecodeError:
        return None
