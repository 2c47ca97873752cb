"""What questions cost, signal by signal."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol


class QueryObserver(Protocol):
    """Hears of every query as it ends."""

    def answered(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """A query was answered; *samples* are those that the server read, or gave where it does not tell."""

    def failed(self, signal: str) -> None:
        """A query was given up, or refused as too large."""

    def retried(self, signal: str) -> None:
        """A query is tried once more."""

    def split(self, signal: str) -> None:
        """What was too large is asked for in smaller parts from now on."""


@dataclass(slots=True)
class QueryCosts:
    """Counts, by signal."""

    queries: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    received_bytes: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def answered(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """Count an answer."""
        self.queries[signal] += 1
        self.received_bytes[signal] += received_bytes
        self.samples[signal] += samples
        self.seconds[signal] = self.seconds.get(signal, 0.0) + seconds

    def failed(self, signal: str) -> None:
        """Count a query without an answer."""
        self.queries[signal] += 1
        self.failures[signal] += 1

    def retried(self, signal: str) -> None:
        """Count one more try."""
        self.retries[signal] += 1

    def split(self, signal: str) -> None:
        """Count what was too large."""
        self.splits[signal] += 1
