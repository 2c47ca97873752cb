"""Which container of which workload each series is, as arrays."""

from collections.abc import Mapping

import numpy as np

from app.domain.workloads import Workload
from app.history.key_ranges import key_of
from app.recommendation.day_quantiles import Integers

SAMPLED_WORKLOADS = 200  # that tell for all how far statements held
SPREAD_STEPS = 12  # an hour, over which the choosing is spread after a day has closed


class SeriesTable:
    """Made of an index whose order is the numbers' order; of use until that changes."""

    def __init__(self, index: Mapping[tuple[Workload, str], int]) -> None:
        self._names = list(index)
        numbers: dict[Workload, int] = {}
        groups: dict[tuple[str, str, str], int] = {}
        owners, siblings = [], []
        for workload, container in index:
            owners.append(numbers.setdefault(workload, len(numbers)))
            named = (workload.kind, workload.name, container)
            siblings.append(groups.setdefault(named, len(groups)))
        self.workloads = list(numbers)
        self.containers = [container for _, container in index]
        self.owner: Integers = np.array(owners, dtype=np.int64)
        # Containers of one name in workloads of one name and kind, each in a namespace of its own.
        self.siblings: Integers = np.array(siblings, dtype=np.int64)
        keys: Integers = np.array([key_of(workload) for workload in self.workloads], dtype=np.int64)
        # The same workloads on every leader, spread over all namespaces.
        self.sample: Integers = np.flatnonzero(np.isin(self.owner, np.argsort(keys)[:SAMPLED_WORKLOADS]))
        # The step of the day in which each workload's value is looked at, 1 to 12: it never changes.
        self.first_due_step = keys % SPREAD_STEPS + 1

    def is_of(self, index: Mapping[tuple[Workload, str], int]) -> bool:
        """True while *index* is what it was."""
        return len(self._names) == len(index) and self._names == list(index)
