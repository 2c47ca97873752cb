"""The workload and container of each series, as arrays."""

from collections.abc import Mapping

import numpy as np

from app.domain.workloads import Workload
from app.history.key_ranges import key_of
from app.history.samples import STEPS_PER_HOUR
from app.recommendation.array_types import Int64Array

SAMPLED_WORKLOADS = 200  # on which the stated risk bound is calibrated for all
SPREAD_STEPS = STEPS_PER_HOUR  # an hour after a day has closed, over which the new choices are spread


class SeriesTable:
    """Built from an index in the order of series numbers; valid until the index changes."""

    def __init__(self, index: Mapping[tuple[Workload, str], int]) -> None:
        self._names = list(index)
        numbers: dict[Workload, int] = {}
        groups: dict[tuple[str, str, str], int] = {}
        owners, siblings = [], []
        for workload, container in index:
            owners.append(numbers.setdefault(workload, len(numbers)))
            identity = (workload.kind, workload.name, container)
            siblings.append(groups.setdefault(identity, len(groups)))
        self.workloads = list(numbers)
        self.containers = [container for _, container in index]
        self.owner: Int64Array = np.array(owners, dtype=np.int64)
        # The sibling group of each series: the same container of the same workload in other namespaces.
        self.sibling_group: Int64Array = np.array(siblings, dtype=np.int64)
        keys: Int64Array = np.array([key_of(workload) for workload in self.workloads], dtype=np.int64)
        # The same workloads on every leader, spread over all namespaces.
        self.sampled_series: Int64Array = np.flatnonzero(
            np.isin(self.owner, np.argsort(keys)[:SAMPLED_WORKLOADS])
        )
        # The step of the day, 1 to 12, from which each workload's value is decided again; it never changes.
        self.first_due_step = keys % SPREAD_STEPS + 1

    def matches(self, index: Mapping[tuple[Workload, str], int]) -> bool:
        """True while *index* is unchanged."""
        return len(self._names) == len(index) and self._names == list(index)
