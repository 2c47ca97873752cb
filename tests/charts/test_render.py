"""Drawings pass a strict Content-Security-Policy and are the same each time."""

import re
from xml.etree import ElementTree as ET

import pytest

from app.charts.pressure_lanes import Span
from app.charts.render import png, svg, svg_document
from app.charts.theme import INKS
from app.charts.usage_chart import usage_chart
from app.domain.profiles import Pressure
from app.printable import printable
from tests.charts.views import MONDAY, samples, usage_view

SVG = "{http://www.w3.org/2000/svg}"
SPEC = usage_chart(
    usage_view(
        samples=samples(14, lambda step: 0.1 + step % 97 / 400),
        pressure={Pressure.CPU_THROTTLING: [Span(MONDAY + 9000, MONDAY + 9300)]},
    )
)


@pytest.fixture(scope="module")
def drawn() -> str:
    return svg(SPEC)


def test_nothing_is_drawn_that_a_strict_policy_forbids(drawn: str) -> None:
    """No script, style, link or id; no element and no attribute that may hold one."""
    root = ET.fromstring(drawn)

    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "g", "path", "line", "rect", "circle", "text", "tspan"
    }  # fmt: skip
    names = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"style", "href", "id", "clip-path", "{http://www.w3.org/1999/xlink}href"}
    assert not re.search(r"url\(|https?://(?!www\.w3\.org/2000/svg)|javascript:", drawn)


def test_the_ticks_have_their_labels(drawn: str) -> None:
    """Each second midnight has its date, and each quarter of a core its number."""
    texts = ["".join(element.itertext()) for element in ET.fromstring(drawn).iter(f"{SVG}text")]

    assert {"2 Mar", "4 Mar", "14 Mar", "0", "0.25", "1"} <= set(texts)


def test_every_colour_is_an_ink_with_its_class(drawn: str) -> None:
    """A colour without a class would stay light on a dark page."""
    paints = {
        (name, element.attrib[name], element.get("class", ""))
        for element in ET.fromstring(drawn).iter()
        for name in ("fill", "stroke")
        if element.attrib.get(name, "none") != "none"
    }

    by_colour = {ink.light: name for name, ink in INKS.items()}
    assert paints
    for name, colour, classes in paints:
        assert f"chart-{name}-{by_colour[colour]}" in classes.split()


def test_an_image_for_those_who_do_not_see_it(drawn: str) -> None:
    """The root is an image with a label."""
    root = ET.fromstring(drawn)

    assert (root.get("role"), root.get("aria-label")) == ("img", SPEC["description"])


@pytest.mark.parametrize(
    "name",
    ["</text><script>alert(1)</script>", "a\x1b[31m\x00", "half\ud800", "none\ufffe", "'};\\ {} \"", "<!--"],
)
def test_a_name_is_only_text(name: str) -> None:
    """Names come from tenants. vl-convert aborts the process at a control character: none gets there."""
    root = ET.fromstring(svg(usage_chart(usage_view(1, title=name))))

    shown = next(
        "".join(element.itertext()) for element in root.iter(f"{SVG}text") if "bold" in str(element.attrib)
    )
    assert shown == f"{printable(name)}, cores"
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_a_drawing_is_small_and_the_same_each_time(drawn: str) -> None:
    """Vega numbers the ids of a process; here are none."""
    assert svg(SPEC) == drawn
    assert len(drawn) < 60_000


def test_a_file_follows_the_readers_choice_of_light_or_dark() -> None:
    """The file of its own has title, variables of both, and a background."""
    root = ET.fromstring(svg_document(SPEC))

    style = root.findtext(f"{SVG}style") or ""
    assert "@media (prefers-color-scheme:dark)" in style
    assert all(f"--chart-{name}:{ink.dark}" in style for name, ink in INKS.items())
    assert root.findtext(f"{SVG}title") == SPEC["description"]


def test_a_png_has_two_pixels_for_one() -> None:
    """A picture of 720 times 240 pixels."""
    drawn = png(SPEC)

    assert drawn.startswith(b"\x89PNG")
    assert [int.from_bytes(drawn[at : at + 4]) for at in (16, 20)] == [1440, 480]
