"""Positions of labels that don't overlap each other."""

from collections.abc import Sequence


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near *wanted*, in their order, *gap* apart, and within [low, high] if they all fit there."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [min(max(wanted[index], low), high) for index in order]
    for number in range(1, len(placed)):
        placed[number] = max(placed[number], placed[number - 1] + gap)
    for number in reversed(range(len(placed))):
        limit = high if number == len(placed) - 1 else placed[number + 1] - gap
        placed[number] = min(placed[number], limit)
    positions = [0.0] * len(wanted)
    for position, index in zip(placed, order, strict=True):
        positions[index] = position
    return positions
