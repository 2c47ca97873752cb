"""The findings of a cycle: those of the last day, without counts."""

from datetime import UTC, datetime, timedelta

from app.history.samples import EdgeFault
from app.profiler.cycle.collected_samples import CollectedSamples
from app.profiler.cycle.findings import Findings
from app.profiler.cycle.publisher import PublishResult

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def collected(*namespaces: str) -> CollectedSamples:
    """A cycle with an edge from each of *namespaces* to an end that nothing identifies."""
    return CollectedSamples(dropped_edges={(EdgeFault.UNKNOWN_END, name): 3 for name in namespaces})


def test_namespaces_with_edges_to_unknown_ends() -> None:
    """Since the first cycle of this leader; one that has had none for a day is forgotten."""
    findings = Findings()
    findings.update(collected("night", "shop"), NOW)
    findings.update(collected("shop"), NOW + timedelta(hours=23))
    before = findings.as_report(PublishResult([], 0, 0, set()))
    findings.update(collected(), NOW + timedelta(hours=25))

    after = findings.as_report(PublishResult([], 0, 0, set()))

    since = "2026-11-30T12:00:00Z"
    assert before["edgesOfUnknownEnds"] == {"since": since, "namespaces": ["night", "shop"]}
    assert after["edgesOfUnknownEnds"] == {"since": since, "namespaces": ["shop"]}
    assert "droppedEdges" not in after


def test_too_many_namespaces_are_not_listed() -> None:
    """A list that is cut would say of the others that they have no such edges."""
    findings = Findings()
    findings.update(collected(*(f"n{number}" for number in range(1001))), NOW)

    assert "edgesOfUnknownEnds" not in findings.as_report(PublishResult([], 0, 0, set()))
