"""Draws charts with vl-convert, an optional extra: the only module that calls it."""

from typing import Any

from app.charts.svg_markup import document_of, light_of, text_of, tidy
from app.charts.vega import Spec
from app.printable import printable

_PIXELS_PER_PIXEL = 2  # of a PNG, for screens with narrow pixels


def svg(spec: Spec) -> str:
    """The chart for a page that has `theme.stylesheet`."""
    return text_of(_image(spec))


def svg_document(spec: Spec) -> str:
    """The chart as an SVG file of its own."""
    return document_of(_image(spec))


def png(spec: Spec) -> bytes:
    """The chart as a PNG file, on a light background."""
    drawn: bytes = _converter().svg_to_png(light_of(_image(spec)), scale=_PIXELS_PER_PIXEL)
    return drawn


def _image(spec: Spec) -> Any:
    shown = _printable(spec)
    # No URL is allowed: all data is in the specification.
    drawing = _converter().vegalite_to_svg(shown, allowed_base_urls=[])
    return tidy(drawing, shown["description"])


def _printable(part: Any) -> Any:
    """The specification with printable texts: vl-convert ends the process at a control character."""
    if isinstance(part, str):
        return printable(part)
    if isinstance(part, dict):
        return {key: _printable(value) for key, value in part.items()}
    return [_printable(value) for value in part] if isinstance(part, list) else part


def _converter() -> Any:
    import vl_convert  # noqa: PLC0415 - a command that draws nothing does not load 84 MB

    return vl_convert
