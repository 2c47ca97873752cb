"""Which series of a server are this cluster's; asks for their Pods if a label has several values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import structlog

from app.domain.dns_names import is_dns_label
from app.errors import RefusedQueryError, SeveralClustersError, TooLargeError
from app.history.samples import StepRange
from app.sources.cluster_labels import CLUSTER_LABEL, GOOGLE_LABELS, unnamed_labels
from app.sources.clusters import (
    KnowsPod,
    LabelledPods,
    OwnCluster,
    OwnClusters,
    Values,
    most_common_cluster,
    named_cluster,
    own_clusters,
)
from app.sources.connections.conversation import OWN_CLUSTER, LabeledQuery
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope, aggregate
from app.sources.query_result import Key, QueryResult
from app.sources.row_limit import RowLimit

log = structlog.get_logger(__name__)

CLUSTERS = "clusters"
_MAX_PODS = 200_000  # more than Kubernetes supports in a cluster
_UNKNOWN = frozenset({"", "unknown"})  # the cluster of a proxy, which asks for it later
_POD_LABELS = ("namespace", "pod")


@dataclass(frozen=True, slots=True)
class LoadQuestion:
    """The *query* on the load of one *kind* of *series* in a server; these have a namespace and a Pod.

    Scraping may copy the labels of Pods to their targets: with *has_pod_labels*, one of them may have the
    name of a cluster's label.
    """

    api: PrometheusApi
    kind: str
    query: LabeledQuery
    series: str
    has_pod_labels: bool = False


class ClusterFinder:
    """Finds this cluster's values of the labels that name one, for each kind of series.

    *knows_pod* is the API server's knowledge; without it, namespaces decide.
    """

    def __init__(self, knows_pod: KnowsPod | None) -> None:
        self._knows_pod = knows_pod
        self._found: dict[str, OwnClusters] = {}

    @property
    def found(self) -> Mapping[str, OwnClusters]:
        """The clusters by kind of series, as last found; none of a server of one cluster."""
        return self._found

    def within(self, scope: Scope, kind: str, beside: str = "") -> Scope:
        """*scope* with the matchers of this cluster in the series of this *kind*.

        Series of the clusters that others in the same server, those *beside*, show to be foreign are, too.
        """
        own = self._found.get(kind, ())
        shown = {each.label for each in own}
        foreign = (each for each in self._found.get(beside, ()) if each.label not in shown)
        matchers = chain(
            *(each.matchers for each in own if each.label != OWN_CLUSTER),
            *(each.foreign_matchers for each in foreign),
        )
        named = chain(*(each.values for each in own if each.label == OWN_CLUSTER))
        return replace(scope, cluster_matchers=tuple(matchers), mesh_cluster=next(named, ""))

    def of_cluster(self, kind: str, result: QueryResult, labels: tuple[str, ...]) -> QueryResult:
        """The rows of *result* by *labels* that are this cluster's."""
        found = (own for own in self._found.get(kind, ()) if own.label in labels)
        # Istio's own label has no matcher: all of its series are loaded.
        places = [(labels.index(own.label), own) for own in found if own.label != OWN_CLUSTER]
        if not places:
            return result
        is_own = (all(own.covers(key[place]) for place, own in places) for key in result.keys)
        return result.select(np.fromiter(is_own, dtype=np.bool_, count=len(result.keys)))

    async def find(self, question: LoadQuestion, keys: Collection[Key], scope: Scope, end: StepRange) -> None:
        """Look at the *keys* of the answer, and ask for the Pods of the series at *end* if need be.

        Raises:
            SeveralClustersError: nothing shows which cluster is this one.
        """
        values = _values(question.query.labels, keys, scope)
        try:
            own = await self._own(question, values, scope, end) if values else ()
        except (RefusedQueryError, TooLargeError) as error:
            log.debug("pods_of_clusters_unknown", of=question.kind, error=str(error))
            own = self._found.get(question.kind, ()) or _most_common(question, values)
        except SeveralClustersError:
            if not scope.cluster:
                raise
            own = ()  # the setting shows it
        self._note(question, own, keys)

    def _note(self, question: LoadQuestion, own: OwnClusters, keys: Collection[Key]) -> None:
        """Note *own*, and the clusters before whose other values send nothing now: their past is there."""
        labels, before = question.query.labels, self._found.get(question.kind, ())
        found = {each.label for each in own}
        kept = (
            each
            for each in before
            if each.label in labels
            and each.label not in found
            and {key[labels.index(each.label)] for key in keys} <= {*each.values}
        )
        own = (*own, *kept)
        for each in (each for each in own if each.others and each not in before):
            log.info("cluster_recognized", of=question.kind, cluster=str(each))
        self._found[question.kind] = own

    async def _own(
        self, question: LoadQuestion, values: dict[str, Values], scope: Scope, end: StepRange
    ) -> OwnClusters:
        if self._knows_pod is None:
            return _most_common(question, values)
        labels = (*_POD_LABELS, *values)
        result = await question.api.query_range(
            aggregate("group", labels, question.series),
            labels,
            end,
            frozenset(labels),
            signal=CLUSTERS,
            limit=RowLimit(_MAX_PODS),
        )
        rows = [key for key in result.keys if key[1] and _is_in_scope(key[0], scope)]
        if not any(self._knows_pod(*key[:2]) for key in rows):
            return _most_common(question, values)
        pods = LabelledPods(tuple(values), rows)
        named: OwnClusters = ()
        if claims := values.pop(OWN_CLUSTER, None):
            by_value = {
                name: found for name, found in pods.by_value(OWN_CLUSTER).items() if name not in _UNKNOWN
            }
            if own := named_cluster(by_value, self._knows_pod):
                others = set().union(*claims.values()) - {own}
                named = (OwnCluster(OWN_CLUSTER, (own,), tuple(sorted(others))),)
        return (*own_clusters(values, pods, self._knows_pod), *named)


def _values(labels: tuple[str, ...], keys: Collection[Key], scope: Scope) -> dict[str, Values]:
    """The values by namespace of each label that names clusters and has several, in the profiled ones."""
    place = labels.index("namespace")
    keys = [key for key in keys if _is_in_scope(key[place], scope)]
    found: dict[str, dict[str, set[str]]] = {}
    for label in filter(labels.__contains__, (*unnamed_labels(scope), OWN_CLUSTER)):
        at, of_proxies = labels.index(label), label == OWN_CLUSTER
        names = {key[at] for key in keys} - (_UNKNOWN if of_proxies else set())
        if len(names) < 2 or (label in GOOGLE_LABELS and not _is_google(labels, keys)):
            continue
        found[label] = {}
        for key in keys:
            if key[at] in names:
                found[label].setdefault(key[place], set()).add(key[at])
    return dict(found)


def _is_in_scope(namespace: str, scope: Scope) -> bool:
    """True for a namespace whose Pods are watched."""
    return is_dns_label(namespace) and scope.covers(namespace)


def _is_google(labels: tuple[str, ...], keys: Collection[Key]) -> bool:
    """True if series have all labels that Google's managed service sets; `location` may be one of nodes."""
    places = [labels.index(label) for label in (CLUSTER_LABEL, *GOOGLE_LABELS) if label in labels]
    return any(all(key[place] for place in places) for key in keys)


def _most_common(question: LoadQuestion, values: Mapping[str, Values]) -> OwnClusters:
    return tuple(
        most_common_cluster(of_label, label, of_pods=question.has_pod_labels)
        for label, of_label in values.items()
        if label != OWN_CLUSTER  # a proxy's own claim
    )
