"""The peers of a namespace whose calls no source sees, and the rules that keep their calls allowed."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.decisions.running_pods import MESH_LABELS, MeshKind, RunningPod
from app.domain.custom_resources import from_manifest
from app.domain.profiles import ProfileKind
from app.domain.quantities import amount_in, parse_time
from app.domain.reporters import Reporters
from app.domain.untyped import mapping_in, text_in
from app.domain.workloads import Connection, Workload

# Kubernetes sets it on each Namespace since 1.21.
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class SeenEdge:
    """A connection, the ends that report it, and its past: `hours` since its first sample.

    `coverage` is the share of them in which the source was scraped.
    """

    connection: Connection
    reporters: Reporters
    hours: float
    coverage: float


def seen_edges(manifests: Iterable[Mapping[str, Any]]) -> list[SeenEdge]:
    """The edges in connection profiles; an object that holds none is left out."""
    edges = []
    for manifest in manifests:
        stored = from_manifest(ProfileKind.CONNECTION, manifest)
        if stored and isinstance(stored.subject, Connection):
            status = mapping_in(manifest.get("status"))
            start = parse_time(text_in(mapping_in(status.get("window")).get("start")))
            span = (stored.window_end - start).total_seconds() if start and stored.window_end else 0.0
            coverage = float(amount_in(status.get("coverage")) or 0)
            edges.append(SeenEdge(stored.subject, stored.reporters, span / 3600, coverage))
    return edges


def reporting_namespaces(edges: Iterable[SeenEdge]) -> set[str]:
    """The namespaces with a proxy whose metrics are known to be collected."""
    found: set[str] = set()
    for edge in edges:
        if edge.reporters & Reporters.SOURCE:
            found.add(edge.connection.source.namespace)
        if edge.reporters & Reporters.DESTINATION:
            found.add(edge.connection.destination.namespace)
    return found


@dataclass(frozen=True, slots=True)
class UnseenPeers:
    """The workloads whose calls are in no profile, of `total` with running Pods.

    Those `without_proxy`; those with one in the `blind_namespaces`, from which not every call is seen; and
    those `on_host` network, which no rule of a NetworkPolicy can name. Unless `is_complete`, there may be
    others in namespaces that can't be read.
    """

    total: int
    without_proxy: frozenset[Workload]
    behind_proxy: frozenset[Workload]
    on_host: frozenset[Workload]
    blind_namespaces: tuple[str, ...]
    meshes: frozenset[MeshKind]
    is_complete: bool = True

    @property
    def count(self) -> int:
        """The number of workloads that are not seen."""
        return len(self.without_proxy | self.behind_proxy | self.on_host)

    def share(self, workload: Workload) -> str:
        """`3 of 12 other workloads can't be seen: …`; *workload* itself is one of the total."""
        others = self.total - 1 if self.total else 0
        parts = [
            f"{len(found)} {words}"
            for words, found in (
                ("without a proxy of the mesh", self.without_proxy),
                ("of which not every call passes a proxy that is scraped", self.behind_proxy),
                ("on the host network", self.on_host),
            )
            if found - {workload}
        ]
        known = f"{self.count} of {others} other workloads can't be seen"
        text = f"{known}: {', '.join(parts)}" if parts else known
        return text if self.is_complete else f"{text}; those of other namespaces are not known"

    def rules(self) -> list[dict[str, Any]]:
        """The peers that keep the calls of all of them allowed, apart from those on the host network."""
        peers: list[dict[str, Any]] = []
        if self.without_proxy or not self.is_complete:
            absent = [{"key": MESH_LABELS[mesh], "operator": "DoesNotExist"} for mesh in sorted(self.meshes)]
            peers.append({"namespaceSelector": {}, "podSelector": {"matchExpressions": absent}})
        return peers + [{"namespaceSelector": named(name)} for name in self.blind_namespaces]


def unseen_peers(
    pods: Iterable[RunningPod],
    edges: Iterable[SeenEdge],
    *,
    doubted: Collection[str],
    is_ignored: Callable[[Workload], bool],
    is_complete: bool = True,
) -> UnseenPeers:
    """Sorts the workloads of *pods*.

    A namespace is blind if none of its proxies is known to be scraped, if it is *doubted*, or if a setting of
    one of its Pods leads calls past the proxy. *is_ignored* is true for workloads on the host network that
    are known to call nothing.
    """
    pods, scraped = list(pods), reporting_namespaces(edges)
    blind = {
        pod.workload.namespace
        for pod in pods
        if not pod.is_on_host
        and (pod.bypass or (pod.mesh and pod.workload.namespace not in scraped - set(doubted)))
    }
    groups: dict[str, set[Workload]] = {"all": set(), "host": set(), "without": set(), "behind": set()}
    for pod in pods:
        groups["all"].add(pod.workload)
        if pod.is_on_host:
            if not is_ignored(pod.workload):
                groups["host"].add(pod.workload)
        elif pod.mesh is None and not pod.bypass:
            groups["without"].add(pod.workload)
        elif pod.workload.namespace in blind:
            groups["behind"].add(pod.workload)
    return UnseenPeers(
        len(groups["all"]),
        frozenset(groups["without"]),
        frozenset(groups["behind"]),
        frozenset(groups["host"]),
        tuple(sorted(blind)),
        frozenset(pod.mesh for pod in pods if pod.mesh) or frozenset(MeshKind),
        is_complete,
    )


def named(namespace: str) -> dict[str, Any]:
    """The selector of one namespace."""
    return {"matchLabels": {NAMESPACE_LABEL: namespace}}
