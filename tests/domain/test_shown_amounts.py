"""Amounts as people write them."""

import pytest

from app.domain.shown_amounts import cores, rate, share, signed, size

MIB = 1024**2


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.026, "26m"), (0.0261, "27m"), (0.1 + 0.2, "300m"), (1.5, "1500m"), (12.54, "12.5"), (0, "0m")],
)
def test_cores(amount: float, text: str) -> None:
    """Whole millicores, rounded up so that the need fits, without the noise of floats; cores from ten on."""
    assert cores(amount) == text


@pytest.mark.parametrize(
    ("amount_bytes", "text"),
    [
        (347 * MIB, "347Mi"),
        (347 * MIB + MIB // 2, "348Mi"),
        (4096 * MIB, "4096Mi"),
        (12.5 * 1024 * MIB, "12.5Gi"),
        (1000, "1Ki"),
        (0, "0Ki"),
    ],
)
def test_sizes(amount_bytes: float, text: str) -> None:
    """Whole MiB, rounded up; GiB from ten on."""
    assert size(amount_bytes) == text


def test_rates_signs_and_shares() -> None:
    """Rates have the units of networks, and no four digits after rounding; a small share is not none."""
    assert [rate(value) for value in (5, 5120, 512000, 5.12e6)] == ["5B", "5.1kB", "512kB", "5.1MB"]
    assert [rate(value) for value in (999.4, 999.6, 99_960, 999_970, 999_970e3)] == [
        *("999B", "1.0kB", "100kB", "1.0MB", "1.0GB")
    ]
    assert [signed(value) for value in (1.25, -0.5, -0.001)] == ["+1.25", "-0.50", "0.00"]
    assert [share(value) for value in (0.123, 0.004, 0)] == ["12%", "<1%", "0%"]
