"""Positions of labels that don't overlap each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

_WIDTH_OF_LETTER = 6.6  # pixels at a font size of 11, in the widest of the fonts
_DOT_RADIUS = 5
_HEIGHT = 13
_DISTANCES = (9, 16, 24, 34, 46)
_DIRECTIONS = (0, 4, 2, 6, 1, 7, 3, 5)  # eighths of a turn: right and left before above and below
_TIPS = 8  # corners of the star in which positions are tried


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """True if they have an area in common."""
        is_beside = self.right <= other.left or other.right <= self.left
        return not (is_beside or self.bottom <= other.top or other.bottom <= self.top)

    def is_within(self, other: "Box") -> bool:
        """True if nothing of it is outside of *other*."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as close to *wanted* as possible, in the same order, *gap* apart and within [low, high].

    If they don't all fit there, they begin at *low* and end beyond *high*.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    # Without the gaps, the positions only have to be in order: neighbours that are not share their mean.
    groups: list[tuple[float, int]] = []
    for place, index in enumerate(order):
        mean, size = wanted[index] - place * gap, 1
        while groups and groups[-1][0] > mean:
            other_mean, other_size = groups.pop()
            mean = (mean * size + other_mean * other_size) / (size + other_size)
            size += other_size
        groups.append((mean, size))
    means = [mean for mean, size in groups for _ in range(size)]
    highest = max(high - gap * (len(wanted) - 1), low)
    positions = [0.0] * len(wanted)
    for place, (mean, index) in enumerate(zip(means, order, strict=True)):
        positions[index] = min(max(mean, low), highest) + place * gap
    return positions


def boxes_beside(
    texts: Sequence[str], dots: Sequence[tuple[float, float]], obstacles: Sequence[Box], frame: Box
) -> list[Box]:
    """A box for the text of each dot: near it, within *frame*, over no obstacle, no dot and no other box.

    Where there is no such place, the box covers the least of them.
    """
    taken = [*obstacles, *(around(x, y, _DOT_RADIUS) for x, y in dots)]
    boxes = []
    for text, (x, y) in zip(texts, dots, strict=True):
        candidates = list(_candidates(x, y, _WIDTH_OF_LETTER * len(text)))
        inside = [box for box in candidates if box.is_within(frame)] or candidates
        best = min(inside, key=lambda box: sum(box.overlaps(other) for other in taken))
        boxes.append(best)
        taken.append(best)
    return boxes


def around(x: float, y: float, radius: float) -> Box:
    """The square with the centre *x*, *y*."""
    return Box(x - radius, y - radius, x + radius, y + radius)


def _candidates(x: float, y: float, width: float) -> Iterator[Box]:
    """Boxes around a dot, the closest first."""
    for distance in _DISTANCES:
        for direction in _DIRECTIONS:
            turn = 2 * pi * direction / _TIPS
            near_x, near_y = x + distance * cos(turn), y + distance * sin(turn)
            left = near_x - width * (1 - cos(turn)) / 2
            top = near_y - _HEIGHT * (1 - sin(turn)) / 2
            yield Box(left, top, left + width, top + _HEIGHT)
