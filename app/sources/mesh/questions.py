"""What a mesh is to the profiler: questions to Prometheus, and the answers joined into samples; pure.

A further mesh implements `Mesh` and gets its name in `MESHES`; nothing else has to know of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.estimation.samples import ConnectionSamples, StepRange
from app.sources.answers import Matrix
from app.sources.queries import Scope


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the steps at which it is evaluated, and the labels that tell its series apart.

    A series that lacks an *optional* label has an empty value for it; one that lacks another is left out.
    """

    query: str
    labels: tuple[str, ...]
    steps: StepRange
    optional: frozenset[str] = frozenset()


class Mesh(Protocol):
    """A service mesh whose proxies' metrics are in Prometheus."""

    @property
    def name(self) -> str:
        """As it is written in settings."""

    def questions(self, scope: Scope, steps: StepRange) -> tuple[Question, ...]:
        """What is to be asked for *steps*."""

    def join(self, answers: Sequence[Matrix], scope: Scope, steps: StepRange) -> ConnectionSamples:
        """The answers, in the order of the questions, as one; no sources where there is no such mesh."""
