"""What comes late, who asks in vain, and what metrics and objects claim without being believed; reported."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.domain.fair_shares import take_turns, within_size
from app.domain.quantities import format_time
from app.domain.workloads import Workload
from app.history.samples import EdgeFault
from app.profiler.cycle.collected_samples import CollectedSamples
from app.profiler.cycle.publisher import PublishResult
from app.profiler.cycle.status_report import namespace_in

T = TypeVar("T")
_REMEMBERED = timedelta(days=1)
_MAX_LISTED_NAMESPACES, _MAX_LISTED_NEEDS, _MAX_LISTED_FAULTS = 20, 500, 200
# Of the report, which is one ConfigMap.
_MAX_LISTED_SIZE, _MAX_FAULTS_SIZE, _MAX_NAME_LENGTH = 128 * 1024, 64 * 1024, 400
# Metrics choose the names, and may choose others in each cycle.
_MAX_REMEMBERED = 5000
_MAX_NAMESPACES_OF_UNKNOWN_ENDS = 1000


class Findings:
    """The findings of the last day, without counts: the report of a quiet cycle equals the one before."""

    def __init__(self) -> None:
        self._edges: dict[tuple[EdgeFault, str], datetime] = {}  # when each was seen last
        self._unknown_ends: dict[str, datetime] = {}  # when a namespace last had an edge to one
        self._edges_since: datetime | None = None
        self._needs: dict[Workload, tuple[str, datetime]] = {}  # the first reason of each
        self._forgotten: dict[str, datetime] = {}  # when each namespace last lost usage
        self._distrusted_owners: dict[str, datetime] = {}
        self._found_servers: dict[str, str] = {}
        self._container_jobs: list[str] = []
        self._own_clusters: list[str] = []
        self._lags_seconds: dict[str, int] = {}
        self._unheard_namespaces: list[str] = []
        self._policy_faults: dict[str, str] = {}

    def update(self, collected: CollectedSamples, now: datetime) -> None:
        """Add the findings of one cycle, and forget those of the day before."""
        # An end that nothing identifies, such as a host outside the cluster, is no fault.
        self._edges_since = self._edges_since or now
        unknown = (name for fault, name in collected.dropped_edges if fault is EdgeFault.UNKNOWN_END)
        self._unknown_ends = _recent(self._unknown_ends | dict.fromkeys(unknown, now), now)
        faults = (key for key in collected.dropped_edges if key[0] is not EdgeFault.UNKNOWN_END)
        self._edges |= dict.fromkeys(faults, now)
        self._edges = _recent(self._edges, now)
        for need in sorted(collected.absurd_needs):
            reason, _ = self._needs.get(need.workload, (need.reason, now))
            self._needs[need.workload] = reason, now
        recent = [(name, item) for name, item in self._needs.items() if now - item[1] < _REMEMBERED]
        self._needs = dict(take_turns(recent, lambda item: item[0].namespace, _MAX_REMEMBERED))
        self._forgotten |= {workload.namespace: now for workload in collected.forgotten_workloads}
        self._forgotten = _recent(self._forgotten, now)
        self._distrusted_owners |= dict.fromkeys(sorted(collected.distrusted_owners), now)
        self._distrusted_owners = _recent(self._distrusted_owners, now)
        self._found_servers = dict(collected.found_servers)
        self._container_jobs = list(collected.container_jobs)
        self._own_clusters = [text[:_MAX_NAME_LENGTH] for text in collected.own_clusters]
        self._lags_seconds = {signal.value: lag for signal, lag in collected.lags_seconds.items() if lag}
        self._unheard_namespaces = sorted(collected.unheard_namespaces)
        self._policy_faults = {
            str(subject): text[:_MAX_NAME_LENGTH] for subject, text in sorted(collected.policy_faults.items())
        }

    def as_report(self, published: PublishResult) -> dict[str, Any]:
        """The findings there are, with those among the stored objects."""
        namespaces: dict[str, list[str]] = {}
        for fault, namespace in sorted(self._edges):
            namespaces.setdefault(fault.value, []).append(namespace or "(none)")
        findings = {
            "foundServers": self._found_servers,
            "droppedEdges": {fault: names[:_MAX_LISTED_NAMESPACES] for fault, names in namespaces.items()},
            "edgesOfUnknownEnds": self._listed_unknown_ends(),
            "absurdNeeds": self._listed_needs(),
            "forgottenUsage": sorted(self._forgotten)[:_MAX_LISTED_NAMESPACES],
            "distrustedOwners": self._listed_owners(),
            "containerJobs": [job[:_MAX_NAME_LENGTH] for job in self._container_jobs[:_MAX_LISTED_NAMESPACES]]
            if self._has_several_jobs
            else [],
            "recognizedClusters": self._own_clusters[:_MAX_LISTED_NAMESPACES],
            "refusedWrites": published.refused,
            "ignoredObjects": {"total": published.ignored, "names": list(published.ignored_names)}
            if published.ignored
            else {},
            "lagSeconds": self._lags_seconds,
            "namespacesAskingForRequests": self._unheard_namespaces[:_MAX_LISTED_NAMESPACES],
            "policyFaults": self._listed_policy_faults(),
            "policyFaultsTotal": len(self._policy_faults),
        }
        return {name: finding for name, finding in findings.items() if finding}

    def _listed_unknown_ends(self) -> dict[str, Any]:
        """The namespaces of the last day, since this leader began; none if there are too many to list.

        Exported NetworkPolicies rest on it: that a namespace is not listed has to mean that it has none.
        """
        if self._edges_since is None or len(self._unknown_ends) > _MAX_NAMESPACES_OF_UNKNOWN_ENDS:
            return {}
        return {"since": format_time(self._edges_since), "namespaces": sorted(self._unknown_ends)}

    def _listed_needs(self) -> dict[str, str]:
        workloads = take_turns(sorted(self._needs), lambda workload: workload.namespace, _MAX_LISTED_NEEDS)
        needs = {str(workload): self._needs[workload][0] for workload in workloads}
        return within_size(needs, namespace_in, _MAX_LISTED_SIZE)

    def _listed_policy_faults(self) -> dict[str, str]:
        faults = self._policy_faults
        listed = take_turns(faults, namespace_in, _MAX_LISTED_FAULTS)
        return within_size({subject: faults[subject] for subject in listed}, namespace_in, _MAX_FAULTS_SIZE)

    def _listed_owners(self) -> list[str]:
        """Objects by namespace and names, which a metric chooses."""
        owners = sorted(self._distrusted_owners)
        listed = take_turns(owners, lambda name: name.partition("/")[0], _MAX_LISTED_NAMESPACES)
        return [name[:_MAX_NAME_LENGTH] for name in listed]

    @property
    def _has_several_jobs(self) -> bool:
        return len(self._container_jobs) > 1


def _recent(seen: dict[T, datetime], now: datetime) -> dict[T, datetime]:
    """Those of the last day; the newest, if there are too many: with honor_labels targets name namespaces."""
    recent = [item for item in seen.items() if now - item[1] < _REMEMBERED]
    return dict(sorted(recent, key=lambda item: item[1])[-_MAX_REMEMBERED:])
