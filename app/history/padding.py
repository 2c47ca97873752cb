"""Arrays by series number, extended for series that are new."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def pad(array: NDArray[T], size: int, fill: float = 0) -> NDArray[T]:
    """*array* with at least *size* elements; missing ones are *fill*. Not a copy if nothing is missing."""
    if size <= len(array):
        return array
    return np.concatenate((array, np.full(size - len(array), fill, dtype=array.dtype)))
