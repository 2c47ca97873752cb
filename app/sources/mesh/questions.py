"""What a mesh is to the profiler: questions to Prometheus, and the answers joined into samples; pure.

A further mesh implements `Mesh` and gets its name in `MESHES`; nothing else has to know of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from app.estimation.samples import ConnectionSamples, StepRange
from app.sources.queries import Scope, Shard
from app.sources.series import Matrix, Series

# Our own label: which part of a question a series answers.
_PART = "part"


@dataclass(frozen=True, slots=True)
class Part:
    """A query, and the labels that tell its series apart.

    A series that lacks an *optional* label has an empty value for it; one that lacks another is left out.
    """

    query: str
    labels: tuple[str, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """Queries that are evaluated at the same steps, sent as one.

    To send several as one costs the server: it hashes the labels of each result once for each part. That is
    for parts with few results, or with many that are seldom there at all.
    """

    parts: tuple[Part, ...]
    steps: StepRange

    @property
    def query(self) -> str:
        """All parts; each series bears the number of its own, but for those of the first."""
        first, *others = (part.query for part in self.parts)
        numbered = (
            f'label_replace({query},"{_PART}","{number}","","")' for number, query in enumerate(others, 1)
        )
        return " or ".join((first, *numbered))

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of all parts."""
        return (_PART, *dict.fromkeys(chain.from_iterable(part.labels for part in self.parts)))

    @property
    def optional(self) -> frozenset[str]:
        """Any part can do without some of them: what its own series must have is looked at part by part."""
        return frozenset(self.labels)

    def read(self, told: Series) -> list[Matrix]:
        """The answer to each part; the first one bears the unusable samples of all."""
        whole = told.matrix()
        rows: list[list[int]] = [[] for _ in self.parts]
        for row, (number, *_) in enumerate(whole.keys):
            rows[int(number or 0)].append(row)
        return [self._of(number, whole, rows[number]) for number in range(len(self.parts))]

    def _of(self, number: int, whole: Matrix, rows: list[int]) -> Matrix:
        part = self.parts[number]
        places = [self.labels.index(label) for label in part.labels]
        required = [self.labels.index(label) for label in part.labels if label not in part.optional]
        complete = [row for row in rows if all(whole.keys[row][place] for place in required)]
        keys = tuple(tuple(whole.keys[row][place] for place in places) for row in complete)
        return Matrix(keys, whole.values[complete], 0 if number else whole.unusable)


class Mesh(Protocol):
    """A service mesh whose proxies' metrics are in Prometheus."""

    @property
    def name(self) -> str:
        """As it is written in settings."""

    def load(self, scope: Scope) -> Part:
        """How many samples a step of all questions loads in each namespace of a source: its only label."""

    def questions(self, scope: Scope, steps: StepRange, shard: Shard) -> tuple[Question, ...]:
        """What is to be asked for *steps* of the sources in *shard*."""

    def join(self, answers: Sequence[Matrix], scope: Scope, steps: StepRange) -> ConnectionSamples:
        """The answers, in the order of the questions' parts, as one; no sources without such a mesh."""
