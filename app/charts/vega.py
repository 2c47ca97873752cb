"""The words of Vega-Lite that the charts use: documents, layers, axes with fixed ticks, pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.charts.theme import config

Spec = dict[str, Any]
Row = Mapping[str, Any]
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


def document(view: Spec, description: str) -> Spec:
    """The complete specification of *view*; *description* is for people who don't see the picture."""
    return {"$schema": _SCHEMA, "description": description, "config": config(), **view}


def layer(rows: Sequence[Row], mark: Spec, **encoding: Any) -> Spec:
    """One mark for *rows*."""
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": encoding}


def line(rows: Sequence[Row], colour: str, x: Spec, y: Spec, **style: Any) -> Spec:
    """A line through *rows*, interrupted where a number is None."""
    mark = {"type": "line", "color": colour, "strokeWidth": 1.5, "invalid": "break-paths-show-path-domains"}
    return layer(rows, mark | style, x=x, y=y)


def texts(rows: Sequence[Row], **style: Any) -> Spec:
    """The `text` of each row at its `x` and `y` in pixels."""
    return layer(rows, {"type": "text", **style}, x=pixels("x"), y=pixels("y"), text={"field": "text"})


def pixels(field: str) -> Spec:
    """A position that a row has in pixels."""
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def axis(labels: Mapping[float, str] | Mapping[int, str], **style: Any) -> Spec:
    """An axis with these labels at these numbers, none of which is left out."""
    literals = ",".join(f"'{number:.12g}':'{label}'" for number, label in labels.items())
    return {
        "values": list(labels),
        "labelExpr": f"{{{literals}}}[format(datum.value,'.12~g')]",
        "labelOverlap": False,
        "title": None,
        **style,
    }


def number(amount: float) -> float:
    """The amount with five significant digits, which is finer than a picture."""
    return float(f"{amount:.5g}")
