"""The answer on a sign of need, made sparse; pure."""

import numpy as np

from app.domain.profiles import NeedReason
from app.history.samples import NeedSamples, PodContainer, StepRange
from app.sources.query_result import Series


def need_samples(reason: NeedReason, steps: StepRange, told: Series) -> NeedSamples:
    """Where the sign was seen; an OOM kill is one, however the metric that tells it counts."""
    seen = ~np.isnan(told.samples)
    rows, columns, samples = told.rows[seen], told.columns[seen], told.samples[seen]
    shares = samples if reason is NeedReason.CPU_THROTTLING else np.ones(len(rows))
    containers = tuple(PodContainer(*key) for key in told.keys)
    at_steps = columns.astype(np.int64) + steps.first
    return NeedSamples(reason, steps, containers, rows.astype(np.int64), at_steps, shares)
