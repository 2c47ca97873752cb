"""`job-profiler diff`: what differs between two JSON outputs of savings, plan or profile."""

import json
import sys
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from app.command_line.documents import API_VERSION, ARROW, NO_REQUEST, UNIT_NAMES, in_units, number
from app.command_line.printout import Column, OutputFormat, Printout, Row, Table
from app.command_line.terminal import print_error, print_out
from app.decisions.differences import (
    PLAN,
    PROFILES,
    SAVINGS,
    AmountDifference,
    Difference,
    UnknownDocumentError,
    difference,
)
from app.domain.profiles import Resource
from app.domain.shown_amounts import amount, signed
from app.errors import SettingsError

_AMOUNTS = {
    SAVINGS: "Requested and not needed, over all Pods",
    PLAN: "Planned requests, over all Pods",
    PROFILES: "Need of one Pod",
}
_COLUMNS = (
    Column("WORKLOAD", "workload"),
    Column("KIND", "kind", is_wide=True),
    Column("CLUSTER", "cluster", is_optional=True),
    Column("RESOURCE", "resource"),
    Column("AMOUNT", "amounts", is_number=True, exact=("before", "after")),
    Column("CHANGE", "change", signed, is_number=True),
    Column("UNIT", "unit"),
)


def diff_and_print(before: Path, after: Path, *, output: OutputFormat, fail_over: float | None) -> None:
    """Prints the difference; exits with code 1 if a sum grew by more than the allowed share."""
    try:
        found = difference(_read(before), _read(after))
    except UnknownDocumentError as error:
        raise SettingsError([f"{before} and {after} can't be compared: {error}"]) from error
    print_out(difference_printout(found), output)
    if fail_over is None:
        return
    grown = [
        f"{resource} {found.growth(resource) * 100:+.1f} %"
        for resource in Resource
        if found.growth(resource) * 100 > fail_over
    ]
    if grown:
        print_error(f"job-profiler: the sums grew: {', '.join(grown)}, over {fail_over:g} %")
        sys.exit(1)


def _read(path: Path) -> Any:
    """The document in a file; `-` is standard input."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError([f"{path} can't be read as JSON: {error}"]) from error


def _finite(text: str) -> float:
    """The number in a JSON document; Python would read `NaN` and `1e400` too, which have no difference."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def difference_printout(found: Difference) -> Printout:
    """The table of the amounts that differ."""
    rows = [_row(one) for one in found.amounts]
    document = {
        "apiVersion": API_VERSION,
        "kind": "Difference",
        "of": found.document,
        "sums": {
            resource.value: {"before": number(found.before[resource]), "after": number(found.after[resource])}
            for resource in Resource
        },
        "amounts": [_item(one) for one in found.amounts],
    }
    return Printout(
        document, [Table(_AMOUNTS[found.document], _COLUMNS, rows)], after=list(_sentences(found))
    )


def _row(one: AmountDifference) -> Row:
    old, new = (
        NO_REQUEST if part is None else amount(one.resource, part) for part in (one.before, one.after)
    )
    return {
        "workload": f"{one.namespace}/{one.name}",
        "kind": one.kind,
        "cluster": one.cluster,
        "resource": one.resource.value,
        "amounts": f"{old}{ARROW}{new}",
        "before": number(one.before),
        "after": number(one.after),
        "change": in_units(one.resource, one.change),
        "unit": UNIT_NAMES[one.resource],
    }


def _item(one: AmountDifference) -> dict[str, Any]:
    return {
        "cluster": one.cluster,
        "namespace": one.namespace,
        "kind": one.kind,
        "name": one.name,
        "resource": one.resource.value,
        "before": number(one.before),
        "after": number(one.after),
    }


def _sentences(found: Difference) -> Iterable[str]:
    for resource in Resource:
        before, after = (amount(resource, part[resource]) for part in (found.before, found.after))
        growth = found.growth(resource)
        change = f" ({float(growth):+.1%})" if growth.is_finite() else ""
        yield f"Sum of {resource}: {before}{ARROW}{after}{change}."
