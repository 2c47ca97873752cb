"""Profiles as tables for a person, from the manifests that are stored."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from app.domain import annotations

Manifest = Mapping[str, Any]
_WIDEST = 200


def console() -> Console:
    """Standard output; wide where it is no terminal, so that no name is cut.

    Brackets and colons in what is told (an error message, a name) are text and no markup.
    """
    width = None if sys.stdout.isatty() else _WIDEST
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_profiles(out: Console, manifests: Iterable[Manifest]) -> None:
    """One table for what replicas need, one for who talks to whom."""
    objects = list(manifests)
    needs = [o for o in objects if o["kind"] != "ConnectionProfile"]
    connections = [o for o in objects if o["kind"] == "ConnectionProfile"]
    if needs:
        out.print(_needs_table(needs))
    if connections:
        out.print(_connections_table(connections))


def _table(title: str, text: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in text:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _needs_table(needs: list[Manifest]) -> Table:
    table = _table(
        "What one replica needs", ("NAMESPACE", "JOB", "RESOURCE", "NAME"), ("VALUE", "SAMPLES", "CONFIDENCE")
    )
    for manifest in sorted(needs, key=_need_order):
        notes, status = manifest["metadata"]["annotations"], manifest["status"]
        cpu = manifest["kind"] == "CPUProfile"
        value = manifest["spec"]["cpuProfiling" if cpu else "memoryProfiling"]["value"]
        table.add_row(
            notes[annotations.WORKLOAD_NAMESPACE],
            notes[annotations.WORKLOAD_NAME],
            "cpu" if cpu else "memory",
            manifest["metadata"]["name"],
            f"{value} cores" if cpu else f"{value} bytes",
            str(status["samples"]),
            status["confidence"],
        )
    return table


def _need_order(manifest: Manifest) -> tuple[str, str, str]:
    notes = manifest["metadata"]["annotations"]
    return notes[annotations.WORKLOAD_NAMESPACE], notes[annotations.WORKLOAD_NAME], manifest["kind"]


def _connections_table(connections: list[Manifest]) -> Table:
    table = _table(
        "Who talks to whom",
        ("SOURCE", "DESTINATION", "NAME"),
        ("REQUESTS+RESPONSES/MIN", "REQUESTS/MIN", "RESPONSES/MIN", "SAMPLES", "CONFIDENCE"),
    )
    rows = []
    for manifest in connections:
        spec, status = manifest["spec"], manifest["status"]
        rows.append(
            (
                f"{spec['source_namespace']}/{spec['source_job']}",
                f"{spec['destination_namespace']}/{spec['destination_job']}",
                manifest["metadata"]["name"],
                spec["bandwidth_requirement"],
                status["requestsPerMinute"],
                status["responsesPerMinute"],
                str(status["samples"]),
                status["confidence"],
            )
        )
    for row in sorted(rows):
        table.add_row(*row)
    return table
