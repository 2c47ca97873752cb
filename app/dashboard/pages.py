"""Views as HTML: the only place that writes it, by templates.

They escape every value but our own style, script and curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.charts.theme import document_stylesheet
from app.dashboard.facts import Facts
from app.dashboard.links import Links
from app.domain.kind_aliases import KIND_ALIASES
from app.domain.profiles import Resource
from app.domain.quantities import format_time

STYLE, SCRIPT = "dashboard.css", "dashboard.js"
STATIC = {
    STYLE: "text/css; charset=utf-8",
    SCRIPT: "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
VIEWS = {
    "overview": "Overview",
    "workloads": "Workloads",
    "connections": "Connections",
    "namespaces": "Namespaces",
}
ROWS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn curve as SVG, which templates don't escape: app.charts has drawn it; or why there is none."""

    svg: str = ""
    reason: str = ""


Charts = Mapping[Resource, Chart]
NO_CHARTS: Charts = {}


@cache
def environment() -> Environment:
    """The templates; an unknown name in one is an error, and values are escaped."""
    templates = Environment(
        loader=PackageLoader("app.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(views=VIEWS, rows_shown=ROWS_SHOWN, kind_aliases=KIND_ALIASES)
    return templates


def static(name: str) -> str:
    """The text of a static file; the stylesheet has the colours of charts too."""
    text = (files("app.dashboard") / "static" / name).read_text(encoding="utf-8")
    return text + document_stylesheet() if name == STYLE else text


def page(template: str, view: str, facts: Facts, links: Links, **values: Any) -> str:
    """One page; *view* is the current one in its navigation."""
    return (
        environment()
        .get_template(template)
        .render(
            view=view,
            links=links,
            source=facts.source,
            read_at=format_time(facts.read_at) if facts.read_at else "",
            faults=facts.faults,
            facts=facts,
            **values,
        )
    )


def problem(title: str, message: str, links: Links | None = None) -> str:
    """A page that says what is wrong with a request."""
    return environment().get_template("problem.html").render(title=title, message=message, links=links)
