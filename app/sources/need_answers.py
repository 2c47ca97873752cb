"""The answer on a sign of need, made sparse; pure."""

import numpy as np

from app.domain.profiles import NeedReason
from app.estimation.samples import NeedSamples, PodContainer, StepRange
from app.sources.answers import Matrix


def need_samples(reason: NeedReason, steps: StepRange, told: Matrix) -> NeedSamples:
    """Where the sign was seen; an OOM kill is one, however the metric that tells it counts."""
    rows, columns = np.nonzero(np.isfinite(told.values))
    shares = told.values[rows, columns] if reason is NeedReason.CPU_THROTTLING else np.ones(len(rows))
    containers = tuple(PodContainer(*key) for key in told.keys)
    return NeedSamples(reason, steps, containers, rows, columns + steps.first, shares)
