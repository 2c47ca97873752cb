"""Costs of queries, by signal."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol


class QueryObserver(Protocol):
    """Records the outcome of every query."""

    def record_result(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """A query has a result; *samples* is what the server read, or the size of the result if unknown."""

    def record_failure(self, signal: str) -> None:
        """A query failed after its last try, or was refused as too large."""

    def record_retry(self, signal: str) -> None:
        """A query is tried once more."""

    def record_split(self, signal: str) -> None:
        """A query was too large: smaller ones follow."""


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

    def record_result(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """Count a query with a result."""
        self.queries[signal] += 1
        self.received_bytes[signal] += received_bytes
        self.samples[signal] += samples
        self.seconds[signal] = self.seconds.get(signal, 0.0) + seconds

    def record_failure(self, signal: str) -> None:
        """Count a query without a result."""
        self.queries[signal] += 1
        self.failures[signal] += 1

    def record_retry(self, signal: str) -> None:
        """Count a retry."""
        self.retries[signal] += 1

    def record_split(self, signal: str) -> None:
        """Count a query that was too large."""
        self.splits[signal] += 1
