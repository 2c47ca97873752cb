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

from app.backtest.scores import Values
from app.backtest.usage import Lanes
from app.domain.profiles import Resource
from app.history.samples import HOURS_PER_DAY, STEPS_PER_DAY
from app.recommendation.array_types import BoolArray, Float64Array, Int64Array

_ROUNDING = 1e-9  # of a node
_OPENED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Packing:
    """The nodes that are filled, and the core-hours that are unmet on a day: means over days and orders."""

    nodes: float
    unmet_core_hours: float


@dataclass(frozen=True, slots=True)
class NodePacker:
    """Places replicas on nodes of one size, in random orders that are the same for all values of a day."""

    cores: float = 32.0
    memory_bytes: float = 128 * 2.0**30
    orders: int = 20
    seed: int = 1

    def pack(self, lanes: Lanes, mask: BoolArray, values: Mapping[Resource, Values]) -> Packing | None:
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
            random = np.random.default_rng((self.seed, day))
            orders = np.stack([random.permutation(len(running)) for _ in range(self.orders)])
            for node in first_fit(needs, orders):
                nodes.append(int(node.max(initial=-1)) + 1)
                unmet.append(unmet_core_hours(node, use, self.cores))
        return Packing(float(np.mean(nodes)), float(np.mean(unmet))) if nodes else None

    def _shares_of_node(
        self, values: Mapping[Resource, Values], series: Int64Array, day: int
    ) -> Float64Array:
        cores, memory_bytes = (values[resource][series, day] for resource in (Resource.CPU, Resource.MEMORY))
        needs = np.stack((cores / self.cores, memory_bytes / self.memory_bytes), axis=1)
        shares: Float64Array = np.minimum(needs, 1)
        return shares


NODES = NodePacker()


def first_fit(needs: Float64Array, orders: Int64Array) -> Int64Array:
    """The node of each replica in each order, [orders, n]; each is placed on the first node with room for it.

    *needs* [n, resources] are shares of a node. A node is opened where no open one has room. All *orders*
    [orders, n] are placed at once.
    """
    free = np.full((len(orders), _OPENED_AT_ONCE, needs.shape[1]), 1 + _ROUNDING)
    nodes = np.zeros(orders.shape, dtype=np.int64)
    order = np.arange(len(orders))
    opened = 0  # in the order that has opened most
    for placed in orders.T:
        if opened == free.shape[1]:
            free = np.concatenate((free, np.full_like(free, 1 + _ROUNDING)), axis=1)
        need = needs[placed]
        node = (free[:, : opened + 1] >= need[:, np.newaxis]).all(axis=2).argmax(axis=1)
        free[order, node] -= need
        nodes[order, placed] = node
        opened = max(opened, int(node.max()) + 1)
    return nodes


def unmet_core_hours(nodes: Int64Array, use: NDArray[np.floating], cores: float) -> float:
    """The core-hours of a day that nodes of *cores* cannot serve; *use* [n, steps] is in cores."""
    order = np.argsort(nodes, kind="stable")
    starts = np.flatnonzero(np.diff(nodes[order], prepend=-1))
    load = np.add.reduceat(use[order].astype(np.float64), starts, axis=0)
    return float(np.maximum(load - cores, 0).sum() * HOURS_PER_DAY / STEPS_PER_DAY)
