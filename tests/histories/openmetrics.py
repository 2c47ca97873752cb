"""OpenMetrics text with timestamps for `promtool tsdb create-blocks-from openmetrics`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Series:
    """A series; times in whole seconds."""

    labels: Mapping[str, str]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """All series of one metric; a counter's name ends in `_total`."""

    metric: str
    kind: Literal["counter", "gauge"]
    series: tuple[Series, ...]


def write_openmetrics(path: Path, families: Iterable[Family]) -> None:
    """Writes the file; the TYPE line of a counter lacks the `_total` of its samples."""
    with path.open("w", encoding="utf-8") as file:
        for family in families:
            file.write(f"# TYPE {family.metric.removesuffix('_total')} {family.kind}\n")
            file.writelines(_lines(family))
        file.write("# EOF\n")


def _lines(family: Family) -> Iterator[str]:
    """The text of one series at a time: writing millions of single lines would be slow."""
    for series in family.series:
        labels = ",".join(f'{label}="{value}"' for label, value in series.labels.items())
        head = f"{family.metric}{{{labels}}} "
        points = zip(series.values.tolist(), series.times.tolist(), strict=True)
        yield "".join([f"{head}{value!r} {time}\n" for value, time in points])
