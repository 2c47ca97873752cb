"""Types of the numpy arrays that the arithmetic takes and returns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]  # either width
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Price = float | Float64Array  # one for all series, or a column [n, 1] with one for each
