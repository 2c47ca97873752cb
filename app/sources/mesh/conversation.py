"""What a mesh is to the profiler: questions to Prometheus, and the answers joined into samples; pure.

A further mesh implements `Mesh` and gets an entry in `providers.MESHES`; nothing else has to know of it.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Protocol

from app.history.samples import ConnectionSamples, StepRange
from app.sources.queries import Scope, Shard
from app.sources.query_result import Key, QueryResult, SeriesMatrix

# Our own label: which part of a question a series answers.
_PART = "part"


@dataclass(frozen=True, slots=True)
class MeshQuery:
    """A query, and the labels that tell its series apart.

    A series that lacks an *optional* label has an empty value for it; one that lacks another is left out.
    """

    query: str
    labels: tuple[str, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """Queries that are evaluated at the same steps, sent as one.

    To send several as one costs the server: it hashes the labels of each result once for each part. That is
    for parts with few results, or with many that are seldom there at all.
    """

    parts: tuple[MeshQuery, ...]
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

    def read(self, told: QueryResult) -> list[SeriesMatrix]:
        """The answer to each part; the first one bears the unusable samples of all."""
        whole = told.matrix()
        rows: list[list[int]] = [[] for _ in self.parts]
        for row, (number, *_) in enumerate(whole.keys):
            rows[int(number or 0)].append(row)
        return [self._of(number, whole, rows[number]) for number in range(len(self.parts))]

    def _of(self, number: int, whole: SeriesMatrix, rows: list[int]) -> SeriesMatrix:
        part = self.parts[number]
        labels = self.labels
        key_of = _picking([labels.index(label) for label in part.labels])
        required = _picking([labels.index(label) for label in part.labels if label not in part.optional])
        complete = [row for row in rows if all(required(whole.keys[row]))]
        keys = tuple(key_of(whole.keys[row]) for row in complete)
        return SeriesMatrix(keys, whole.values[complete], 0 if number else whole.unusable)


def _picking(places: Sequence[int]) -> Callable[[Key], Key]:
    """What takes the values at *places* out of a key."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda key: tuple(key[place] for place in places)  # of one, the above gives no tuple


# Questions go out, the answers to all of their parts come in, in order; what they say is returned in the end.
Conversation = Generator[tuple[QueryBatch, ...], list[SeriesMatrix], ConnectionSamples]


class Mesh(Protocol):
    """A service mesh whose proxies' metrics are in Prometheus."""

    @property
    def name(self) -> str:
        """As it is written in settings."""

    def load(self, scope: Scope) -> MeshQuery:
        """Samples that its largest question loads in a step, by the source's namespace: its only label."""

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """What is to be asked for *steps* of the sources in *shard*; no sources without such a mesh."""
