"""Roles of Pods that differ: sums over the largest one, and their numbers after a selection."""

import numpy as np

from app.recommendation.pod_roles import NO_ROLES, PodRoles
from app.recommendation.stabilization import SeriesGroups

# Series 10 and 11 of the first workload; head 20 and proxy 22, worker 21 and proxy 22 of the second; 30.
SERIES, GROUP = np.array([10, 11, 20, 21, 22, 30]), np.array([0, 0, 1, 1, 1, 2])
ROLES = PodRoles.of(SERIES, {1: [np.array([20, 22]), np.array([21, 22])]})
MEMBERS = SeriesGroups(SERIES, GROUP, 3, ROLES)
AMOUNTS = np.array([1.0, 2.0, 4.0, 8.0, 0.5, 3.0])


def test_the_need_is_that_of_the_largest_role() -> None:
    """1 + 2; the larger of 4 + 0.5 and 8 + 0.5; 3. The total of the second is still 12.5."""
    np.testing.assert_array_equal(MEMBERS.need(AMOUNTS), [3, 8.5, 3])
    np.testing.assert_array_equal(MEMBERS.total(AMOUNTS), [3, 12.5, 3])


def test_a_selection_keeps_the_roles() -> None:
    """Without the first workload, the second is number 0; without the second, no workload has roles."""
    others = MEMBERS.select(np.array([False, True, True]))
    alike = MEMBERS.select(np.array([True, False, True]))

    np.testing.assert_array_equal(others.need(AMOUNTS[2:]), [8.5, 3])
    assert [members.tolist() for members in others.roles.of_group(0)] == [[0, 2], [1, 2]]
    np.testing.assert_array_equal(alike.need(AMOUNTS[[0, 1, 5]]), [3, 3])
    assert alike.roles.of_group(0) == []


def test_without_roles_the_need_is_the_total() -> None:
    """Most workloads have Pods with equal containers: nothing is computed."""
    totals = np.array([1.0, 2.0])

    assert NO_ROLES.largest(totals, AMOUNTS) is totals
