"""Arrays by series number, extended for series that are new."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def pad(array: NDArray[T], size: int, fill: float = 0) -> NDArray[T]:
    """*array* with at least *size* rows; missing ones are *fill*. Not a copy if nothing is missing."""
    if size <= len(array):
        return array
    missing = (size - len(array), *array.shape[1:])
    return np.concatenate((array, np.full(missing, fill, dtype=array.dtype)))
