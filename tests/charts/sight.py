"""Colours as people with and without colour blindness see them."""

from math import dist

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
SIGHTS = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
Triple = tuple[float, float, float]


def contrast(left: str, right: str) -> float:
    """The contrast of WCAG 2, from 1 to 21."""
    dark, light = sorted(_luminance(_linear(colour)) for colour in (left, right))
    return (light + 0.05) / (dark + 0.05)


def distance(left: str, right: str, sight: str) -> float:
    """The distance (CIE 1976) of two colours as they are seen; about 2 can just be noticed."""
    seen = [_lab(_seen(_linear(colour), sight)) for colour in (left, right)]
    return dist(*seen)


def _linear(colour: str) -> Triple:
    r, g, b = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _decoded(r), _decoded(g), _decoded(b)


def _decoded(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _luminance(rgb: Triple) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def _seen(rgb: Triple, sight: str) -> Triple:
    r, g, b = (
        min(max(sum(weight * share for weight, share in zip(row, rgb, strict=True)), 0.0), 1.0)
        for row in SIGHTS[sight]
    )
    return r, g, b


def _lab(rgb: Triple) -> Triple:
    r, g, b = rgb
    x = _root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047)
    y = _root(_luminance(rgb))
    z = _root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _root(share: float) -> float:
    return share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116
