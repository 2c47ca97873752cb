"""Recognizes the series of this cluster among those of several in one server; pure.

A series is of the cluster in which its Pod exists. The names of most Pods are generated, so that another
cluster has none of them; those of StatefulSets may be in all. A tenant's Pod can claim to be in any cluster,
but has series by the kubelet too, and the claim is of its own Pod: it makes no other value another cluster's,
and none this one's.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.pod_names import creator_name
from app.errors import SeveralClustersError
from app.sources.queries import ABSENT, equal_matchers, unequal_matchers

# Of the Pods of a value: more than these exist, if it is this cluster's. Series show the last minutes' Pods.
_OWN_SHARE = 0.5
# Without Pods: a value in as many of the namespaces, and in two if there are, is no claim of a tenant.
_CLUSTER_SHARE, _SEVERAL = 0.5, 2
# Of Istio's claims by namespace: a value of fewer namespaces may be the claim of a tenant.
_LEAST_SHARE, _SEVERAL_NAMESPACES = 0.2, 3
# Labels of single Pods may have many values: then the others are named.
_MAX_OWN_VALUES = 50
_MAX_SHOWN = 5

Values = Mapping[str, Collection[str]]
KnowsPod = Callable[[str, str], bool]
PodName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """The values of *label* on the series of this cluster, and on those of *others* if there are any."""

    label: str
    values: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def matchers(self) -> tuple[str, ...]:
        """The matcher of this cluster's series; none if there are no others."""
        if len(self.values) > _MAX_OWN_VALUES:
            return self.foreign_matchers
        return equal_matchers(self.label, self.values) if self.others else ()

    @property
    def foreign_matchers(self) -> tuple[str, ...]:
        """The matcher that leaves out series of the other clusters, and nothing else."""
        return unequal_matchers(self.label, self.others)

    def covers(self, value: str) -> bool:
        """True for a value that the matcher does not exclude."""
        return value not in self.others

    def __str__(self) -> str:
        every = _shown(sorted({*self.values, *self.others}))
        return f"{self.label.removeprefix('__')}={_shown(self.values)} of {every}"


OwnClusters = tuple[OwnCluster, ...]


@dataclass(frozen=True, slots=True)
class LabelledPods:
    """Pods with series, and the values of *labels* on these; *rows* are (namespace, Pod, values…)."""

    labels: Sequence[str]
    rows: Collection[tuple[str, ...]]

    def of(self, cluster: OwnCluster) -> "LabelledPods":
        """The Pods and values on the series of this *cluster*."""
        place = 2 + self.labels.index(cluster.label)
        return LabelledPods(self.labels, [row for row in self.rows if row[place] in cluster.values])

    def by_value(self, label: str) -> dict[str, set[PodName]]:
        """The Pods by the value of *label*."""
        place, pods = 2 + self.labels.index(label), defaultdict[str, set[PodName]](set)
        for row in self.rows:
            pods[row[place]].add((row[0], row[1]))
        return pods


def own_clusters(values: Mapping[str, Values], pods: LabelledPods, knows_pod: KnowsPod) -> OwnClusters:
    """This cluster's *values* of each label that has several, by the *pods* with series.

    Without one that exists, *values* by namespace show it.

    Raises:
        SeveralClustersError: the Pods do not show which value is this cluster's.
    """
    found: list[OwnCluster] = []
    undecided: Iterable[str] = values
    for _ in range(2):  # what one label leaves open, another may show
        left: list[str] = []
        for label in undecided:
            by_value = pods.by_value(label)
            own = _own_values(by_value, knows_pod)
            if not own and len(by_value) > 1:
                left.append(label)
            else:
                others = _names(values[label]) - own
                found.append(OwnCluster(label, tuple(sorted(own)), tuple(sorted(others))))
                pods = pods.of(found[-1])
        undecided = left
    for label in undecided:
        raise several_clusters(_names(values[label]), label)
    return tuple(found)


def _own_values(values: Mapping[str, set[PodName]], knows_pod: KnowsPod) -> set[str]:
    """The values on series of this cluster; none if the names of Pods do not show them.

    A value is judged by its Pods that no value before it has: a tenant's claim to be in another cluster does
    not count for that one. A value with only Pods of others is this cluster's, too, if their names are
    generated; otherwise two clusters may have Pods of the same names.
    """
    existing = {value: {pod for pod in pods if knows_pod(*pod)} for value, pods in values.items()}
    certain = {value for value, pods in existing.items() if _generated(pods)}
    own: set[str] = set()
    covered: set[PodName] = set()
    for value in sorted(values, key=lambda value: (value not in certain, -len(existing[value]), value)):
        if rest := values[value] - covered:
            judged = _generated(rest) or rest
            if _share_by_namespace(judged, existing[value]) > _OWN_SHARE:
                own.add(value)
                covered |= existing[value]
        elif value in certain:
            own.add(value)
        elif any(existing[value] == existing[other] for other in own):
            return set()
    return own


def _generated(pods: Iterable[PodName]) -> set[PodName]:
    return {pod for pod in pods if creator_name(pod[1])}


def _share_by_namespace(pods: Iterable[PodName], existing: Collection[PodName]) -> float:
    """The share of *pods* among the *existing* ones, where each namespace has the same weight."""
    by_namespace = defaultdict[str, list[bool]](list)
    for pod in pods:
        by_namespace[pod[0]].append(pod in existing)
    return sum(sum(known) / len(known) for known in by_namespace.values()) / max(len(by_namespace), 1)


def most_common_cluster(values: Values, label: str, *, of_pods: bool) -> OwnCluster:
    """That of most namespaces, where it is not known which Pods exist.

    A tenant's claim adds a value to its namespace; the kubelets' series there have this cluster's. So a
    namespace without the value of most is another cluster's, and another value in half of the namespaces is.
    With *of_pods*, values beside the empty one may be labels of single Pods.

    Raises:
        SeveralClustersError: another value is a cluster's.
    """
    counts = Counter(value for of_namespace in values.values() for value in {*of_namespace})
    (main, _), *others = sorted(counts.items(), key=lambda item: (-item[1], item[0])) or [("", 0)]
    least = max(_CLUSTER_SHARE * len(values), min(_SEVERAL, len(values)))
    is_of_others = any(main not in of_namespace for of_namespace in values.values())
    if is_of_others or any(count >= least for _, count in others):
        raise several_clusters(counts, label)
    names = tuple(sorted(value for value, _ in others))
    if main or not of_pods:
        return OwnCluster(label, (main,), names)
    return OwnCluster(label, ("", *names), ())


def named_cluster(values: Mapping[str, Collection[PodName]], knows_pod: KnowsPod) -> str:
    """The cluster that the proxies of most namespaces name, of Pods that exist; empty if two have as many.

    What a proxy names is its own claim, beside which there is no series of the kubelet's.
    """
    counts = Counter(
        {
            value: len({namespace for namespace, name in pods if knows_pod(namespace, name)})
            for value, pods in values.items()
        }
    )
    return _most_common(counts)


def own_cluster(values: Values, label: str) -> str:
    """The cluster of most namespaces, by what their proxies report; empty if two have as many.

    Raises:
        SeveralClustersError: another has a fifth of the namespaces, and three or more.
    """
    counts = Counter(value for of_namespace in values.values() for value in {*of_namespace} if value)
    least = max(_SEVERAL_NAMESPACES, _LEAST_SHARE * len(values))
    if len(large := [value for value, count in counts.items() if count >= least]) > 1:
        raise several_clusters(large, label)
    return _most_common(counts)


def _most_common(counts: Counter[str]) -> str:
    (value, most), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return value if most > second else ""


def _names(values: Values) -> set[str]:
    return set().union(*values.values())


def several_clusters(clusters: Iterable[str], label: str) -> SeveralClustersError:
    """The error that names the settings and their values."""
    return SeveralClustersError(
        "SeveralClusters",
        f"one Prometheus has series of several clusters, whose label {label} is {_shown(sorted(clusters))}:"
        f" set PROMETHEUS_CLUSTER to this cluster's ({ABSENT} if its series lack the label), and"
        f" PROMETHEUS_CLUSTER_LABEL to {label}; for the mesh's own Prometheus CONNECTIONS_PROMETHEUS_CLUSTER"
        " and its label. The names of Pods do not show which it is",
    )


def _shown(values: Sequence[str]) -> str:
    more = f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else ""
    return ", ".join(value or ABSENT for value in values[:_MAX_SHOWN]) + more
