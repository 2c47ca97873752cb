"""What the pages show, as it was read: needs, edges, health and usage, and what can't be read; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.decisions.figures import RESOURCES, Manifest, WorkloadFigures
from app.decisions.peers import Edge, read_edges
from app.decisions.savings import Prices, Savings, WorkloadSaving, savings
from app.domain.custom_resources import from_manifest
from app.domain.profiles import Resource
from app.domain.quantities import format_time, parse_time
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import Workload
from app.profiler.cycle.signals import Health
from app.profiler.cycle.status_report import namespace_in
from app.rightsizing.governors import Governor

# The mean usage of a Pod, in cores or bytes.
UsageNow = Mapping[Workload, Mapping[Resource, float]]
NO_USAGE: UsageNow = MappingProxyType({})
_FAULTS = {health.value for health in Health if health.is_fault}


@dataclass(frozen=True, slots=True)
class Fault:
    """What could not be read, the reason, and what to do about it.

    It `is_minor` if all else of a page is complete without it. What is shown instead was read at `shown_at`.
    """

    subject: str
    message: str
    remedy: str = ""
    is_minor: bool = False
    shown_at: datetime | None = None

    @property
    def reason(self) -> str:
        """The message with a full stop, to stand after a colon."""
        return self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."

    @property
    def age(self) -> str:
        """As of when the shown values are, in a sentence; empty if there are none."""
        return f"What is shown was read at {format_time(self.shown_at)}." if self.shown_at else ""


@dataclass(frozen=True, slots=True)
class Needs:
    """The figures of all workloads, their savings, and the CPU and memory profiles that these rest on.

    `recorded_until` is the end of recorded usage; None of a cluster, whose usage goes on.
    """

    figures: Mapping[Workload, WorkloadFigures]
    savings: Savings
    by_workload: Mapping[Workload, WorkloadSaving]
    profiles: Mapping[Workload, Mapping[Resource, Manifest]]
    prices: Prices = field(default_factory=Prices)
    notes: Sequence[str] = ()
    recorded_until: datetime | None = None


def read_needs(
    figures: Iterable[WorkloadFigures],
    governors: Mapping[Workload, Sequence[Governor]],
    manifests: Iterable[Manifest],
    prices: Prices,
    notes: Sequence[str] = (),
) -> Needs:
    """The needs of one cluster; of *manifests*, those of the workloads with figures count."""
    by_workload = {each.workload: each for each in figures}
    found = savings(by_workload.values(), {("", one): governing for one, governing in governors.items()})
    profiles: dict[Workload, dict[Resource, Manifest]] = {}
    for manifest in manifests:
        resource = RESOURCES.get(text_in(manifest.get("kind")))
        profile = from_manifest(resource.profile_kind, manifest, with_last_write=False) if resource else None
        if resource and profile and isinstance(profile.subject, Workload) and profile.subject in by_workload:
            profiles.setdefault(profile.subject, {})[resource] = manifest
    return Needs(
        by_workload, found, {each.workload: each for each in found.workloads}, profiles, prices, notes
    )


def newest_sample(profiles: Iterable[Mapping[Resource, Manifest]]) -> datetime | None:
    """The last end of the windows of *profiles*; None without any."""
    windows = (
        mapping_in(mapping_in(manifest.get("status")).get("window"))
        for by_resource in profiles
        for manifest in by_resource.values()
    )
    ends = (parse_time(text_in(window.get("end"))) for window in windows)
    return max((end for end in ends if end), default=None)


@dataclass(frozen=True, slots=True)
class Edges:
    """All edges, the ones with most messages first, and those of each workload."""

    edges: Sequence[Edge]
    by_workload: Mapping[Workload, Sequence[Edge]]

    def of(self, workload: Workload) -> Sequence[Edge]:
        """The edges with *workload* at an end."""
        return self.by_workload.get(workload, ())


def index_edges(manifests: Iterable[Manifest], namespaces: Collection[str] = ()) -> Edges:
    """The edges in connection profiles; with *namespaces*, those with an end in one of them."""
    found = (edge for edge in read_edges(manifests) if not namespaces or _touches(edge, namespaces))
    edges = sorted(found, key=lambda edge: (-(edge.messages.mean or 0.0), -edge.size, edge.connection))
    by_workload: dict[Workload, list[Edge]] = {}
    for edge in edges:
        for end in {edge.connection.source, edge.connection.destination}:
            by_workload.setdefault(end, []).append(edge)
    return Edges(edges, by_workload)


def _touches(edge: Edge, namespaces: Collection[str]) -> bool:
    ends = (edge.connection.source, edge.connection.destination)
    return any(end.namespace in namespaces for end in ends)


@dataclass(frozen=True, slots=True)
class SignalHealth:
    """The state of one kind of question to a source, as the profiler reports it."""

    name: str
    state: str
    since: str
    message: str

    @property
    def is_fault(self) -> bool:
        """True if a person should look at it."""
        return self.state in _FAULTS


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """The health of the profiler, of its sources and of the webhook, in words; empty where there is none."""

    leader: str = ""
    webhook: str = ""
    signals: Sequence[SignalHealth] = ()
    without_profile: Mapping[str, str] = field(default_factory=dict)
    without_profile_total: int = 0


def read_health(
    report: Mapping[str, Any], leader: str, webhook: str, namespaces: Collection[str] = ()
) -> ClusterHealth:
    """The health in the profiler's report, which people can edit; with *namespaces*, the workloads in these.

    The total is that of the report, or of the listed workloads in *namespaces*.
    """
    signals = [
        SignalHealth(*(text_in(signal.get(key)) for key in ("signal", "state", "since", "message")))
        for signal in map(mapping_in, list_in(report.get("signals")))
    ]
    without = {
        key: reason
        for key, reason in mapping_in(report.get("workloadsWithoutProfile")).items()
        if isinstance(reason, str) and (not namespaces or namespace_in(key) in namespaces)
    }
    in_report = 0 if namespaces else count_in(report.get("workloadsWithoutProfileTotal"))
    return ClusterHealth(leader, webhook, signals, without, max(in_report, len(without)))


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page has; a part is None if it could not be read, and a fault says why.

    `source` names the cluster or the file. `usage_is_awaited` while the usage is still being read.
    """

    source: str
    read_at: datetime | None = None
    needs: Needs | None = None
    edges: Edges | None = None
    health: ClusterHealth | None = None
    usage: UsageNow = field(default_factory=lambda: NO_USAGE)
    usage_is_awaited: bool = False
    faults: Sequence[Fault] = ()

    @property
    def recorded_until(self) -> str:
        """The end of recorded usage, as people read it: `28 Feb 2026, 12:00 UTC`; empty of a cluster."""
        end = self.needs.recorded_until if self.needs else None
        return f"{end.day} {end:%b %Y, %H:%M} UTC" if end else ""


def with_faults(facts: Facts, faults: Iterable[Fault]) -> Facts:
    """The facts with further faults; a message that is there already is not said again."""
    by_message = {fault.message: fault for fault in (*faults, *reversed(facts.faults))}
    return replace(facts, faults=list(reversed(by_message.values())))
