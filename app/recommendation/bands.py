"""Bands of a day's samples: each band is a share of the day, and stands at the quantile of its middle.

Bands are narrow where values are chosen. A day is the sum of its bands, and several days are the sum of
theirs, each band with the weight of its day. The day's maximum is kept beside them.
"""

import numpy as np

_EDGES = np.array([0, 0.4, 0.6, 0.8, 0.88, 0.93, 0.97, 0.98, 0.99, 0.997, 1])
BAND_LEVELS: tuple[float, ...] = tuple(((_EDGES[:-1] + _EDGES[1:]) / 2).round(4).tolist())
BAND_SHARES = np.diff(_EDGES).astype(np.float32)

# The quantiles of a day's 5-minute samples that are used; the last one is the maximum.
LEVELS: tuple[float, ...] = (*BAND_LEVELS, 1.0)
MEDIAN = LEVELS.index(0.5)
