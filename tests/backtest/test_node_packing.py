"""Packing of values on nodes, and use that the nodes cannot serve."""

from dataclasses import replace

import numpy as np
import pytest

from app.backtest.node_packing import NodePacker, Packing, first_fit, unmet_core_hours
from app.backtest.usage import Lanes
from app.domain.profiles import Resource
from tests.backtest.pasts import GIBIBYTE, day, lane, lanes

NODES = NodePacker(cores=4, memory_bytes=8 * GIBIBYTE, orders=5)


def placed(*amounts: tuple[float, float]) -> list[int]:
    """The nodes of replicas that need *amounts* of cores and GiB, placed in this order."""
    needs = np.array(amounts) / (NODES.cores, NODES.memory_bytes / GIBIBYTE)
    (nodes,) = first_fit(needs, np.arange(len(needs))[np.newaxis])
    return list(nodes.tolist())


def packed(cpu: Lanes, cores: list[float], gibibytes: list[float]) -> Packing | None:
    values = {Resource.CPU: np.array([cores]).T, Resource.MEMORY: np.array([gibibytes]).T * GIBIBYTE}
    mask = np.ones((len(cores), 1), dtype=np.bool_)
    return NODES.pack(cpu, mask, values)


def test_a_replica_goes_to_the_first_node_with_room_for_both() -> None:
    """Nodes have 4 cores and 8 GiB: the second needs too many cores, the third too much memory for node 0."""
    assert placed((3, 2), (2, 2), (1, 7), (1, 6), (2, 1)) == [0, 1, 2, 0, 1]


def test_needs_that_fill_a_node_exactly_share_it() -> None:
    """Ten tenths of the cores are a whole node, in spite of rounding."""
    assert placed(*[(0.4, 0.1)] * 11) == [0] * 10 + [1]


def test_as_many_nodes_as_replicas_can_be_opened() -> None:
    """Each needs a node of its own; room is made for 64 nodes at once."""
    assert placed(*[(4, 8)] * 70) == list(range(70))


def test_orders_are_placed_apart() -> None:
    """Shares .6, .4 and .7 in this order: .6 and .4 fill node 0. From the last on: .7 has a node of its own.

    Nodes are those of the replicas, not of the places in the order: .4 and .6 share node 1 then.
    """
    needs = np.array([[0.6], [0.4], [0.7]])

    nodes = first_fit(needs, np.array([[0, 1, 2], [2, 1, 0]]))

    assert nodes.tolist() == [[0, 0, 1], [1, 1, 0]]


def test_a_seed_gives_the_same_orders_and_another_one_others() -> None:
    """Shares .6, .6, .4 and .4 fill two or three nodes, depending on the order."""
    values = {
        Resource.CPU: np.array([[2.4, 2.4, 1.6, 1.6]]).T,
        Resource.MEMORY: np.full((4, 1), GIBIBYTE),
    }
    four = Lanes(np.arange(4), np.ones((4, 1, 288), dtype=np.float32), 4)
    nodes = [
        packing.nodes
        for seed in (1, 1, *range(2, 20))
        if (
            packing := replace(NODES, orders=3, seed=seed).pack(four, np.ones((4, 1), dtype=np.bool_), values)
        )
    ]

    assert nodes[0] == nodes[1]
    assert len(set(nodes)) > 1


def test_what_nodes_cannot_serve_is_unmet() -> None:
    """Two replicas on one node of 4 cores use 3 cores each for two hours: 2 cores short, 4 core-hours.

    One on another node uses 5 cores for one hour: 1 core-hour.
    """
    use = np.array([day((24, 3.0), (264, 0.0)), day((24, 3.0), (264, 0.0)), day((12, 5.0), (276, 0.0))])

    assert unmet_core_hours(np.array([1, 1, 0]), use, NODES.cores) == pytest.approx(5)


def test_values_below_use_take_fewer_nodes_and_leave_use_unmet() -> None:
    """Two replicas of a container use 3 cores all day: 3 cores: two nodes; 1 core: one node, 48 unmet."""
    two = lanes([3.0], [3.0])

    assert packed(two, [3.0], [1.0]) == Packing(2, 0)
    assert packed(two, [1.0], [1.0]) == Packing(1, 48)


def test_values_and_use_end_at_the_size_of_a_node() -> None:
    """A container of 100 cores fills a node, and what it uses beyond the 4 cores is no other node's."""
    assert packed(lanes([100.0]), [100.0], [1.0]) == Packing(1, 0)


def test_days_without_a_value_are_left_out() -> None:
    """NaN is no value; a container without samples on a day is not placed."""
    assert packed(lanes([1.0]), [float("nan")], [1.0]) is None
    two = Lanes(np.arange(2), np.stack([lane([1.0]), lane([float("nan")])]).astype(np.float32), 2)
    assert packed(two, [4.0, 4.0], [1.0, 1.0]) == Packing(1, 0)
