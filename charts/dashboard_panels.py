"""Panels of a Grafana dashboard on a data source that the reader chooses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Head:
    """What a reader sees of a panel beside its data; `unit` is one of Grafana's, or `suffix:` and a text."""

    title: str
    description: str
    unit: str


def placed(rows: Iterable[tuple[int, Sequence[Json]]]) -> Iterator[Json]:
    """The panels of each row side by side, with their ids and places; *rows* begin with their height."""
    number, y = 0, 0
    for height, panels in rows:
        width = _COLUMNS // len(panels)
        for column, panel in enumerate(panels):
            number += 1
            yield {"id": number, **panel, "gridPos": {"x": column * width, "y": y, "w": width, "h": height}}
        y += height


def row(title: str) -> Json:
    """A title above the panels that follow."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def stat(head: Head, values: Mapping[str, str], colors: Mapping[str, str] | None = None) -> Json:
    """The present values of queries, by their legends."""
    targets = [{"expr": query, "legendFormat": legend, "instant": True} for legend, query in values.items()]
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none"}
    return _panel("stat", head, targets, _colored(colors)) | {"options": options}


def curves(head: Head, lines: Mapping[str, str], colors: Mapping[str, str] | None = None) -> Json:
    """The values of queries over time, by their legends."""
    targets = [{"expr": query, "legendFormat": legend} for legend, query in lines.items()]
    panel = _panel("timeseries", head, targets, _colored(colors)) | {"interval": "5m"}
    panel["fieldConfig"]["defaults"]["min"] = 0
    return panel


def table(
    head: Head, labels: Mapping[str, str], columns: Mapping[str, str], units: Mapping[str, str] | None = None
) -> Json:
    """A table with the titles of *labels*, then those of queries; the largest of the first query first."""
    targets = [{"expr": query, "format": "table", "instant": True} for query in columns.values()]
    # Grafana's own names of the values, which have a letter if there are several queries.
    values = [f"Value #{letter}" for letter in _LETTERS[: len(columns)]] if len(columns) > 1 else ["Value"]
    titles = {**labels, **dict(zip(values, columns, strict=True))}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {field: index for index, field in enumerate(titles)},
        "renameByName": titles,
    }
    overrides = [_override(column, "unit", unit) for column, unit in (units or {}).items()]
    return _panel("table", head, targets, overrides) | {
        "options": {"sortBy": [{"displayName": next(iter(columns)), "desc": True}]},
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ],
    }


def _panel(kind: str, head: Head, targets: Sequence[Json], overrides: Sequence[Json]) -> Json:
    return {
        "type": kind,
        "title": head.title,
        "description": head.description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": head.unit}, "overrides": overrides},
        "targets": [target | {"refId": letter} for letter, target in zip(_LETTERS, targets, strict=False)],
    }


def _colored(colors: Mapping[str, str] | None) -> list[Json]:
    return [
        _override(legend, "color", {"mode": "fixed", "fixedColor": color})
        for legend, color in (colors or {}).items()
    ]


def _override(name: str, setting: str, value: object) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": setting, "value": value}],
    }
