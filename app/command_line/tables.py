"""Tables of profiles, from their manifests."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from app.domain import annotations
from app.domain.untyped import mapping_in

Manifest = Mapping[str, Any]


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
        keys, status = _annotations(manifest), mapping_in(manifest.get("status"))
        cpu = manifest["kind"] == "CPUProfile"
        need = mapping_in(mapping_in(manifest.get("spec")).get("cpuProfiling" if cpu else "memoryProfiling"))
        table.add_row(
            _cell(keys, annotations.WORKLOAD_NAMESPACE),
            _cell(keys, annotations.WORKLOAD_NAME),
            "cpu" if cpu else "memory",
            manifest["metadata"]["name"],
            f"{_cell(need, 'value')} {'cores' if cpu else 'bytes'}",
            _cell(status, "samples"),
            _cell(status, "confidence"),
        )
    return table


def _need_order(manifest: Manifest) -> tuple[str, str, str]:
    keys = _annotations(manifest)
    return (
        _cell(keys, annotations.WORKLOAD_NAMESPACE),
        _cell(keys, annotations.WORKLOAD_NAME),
        manifest["kind"],
    )


def _annotations(manifest: Manifest) -> Mapping[str, Any]:
    return mapping_in(manifest["metadata"].get("annotations"))


def _cell(fields: Mapping[str, Any], key: str) -> str:
    """The field as text; a dash if the object has none of this kind, since people can edit objects."""
    value = fields.get(key)
    return str(value) if isinstance(value, str | int) and value != "" else "-"


def _connections_table(connections: list[Manifest]) -> Table:
    table = _table(
        "Connections",
        ("SOURCE", "DESTINATION", "NAME"),
        (
            *("REQUESTS+RESPONSES/MIN", "REQUESTS/MIN", "RESPONSES/MIN", "P95/MIN", "PROTOCOL"),
            *("BYTES SENT/S", "BYTES RECEIVED/S", "SAMPLES", "CONFIDENCE"),
        ),
    )
    rows = []
    for manifest in connections:
        spec, status = mapping_in(manifest.get("spec")), mapping_in(manifest.get("status"))
        rows.append(
            (
                f"{_cell(spec, 'source_namespace')}/{_cell(spec, 'source_job')}",
                f"{_cell(spec, 'destination_namespace')}/{_cell(spec, 'destination_job')}",
                manifest["metadata"]["name"],
                _cell(spec, "bandwidth_requirement"),
                _cell(status, "requestsPerMinute"),
                _cell(status, "responsesPerMinute"),
                _cell(status.get("steps", {}).get("messagesPerMinute", {}), "p95"),
                _cell(status, "protocol"),
                _cell(status, "requestBytesPerSecond"),
                _cell(status, "responseBytesPerSecond"),
                _cell(status, "samples"),
                _cell(status, "confidence"),
            )
        )
    for row in sorted(rows):
        table.add_row(*row)
    return table
