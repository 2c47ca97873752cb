"""A history of proxies' counters, series by series: with the times of scrapes and the values at these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.histories.openmetrics import Family, Series, write_openmetrics

Labels = Mapping[str, str]
SCRAPE_SECONDS = 30


class ProxyHistory:
    """Scrapes of some *seconds* up to *end*, an hour by default, every 30 seconds unless times are given."""

    def __init__(self, end: int, seconds: int = 3600) -> None:
        self.end, self._seconds = end, seconds
        self._families: dict[str, list[Series]] = {}

    def scrapes(self, first: int | None = None, last: int = 0) -> NDArray[np.int64]:
        """The times of scrapes between *first* and *last* seconds from the end; all by default."""
        first = -self._seconds if first is None else first
        return np.arange(self.end + first, self.end + last + 1, SCRAPE_SECONDS, dtype=np.int64)

    def add(self, metric: str, labels: Labels, times: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add a series."""
        series = Series(labels, times, np.asarray(values, dtype=np.float64))
        self._families.setdefault(metric, []).append(series)

    def count(
        self, metric: str, labels: Labels, per_second: float, times: NDArray[np.int64] | None = None
    ) -> None:
        """Add a counter of a proxy that is older than the history: it begins at 1000."""
        times = self.scrapes() if times is None else times
        self.add(metric, labels, times, 1000 + per_second * (times - times[0]))

    def up(self, labels: Labels, times: NDArray[np.int64] | None = None, value: float = 1) -> None:
        """Add successful scrapes of a target; failed ones if *value* is 0."""
        times = self.scrapes() if times is None else times
        self.add("up", labels, times, np.full(len(times), value))

    def write(self, path: Path) -> None:
        """Write the OpenMetrics file."""
        write_openmetrics(
            path, [Family(metric, _kind(metric), tuple(series)) for metric, series in self._families.items()]
        )


def _kind(metric: str) -> Literal["counter", "gauge"]:
    return "counter" if metric.endswith("_total") else "gauge"
