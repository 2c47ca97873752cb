"""Draws charts with vl-convert, an optional extra: the only module that calls it."""

from typing import Any

from app.charts.svg_markup import document_of, light_of, text_of, tidy
from app.charts.vega import Spec
from app.errors import SettingsError

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


def require_renderer() -> None:
    """Raises SettingsError if charts can't be drawn, before anything is computed for them."""
    _converter()


def _image(spec: Spec) -> Any:
    # No URL is allowed: all data is in the specification.
    drawing = _converter().vegalite_to_svg(spec, allowed_base_urls=[])
    return tidy(drawing, spec["description"])


def _converter() -> Any:
    try:
        import vl_convert  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise SettingsError(
            ["charts need vl-convert-python: pip install 'kubernetes-job-profiler[dashboard]'"]
        ) from error
    return vl_convert
