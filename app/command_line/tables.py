"""Tables of profiles, from their manifests."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from app.domain import annotations

Manifest = Mapping[str, Any]
_WIDTH = 200


def console() -> Console:
    """A console on standard output; 200 columns wide if it is not a terminal, so that names are not cut.

    Markup is off: brackets and colons in error messages and names are printed as they are.
    """
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_profiles(out: Console, manifests: Iterable[Manifest]) -> None:
    """Prints one table of CPU and memory profiles and one of connection profiles."""
    objects = list(manifests)
    needs = [manifest for manifest in objects if manifest["kind"] != "ConnectionProfile"]
    connections = [manifest for manifest in objects if manifest["kind"] == "ConnectionProfile"]
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
        "CPU and memory per replica",
        ("NAMESPACE", "JOB", "RESOURCE", "NAME"),
        ("VALUE", "SAMPLES", "CONFIDENCE"),
    )
    for manifest in sorted(needs, key=_need_order):
        keys, status = manifest["metadata"]["annotations"], manifest["status"]
        cpu = manifest["kind"] == "CPUProfile"
        value = manifest["spec"]["cpuProfiling" if cpu else "memoryProfiling"]["value"]
        table.add_row(
            keys[annotations.WORKLOAD_NAMESPACE],
            keys[annotations.WORKLOAD_NAME],
            "cpu" if cpu else "memory",
            manifest["metadata"]["name"],
            f"{value} cores" if cpu else f"{value} bytes",
            str(status["samples"]),
            status["confidence"],
        )
    return table


def _need_order(manifest: Manifest) -> tuple[str, str, str]:
    keys = manifest["metadata"]["annotations"]
    return keys[annotations.WORKLOAD_NAMESPACE], keys[annotations.WORKLOAD_NAME], manifest["kind"]


def _connections_table(connections: list[Manifest]) -> Table:
    table = _table(
        "Connections",
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
