"""Parsing of Kubernetes quantities."""

from decimal import Decimal

import pytest

from app.domain.quantities import amount_in, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", "0.1"),
        ("0.1", "0.1"),
        (".5", "0.5"),
        ("2.", "2"),
        ("250u", "0.00025"),
        ("1500000n", "0.0015"),
        ("1", "1"),
        ("1k", "1000"),
        ("128M", "128000000"),
        ("1E", "1000000000000000000"),
        ("64Mi", "67108864"),
        ("1.5Gi", "1610612736"),
        ("1Ki", "1024"),
        ("1e3", "1000"),
        ("12E-1", "1.2"),
        ("-5", "-5"),
    ],
)
def test_a_quantity_is_a_number(text: str, number: str) -> None:
    """Units and exponents: m is a thousandth, Mi is 1024 * 1024, E is 10^18."""
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "m", "1 m", "64MiB", "1K", "1ee3", "1e", "NaN", "0x10", "\u0661", "1e3m"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Kubernetes knows k but not K; the error message contains the word quantity."""
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("64Mi", Decimal(67108864)),
        ("0", Decimal(0)),
        ("9223372036854775807", Decimal(2**63 - 1)),
        ("9223372036854775808", None),
        ("1e999999999999999999", None),
        ("1e9999999999999999999", None),
        ("-1m", None),
        ("many", None),
        ("", None),
        (64, None),
        (None, None),
    ],
)
def test_a_text_that_people_can_edit_may_have_no_amount(value: object, amount: Decimal | None) -> None:
    """An API server takes whole numbers of 64 bits: from 0, and below 2^63 = 9223372036854775808."""
    assert amount_in(value) == amount
