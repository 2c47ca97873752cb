"""A limit on the rows that one answer keeps, shared by the namespaces that report them; pure."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowLimit:
    """The most rows of an answer; the value of *label* is the namespace that reports a row."""

    rows: int
    label: str = "namespace"


class RowShares:
    """Decides row by row, so that no more than the limit is decoded.

    Every row is kept while there is room. After that, a namespace gets another row only as long as it has
    less than an equal share of the limit: rows that arrive late are not left out for those before them.
    """

    def __init__(self, limit: RowLimit) -> None:
        self.limit = limit
        self.left_out: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._total = 0

    def takes(self, namespace: str) -> bool:
        """True if another row of *namespace* is kept."""
        kept = self._kept[namespace]
        if self._total >= self.limit.rows and kept >= self.limit.rows // len(self._kept):
            self.left_out[namespace] += 1
            return False
        self._kept[namespace] = kept + 1
        self._total += 1
        return True
