"""Packing: how many nodes values fill, and how much use the nodes then cannot serve.

Each replica that ran on a day is placed with its container's values of that day: first fit, in random
orders, on equal nodes. Use that the nodes' cores cannot serve is unmet. What a value sets aside in vain may
serve another replica's burst: unmet use is the harm of overuse to a cluster, where waste and overuse are of
one container. Values, and the use of one replica, end at the size of a node.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Lanes
from app.domain.profiles import Resource
from app.history.samples import STEPS_PER_DAY
from app.recommendation.array_types import BoolArray, Float64Array, Int64Array

Values = NDArray[np.float64]  # [series, days], NaN where there is no value
_ROUNDING = 1e-9  # of a node


@dataclass(frozen=True, slots=True)
class Packing:
    """The nodes that are filled, and the core-hours that are unmet on a day: means over days and orders."""

    nodes: float
    unmet_core_hours: float


@dataclass(frozen=True, slots=True)
class NodePacker:
    """Places replicas on nodes of one size, in a number of random orders."""

    cores: float = 32.0
    memory_bytes: float = 128 * 2.0**30
    orders: int = 20

    def pack(
        self,
        lanes: Lanes,
        mask: BoolArray,
        values: Mapping[Resource, Values],
        random: np.random.Generator,
    ) -> Packing | None:
        """The packing of all replicas in *lanes* (of CPU) on the days of *mask* [series, days], or None.

        A day of a container counts if it has a value of both resources.
        """
        nodes, unmet = [], []
        placed = mask & np.isfinite(values[Resource.CPU]) & np.isfinite(values[Resource.MEMORY])
        for day in np.flatnonzero(placed.any(axis=0)).tolist():
            samples = lanes.values[:, day]
            running = np.flatnonzero(np.isfinite(samples).any(axis=1) & placed[lanes.owner, day])
            needs = self._shares_of_node(values, lanes.owner[running], day)
            use = np.minimum(np.nan_to_num(samples[running]), self.cores)
            for _ in range(self.orders):
                order = random.permutation(len(running))
                node = first_fit(needs[order])
                nodes.append(int(node.max(initial=-1)) + 1)
                unmet.append(unmet_core_hours(node, use[order], self.cores))
        return Packing(float(np.mean(nodes)), float(np.mean(unmet))) if nodes else None

    def _shares_of_node(
        self, values: Mapping[Resource, Values], series: Int64Array, day: int
    ) -> Float64Array:
        cores, memory_bytes = (values[resource][series, day] for resource in (Resource.CPU, Resource.MEMORY))
        needs = np.stack((cores / self.cores, memory_bytes / self.memory_bytes), axis=1)
        shares: Float64Array = np.minimum(needs, 1)
        return shares


def first_fit(needs: Float64Array) -> Int64Array:
    """The node of each replica, placed in order on the first node with room for its *needs* [n, resources].

    Needs are shares of a node; a node is opened where no open one has room.
    """
    free = np.ones((len(needs), needs.shape[1])) + _ROUNDING
    nodes = np.zeros(len(needs), dtype=np.int64)
    opened = 1
    for number, need in enumerate(needs):
        node = int((free[: opened + 1] >= need).all(axis=1).argmax())
        free[node] -= need
        nodes[number], opened = node, max(opened, node + 1)
        if opened == len(free):
            free = np.concatenate((free, np.ones_like(free) + _ROUNDING))
    return nodes


def unmet_core_hours(nodes: Int64Array, use: NDArray[np.floating], cores: float) -> float:
    """The core-hours of a day that nodes of *cores* cannot serve; *use* [n, steps] is in cores."""
    order = np.argsort(nodes, kind="stable")
    starts = np.flatnonzero(np.diff(nodes[order], prepend=-1))
    load = np.add.reduceat(use[order].astype(np.float64), starts, axis=0)
    return float(np.maximum(load - cores, 0).sum() * 24 / STEPS_PER_DAY)
