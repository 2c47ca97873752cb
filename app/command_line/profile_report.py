"""Tables of profiles, from their manifests; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.command_line.printout import Column, Printout, Row, Table
from app.decisions.figures import float_in
from app.decisions.peers import read_counting
from app.domain import annotations
from app.domain.quantities import amount_in
from app.domain.shown_amounts import cores, rate, size
from app.domain.untyped import mapping_in

Manifest = Mapping[str, Any]
_NEEDS = (
    Column("WORKLOAD", "workload"),
    Column("KIND", "kind", is_wide=True),
    Column("CPU", "cpu", cores, is_number=True),
    Column("MEMORY", "memory", size, is_number=True),
    Column("SAMPLES", "samples", is_number=True),
    Column("CONFIDENCE", "confidence", is_number=True),
    Column("CPU PROFILE", "cpuProfile", is_wide=True, is_whole=True),
    Column("MEMORY PROFILE", "memoryProfile", is_wide=True, is_whole=True),
)
_CONNECTIONS = (
    Column("SOURCE", "source"),
    Column("DESTINATION", "destination"),
    Column("MESSAGES /MIN", "messagesPerMinute", "{:.2f}".format, is_number=True),
    Column("P95", "messagesPerMinuteP95", "{:.2f}".format, is_number=True),
    Column("REQUESTS /MIN", "requestsPerMinute", is_number=True, is_wide=True),
    Column("RESPONSES /MIN", "responsesPerMinute", is_number=True, is_wide=True),
    Column("SENT /S", "sentBytesPerSecond", rate, is_number=True, is_optional=True),
    Column("RECEIVED /S", "receivedBytesPerSecond", rate, is_number=True, is_optional=True),
    Column("PROTOCOL", "protocol", is_wide=True),
    Column("COUNTED BY", "countedBy", is_wide=True),
    Column("SAMPLES", "samples", is_number=True, is_wide=True),
    Column("CONFIDENCE", "confidence", is_number=True),
    Column("PROFILE", "profile", is_wide=True, is_whole=True),
)


def profiles_printout(manifests: Sequence[Manifest]) -> Printout:
    """A table of the CPU and memory profiles and one of the connection profiles; the objects for programs."""
    needs = [manifest for manifest in manifests if manifest["kind"] != "ConnectionProfile"]
    connections = [manifest for manifest in manifests if manifest["kind"] == "ConnectionProfile"]
    tables = [
        Table("CPU and memory per replica", _NEEDS, _need_rows(needs)),
        Table("Connections", _CONNECTIONS, sorted(map(_connection_row, connections), key=_edge)),
    ]
    document = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    return Printout(document, tables, documents=list(manifests))


def _need_rows(manifests: Iterable[Manifest]) -> list[Row]:
    """A row for each workload, with both resources."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for manifest in manifests:
        keys, status = mapping_in(manifest["metadata"].get("annotations")), mapping_in(manifest.get("status"))
        identity = (
            _text(keys, annotations.WORKLOAD_NAMESPACE),
            _text(keys, annotations.WORKLOAD_NAME),
            _text(keys, annotations.WORKLOAD_KIND),
        )
        namespace, name, kind = identity
        row = rows.setdefault(identity, {"workload": f"{namespace}/{name}", "kind": kind})
        resource = "cpu" if manifest["kind"] == "CPUProfile" else "memory"
        need = mapping_in(mapping_in(manifest.get("spec")).get(f"{resource}Profiling"))
        row[resource] = amount_in(need.get("value"))
        row[f"{resource}Profile"] = manifest["metadata"]["name"]
        row["samples"] = max(row.get("samples", 0), _count(status.get("samples")))
        row["confidence"] = max(row.get("confidence", ""), _text(status, "confidence"))
    return [rows[identity] for identity in sorted(rows)]


def _connection_row(manifest: Manifest) -> Row:
    spec, status = mapping_in(manifest.get("spec")), mapping_in(manifest.get("status"))
    steps = mapping_in(mapping_in(status.get("steps")).get("messagesPerMinute"))
    return {
        "source": f"{_text(spec, 'source_namespace')}/{_text(spec, 'source_job')}",
        "destination": f"{_text(spec, 'destination_namespace')}/{_text(spec, 'destination_job')}",
        "messagesPerMinute": float_in(spec.get("bandwidth_requirement")),
        "messagesPerMinuteP95": float_in(steps.get("p95")),
        "requestsPerMinute": _text(status, "requestsPerMinute"),
        "responsesPerMinute": _text(status, "responsesPerMinute"),
        "sentBytesPerSecond": float_in(status.get("requestBytesPerSecond")),
        "receivedBytesPerSecond": float_in(status.get("responseBytesPerSecond")),
        "protocol": _text(status, "protocol"),
        "countedBy": str(read_counting(status)),
        "samples": _count(status.get("samples")),
        "confidence": _text(status, "confidence"),
        "profile": manifest["metadata"]["name"],
    }


def _edge(row: Row) -> tuple[str, str, str]:
    return row["source"], row["destination"], row["profile"]


def _text(fields: Mapping[str, Any], key: str) -> str:
    """The field as text; a dash if the object has none of this kind, since people can edit objects."""
    value = fields.get(key)
    return value if isinstance(value, str) and value else "-"


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
