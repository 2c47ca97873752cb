"""Query results as a source returns them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Connection, Workload
from app.history.samples import (
    STEPS_PER_DAY,
    ConnectionSamples,
    ContainerSamples,
    PodContainer,
    PressureSamples,
    StepRange,
)
from app.history.usage_history import UsageHistory
from app.recommendation.array_types import Float32Array, FloatArray
from app.recommendation.bands import LEVELS
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import Recommendations

# The day that begins at step MIDNIGHT + 1, chosen arbitrarily.
DAY = 20_000
MIDNIGHT = DAY * STEPS_PER_DAY
WEB_POD, WEB_POD_2 = "web-6b6f9d7d5c-2x8qz", "web-6b6f9d7d5c-7w4ct"
WEB = Workload("emojivoto", "web")


def steps(first: int, last: int) -> StepRange:
    """Steps counted from midnight: 1 is the first of the day, 288 its last."""
    return StepRange(MIDNIGHT + first, MIDNIGHT + last)


def usage(
    of: StepRange,
    *rows: tuple[str, str, Sequence[float] | NDArray[np.float64] | float],
    resource: Resource = Resource.CPU,
) -> ContainerSamples:
    """A result over *of*: each row is (Pod, container, its samples or the one value of all its samples)."""
    values = np.array([np.broadcast_to(np.asarray(row[2], dtype=float), len(of)) for row in rows])
    containers = tuple(PodContainer("emojivoto", pod, container) for pod, container, _ in rows)
    return ContainerSamples(resource, of, containers, values.reshape(len(rows), len(of)))


def pressure(
    reason: Pressure, of: StepRange, *rows: tuple[str, str, Sequence[float] | NDArray[np.float64] | float]
) -> PressureSamples:
    """A pressure result over *of*: each row is (Pod, container, shares or one for all steps), 0 for none."""
    shares = np.array([np.broadcast_to(np.asarray(row[2], dtype=float), len(of)) for row in rows])
    numbers, columns = np.nonzero(shares.reshape(len(rows), len(of)))
    containers = tuple(PodContainer("emojivoto", pod, container) for pod, container, _ in rows)
    return PressureSamples(reason, of, containers, numbers, columns + of.first, shares[numbers, columns])


def traffic(
    of: StepRange,
    edges: dict[Connection, tuple[Sequence[float] | float, Sequence[float] | float]],
    scraped: dict[Workload, Sequence[bool] | bool],
) -> ConnectionSamples:
    """A result over *of*: requests and responses per second by edge, and the scraped steps by source."""

    def matrix(rows: Sequence[object], dtype: type) -> NDArray[np.generic]:
        return np.array([np.broadcast_to(np.asarray(row, dtype=dtype), len(of)) for row in rows]).reshape(
            len(rows), len(of)
        )

    return ConnectionSamples(
        of,
        tuple(edges),
        matrix([requests for requests, _ in edges.values()], float),  # type: ignore[arg-type]
        matrix([responses for _, responses in edges.values()], float),  # type: ignore[arg-type]
        tuple(scraped),
        matrix(list(scraped.values()), bool),  # type: ignore[arg-type]
    )


def sample_quantiles(samples: FloatArray) -> Float32Array:
    """The quantiles [n, levels] of each row of *samples* [n, steps], NaN for none; 0 where a row has none.

    Linear between order statistics, as numpy's default.
    """
    count = np.isfinite(samples).sum(axis=1)
    ordered = np.sort(np.where(np.isfinite(samples), samples, np.inf), axis=1)
    position = np.array(LEVELS) * (np.maximum(count, 1) - 1)[:, np.newaxis]
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0)[:, np.newaxis])
    between = position - low
    values = (
        np.take_along_axis(ordered, low, 1) * (1 - between) + np.take_along_axis(ordered, high, 1) * between
    )
    return np.where(count[:, np.newaxis] > 0, values, 0).astype(np.float32)


def recommend(
    history: UsageHistory, resource: Resource, policy: EstimationPolicy, *, newest_step: int
) -> Recommendations:
    """The recommendations of a new recommender, without state of an earlier cycle."""
    return Recommender(history.state).recommend(resource, policy, newest_step=newest_step)
