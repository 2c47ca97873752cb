"""Bounds of one container, beside those that a backtest scores."""

from decimal import Decimal

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.recommendation.need_bounds import upper_bound
from app.recommendation.policy import confidence
from app.vpa.bounds import NeedAtRisks, amounts_for


@pytest.mark.parametrize("days", [1, 2, 7, 28])
@pytest.mark.parametrize(("value", "low", "high"), [(0.404, 0.5, 0.3), (0.1, 0.1, 0.1), (2.0, 2.05, 1.5)])
def test_the_upper_bound_is_that_of_the_backtest(days: float, value: float, low: float, high: float) -> None:
    """The same formula, here in whole millicores."""
    need = NeedAtRisks(*(Decimal(repr(number)) for number in (value, low, high)))

    found = amounts_for(Resource.CPU, need, confidence(24 * days))

    [expected] = upper_bound(*(np.array([number], dtype=np.float64) for number in (value, low, days)))
    assert float(found.upper) == pytest.approx(float(expected), abs=0.0015)
    assert found.lower <= found.target <= found.upper


def test_whole_numbers_stay_what_they_are() -> None:
    """1.1 * 100m * (1 + 1/1) is 220m: binary fractions would give a little more, and so 221m."""
    need = NeedAtRisks(Decimal("0.1"), Decimal("0.1"), Decimal("0.1"))

    found = amounts_for(Resource.CPU, need, 0.5)

    assert (found.target, found.lower, found.upper) == (Decimal("0.1"), Decimal("0.1"), Decimal("0.22"))


def test_without_confidence_the_upper_bound_is_finite() -> None:
    """A minimum of 0 is possible, and so is a confidence of 0."""
    need = NeedAtRisks(Decimal("0.1"), Decimal("0.1"), Decimal("0.1"))

    assert amounts_for(Resource.CPU, need, 0.0).upper == Decimal("2.31")
