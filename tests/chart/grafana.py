"""The chart's dashboards as Grafana reads them: their faults, and their queries."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlencode

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from tests.chart.rendered import CHART
from tests.cluster.loopback_http import request_json

Dashboard = dict[str, Any]
FILES = ("dashboard", "workloads-dashboard")
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
UNITS = frozenset(unit for unit in vars(units).values() if isinstance(unit, str))
# Grafana's own variables, and what the data source makes of them: three scrapes, of a second in tests.
OWN_VARIABLES = {"__rate_interval": "3s"}
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::\w+)?\}|([A-Za-z_]\w*))")
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+), )?(?P<label>\w+)\)")


@dataclass(frozen=True)
class Query:
    """A query with values in place of its variables; *label* is that of which a variable lists the values."""

    of: str
    expression: str
    label: str = ""


def dashboard(file: str) -> Dashboard:
    """A dashboard as its file has it."""
    read: Dashboard = json.loads((CHART / "files" / f"{file}.json").read_text(encoding="utf-8"))
    return read


def queries(read: Dashboard, values: Mapping[str, str]) -> Iterator[Query]:
    """The queries of all variables and panels, with *values* of the dashboard's variables."""
    values = {**OWN_VARIABLES, **values}
    for variable in _variables(read):
        if variable["type"] == "query":
            match = _LABEL_VALUES.fullmatch(_filled(variable["query"]["query"], values))
            assert match, variable
            yield Query(f"${variable['name']}", match["selector"] or "", match["label"])
    for panel in _panels(read):
        for target in panel.get("targets", ()):
            yield Query(f"{panel['title']} {target['refId']}", _filled(target["expr"], values))


def without_data(url: str, asked: Iterable[Query], at_seconds: float) -> list[str]:
    """The queries that a Prometheus refuses, or answers without any data."""
    return [query.of for query in asked if not answer(url, query, at_seconds)]


def answer(url: str, query: Query, at_seconds: float) -> list[Any]:
    """The series of a panel's query, or the values of a variable; none if the server refuses the query."""
    path, parameters = "query", {"query": query.expression, "time": f"{at_seconds:.3f}"}
    if query.label:
        path, parameters = f"label/{query.label}/values", {"match[]": query.expression}
    try:
        data = request_json(f"{url}/api/v1/{path}?{urlencode(parameters)}")["data"]
    except HTTPError as error:
        error.close()
        return []
    found: list[Any] = data if query.label else data["result"]
    return found


def faults(read: Dashboard) -> list[str]:
    """What is wrong with a dashboard, without a Prometheus."""
    return [
        *unknown_fields(read),
        *_faults_of_places(read),
        *_faults_of_references(read),
        *_faults_of_texts(read),
    ]


def unknown_fields(read: Dashboard) -> list[str]:
    """The fields that Grafana's own schema does not have, or has with another value."""
    register_default_plugins()
    parsed = models.Dashboard.from_json(cast("Any", read))
    kept = json.loads(JSONEncoder(sort_keys=True).encode(parsed))
    return [f"unknown to Grafana: {path}" for path in _lost(read, kept, "")]


def _lost(before: Any, after: Any, path: str) -> Iterator[str]:
    """The paths in *before* that *after* lacks, or has with another value."""
    if isinstance(before, dict):
        for key, value in before.items():
            if isinstance(after, dict) and key in after:
                yield from _lost(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(before, list):
        if not isinstance(after, list) or len(after) != len(before):
            yield path
        else:
            for number, (old, new) in enumerate(zip(before, after, strict=True)):
                yield from _lost(old, new, f"{path}[{number}]")
    elif before != after:
        yield f"{path} = {before!r}"


def _faults_of_places(read: Dashboard) -> Iterator[str]:
    places = {panel["title"]: panel["gridPos"] for panel in _panels(read)}
    for title, place in places.items():
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
            yield f"{title} is not within the grid"
    for (one, a), (other, b) in combinations(places.items(), 2):
        if all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in (("x", "w"), ("y", "h"))):
            yield f"{one} overlaps {other}"


def _faults_of_references(read: Dashboard) -> Iterator[str]:
    panels, names = list(_panels(read)), [variable["name"] for variable in _variables(read)]
    for what, values in (
        ("id", [panel["id"] for panel in panels]),
        ("title", [panel["title"] for panel in panels]),
        ("variable", names),
    ):
        yield from (f"{what} {value} is not unique" for value in _repeated(values))
    for panel in panels:
        targets = panel.get("targets", [])
        if panel["type"] != "row" and (panel.get("datasource") != DATASOURCE or not targets):
            yield f"{panel['title']} has no query of the chosen data source"
        yield from (
            f"{panel['title']} has two queries {letter}"
            for letter in _repeated([target["refId"] for target in targets])
        )
    used = {name for name in _used(read) if name not in OWN_VARIABLES}
    yield from (f"${name} is not defined" for name in sorted(used - set(names)))
    yield from (f"${name} is not used" for name in sorted(set(names) - used))


def _faults_of_texts(read: Dashboard) -> Iterator[str]:
    for panel in _panels(read):
        if panel["type"] == "row":
            continue
        if not panel.get("description"):
            yield f"{panel['title']} has no description"
        config = panel.get("fieldConfig", {})
        found = [config.get("defaults", {}).get("unit")]
        shown = {target.get("legendFormat", "") for target in panel["targets"]} | set(_columns(panel))
        for override in config.get("overrides", ()):
            found += [each["value"] for each in override["properties"] if each["id"] == "unit"]
            if override["matcher"]["options"] not in shown:
                yield f"{panel['title']} has an override of {override['matcher']['options']}, which it lacks"
        for unit in found:
            if unit not in UNITS and not re.fullmatch(r"suffix: \S.*", unit or ""):
                yield f"{panel['title']} has the unit {unit}, which Grafana does not know"


def _columns(panel: Dashboard) -> Iterator[str]:
    """The titles of a table's columns."""
    for each in panel.get("transformations", ()):
        yield from each["options"].get("renameByName", {}).values()


def _panels(read: Dashboard) -> Iterator[Dashboard]:
    """All panels, also those of rows that are closed."""
    for panel in read["panels"]:
        yield panel
        yield from panel.get("panels", ())


def _variables(read: Dashboard) -> Sequence[Dashboard]:
    listed: Sequence[Dashboard] = read["templating"]["list"]
    return listed


def _used(value: Any) -> Iterator[str]:
    """The variables in all texts."""
    if isinstance(value, str):
        yield from ("".join(names) for names in _VARIABLE.findall(value) if "".join(names) != "__all")
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _used(inner)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], text)


def _repeated(values: Sequence[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]
