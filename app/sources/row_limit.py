"""A limit on the rows that one answer keeps, shared by the namespaces that report them; pure."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import reduce
from operator import or_


@dataclass(frozen=True, slots=True)
class RowLimit:
    """The most rows of an answer; the value of *label* is the namespace that reports a row.

    Where an answer is that of several queries, it is the limit of each: *query_label* has a query's number.
    """

    rows: int
    label: str = "namespace"
    query_label: str = ""


class RowShares:
    """Decides row by row, so that no more than the limit is decoded.

    Every row is kept while there is room. After that, a namespace gets another row only as long as it has
    less than an equal share of the limit: rows that arrive late are not left out for those before them.
    """

    def __init__(self, limit: RowLimit) -> None:
        self.limit = limit
        self._kept: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._left_out: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._totals: Counter[str] = Counter()

    @property
    def left_out(self) -> Counter[str]:
        """The rows of each namespace that were left out; of several queries, of the one with the most."""
        return reduce(or_, self._left_out.values(), Counter[str]())

    def takes(self, namespace: str, query: str = "") -> bool:
        """True if another row of *namespace* is kept."""
        kept = self._kept[query]
        if self._totals[query] >= self.limit.rows and kept[namespace] >= self.limit.rows // len(kept):
            self._left_out[query][namespace] += 1
            return False
        kept[namespace] += 1
        self._totals[query] += 1
        return True
