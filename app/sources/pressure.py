"""The answer on a sign of need, made sparse; pure."""

import numpy as np

from app.domain.profiles import Pressure
from app.history.samples import PodContainer, PressureSamples, StepRange
from app.sources.query_result import QueryResult


def need_samples(reason: Pressure, steps: StepRange, told: QueryResult) -> PressureSamples:
    """Where the sign was seen; an OOM kill is one, however the metric that tells it counts."""
    seen = ~np.isnan(told.samples)
    rows, columns, samples = told.rows[seen], told.columns[seen], told.samples[seen]
    shares = samples if reason is Pressure.CPU_THROTTLING else np.ones(len(rows))
    containers = tuple(PodContainer(*key) for key in told.keys)
    at_steps = columns.astype(np.int64) + steps.first
    return PressureSamples(reason, steps, containers, rows.astype(np.int64), at_steps, shares)
