"""Drawings of Vega as small, self-contained SVG: no scripts, links, ids or style attributes.

A page's Content-Security-Policy may forbid all of these, and ids of two drawings in one page would clash.
Paint is an attribute with the light value of an ink, and a class by which a stylesheet repaints it.
"""

import re
from xml.etree import ElementTree as ET

from app.charts.theme import FONT, PAINTED, document_stylesheet, ink, ink_class

_SVG = "{http://www.w3.org/2000/svg}"
# What draws, and what of it counts; Vega writes more, for its own event handling.
_DRAWN = frozenset({"g", "path", "line", "rect", "circle", "text", "tspan"})
_KEPT = frozenset(
    {"transform", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "width", "height", "cx", "cy", "r"}
    | {"fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity"}
    | {"fill-opacity", "stroke-opacity", "text-anchor", "font-size", "font-weight"}
)
_MEANS_NOTHING = {("opacity", "1"), ("font-weight", "normal"), ("transform", "translate(0,0)")}
_NUMBERS = frozenset({"d", "transform", "x", "y", "x2", "y2", "width", "height"})
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")


def tidy(drawing: str, description: str) -> ET.Element:
    """Vega's *drawing* as an image with *description*, for a page that has the stylesheet."""
    root = ET.fromstring(drawing)  # noqa: S314 - drawn here, of no one else's markup
    image = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "chart", "role": "img"})
    image.attrib |= {"aria-label": description, "font-family": FONT, "fill": "none"}
    image.attrib |= {name: root.attrib[name] for name in ("width", "height", "viewBox")}
    image.extend(_tidied(root))
    return image


def text_of(image: ET.Element) -> str:
    """The markup of *image*."""
    return ET.tostring(image, encoding="unicode")


def document_of(image: ET.Element) -> str:
    """The markup of a file with *image* alone: with title, stylesheet and background."""
    document = ET.Element("svg", image.attrib)
    ET.SubElement(document, "title").text = image.attrib["aria-label"]
    ET.SubElement(document, "style").text = document_stylesheet()
    document.append(_background())
    document.extend(image)
    return text_of(document) + "\n"


def light_of(image: ET.Element) -> str:
    """The markup with a light background, for programs that draw pixels."""
    document = ET.Element("svg", image.attrib)
    document.append(_background())
    document.extend(image)
    return text_of(document)


def _background() -> ET.Element:
    paint = _painted({"fill": ink("background")})
    return ET.Element("rect", {"width": "100%", "height": "100%", **paint})


def _tidied(parent: ET.Element) -> list[ET.Element]:
    """The children of *parent* that draw something; a group without attributes becomes its children."""
    children = []
    for element in parent:
        tag = element.tag.removeprefix(_SVG)
        if tag not in _DRAWN or element.get("display") == "none":
            continue
        attributes = _attributes(element)
        inner = _tidied(element)
        is_group = tag == "g"
        if (is_group and not inner) or (not is_group and not _is_visible(tag, attributes, element)):
            continue
        if is_group and not attributes:
            children += inner
            continue
        tidied = ET.Element(tag, attributes)
        tidied.text = element.text
        tidied.extend(inner)
        children.append(tidied)
    return children


def _is_visible(tag: str, attributes: dict[str, str], element: ET.Element) -> bool:
    if tag in {"text", "tspan"}:
        return bool("".join(element.itertext()).strip())
    return bool(attributes.keys() & set(PAINTED)) and attributes.get("d") != ""


def _attributes(element: ET.Element) -> dict[str, str]:
    attributes = {
        name: _LONG_NUMBER.sub(_rounded, value) if name in _NUMBERS else value
        for name, value in element.attrib.items()
        if name in _KEPT and (name, value) not in _MEANS_NOTHING
    }
    return _painted({name: value for name, value in attributes.items() if value != "none"})


def _painted(attributes: dict[str, str]) -> dict[str, str]:
    """The attributes with the classes of their inks."""
    classes = [ink_class(name, attributes[name]) for name in PAINTED if name in attributes]
    names = " ".join(filter(None, classes))
    return attributes | {"class": names} if names else attributes


def _rounded(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
