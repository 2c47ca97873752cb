"""Requests, responses and scrapes of the mesh, joined into one answer on connections; pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Connection, Workload
from app.estimation.samples import ConnectionSamples, StepRange
from app.sources.answers import Matrix
from app.sources.queries import Scope

# Two scrapes in a step make a rate; after a single one, silence can't be told from ignorance.
_SCRAPES_FOR_A_RATE = 2


def join_connections(
    requests: Matrix, responses: Matrix, scrapes: Matrix, *, steps: StepRange, scope: Scope
) -> ConnectionSamples:
    """The edges in scope, with NaN for a side that is absent, and when each source was scraped.

    A source was also scraped where one of its edges has a sample: for proxies that are scraped in a way that
    leaves no `up` with their labels, this is all there is to go by.
    """
    keys = [key for key in sorted({*requests.keys, *responses.keys}) if scope.covers_edge(key[0], key[2])]
    edges = tuple(Connection(Workload(*key[:2]), Workload(*key[2:])) for key in keys)
    sides = [_aligned(side, keys, len(steps)) for side in (requests, responses)]
    proxies = [key for key in scrapes.keys if key[0] not in scope.excluded]
    sources = sorted({*proxies, *(key[:2] for key in keys)})
    counts = _aligned(scrapes, sources, len(steps))
    scraped = counts >= _SCRAPES_FOR_A_RATE
    seen = np.isfinite(sides[0]) | np.isfinite(sides[1])
    rows = {source: row for row, source in enumerate(sources)}
    np.logical_or.at(scraped, [rows[key[:2]] for key in keys], seen)
    return ConnectionSamples(
        steps,
        edges,
        sides[0],
        sides[1],
        tuple(Workload(*source) for source in sources),
        scraped,
        requests.unusable + responses.unusable,
    )


def _aligned(matrix: Matrix, keys: Sequence[tuple[str, ...]], steps: int) -> NDArray[np.float64]:
    """The rows of *matrix* in the order of *keys*; NaN where it has none."""
    rows = {key: row for row, key in enumerate(matrix.keys)}
    aligned = np.full((len(keys), steps), np.nan)
    for row, key in enumerate(keys):
        if key in rows:
            aligned[row] = matrix.values[rows[key]]
    return aligned
