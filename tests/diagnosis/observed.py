"""Observations without a server: a healthy one, and changes of single facts."""

from collections.abc import Mapping

from app.diagnosis.catalogue import CATALOGUE, CONTAINERS, OBJECTS, Exporter
from app.diagnosis.diagnosis import Diagnosis, diagnose
from app.diagnosis.observations import Observations
from app.diagnosis.questions import AGES_SECONDS, Counts, Fact, Kind, past_of
from app.diagnosis.target import Target
from app.domain.profiles import Resource
from app.sources.cluster_labels import cluster_labels
from app.sources.queries import Scope

NOW = 1_772_373_600.0
KUBELET, KUBE_STATE_METRICS = ("kubelet",), ("kube-state-metrics",)


def healthy() -> dict[Fact, Counts]:
    """The facts on 10 containers, scraped every 30 s for 14 days, and kube-state-metrics; no mesh."""
    facts: dict[Fact, Counts] = {}
    for metric in (*CONTAINERS, *OBJECTS):
        job = KUBELET if metric in CONTAINERS else KUBE_STATE_METRICS
        facts[Fact(Kind.NEWEST, metric.name)] = {job: NOW - 20}
        facts[Fact(Kind.SERIES, metric.name)] = {job: 10}
        facts[Fact(Kind.INTERVAL, metric.name)] = {job: 20}
        facts |= {
            Fact(Kind.SINCE, past_of(metric.name, age)): {(): 1} if age <= 14 * 86400 else {}
            for age in AGES_SECONDS
        }
    facts |= {Fact(Kind.SAMPLED, resource.value): {(): 10} for resource in Resource}
    facts |= namespaces(Exporter.KUBELET, {"shop": {}})
    return {Fact(Kind.SERIES, name): {} for name in CATALOGUE} | facts


def namespaces(exporter: Exporter, labels: Mapping[str, Mapping[str, str]]) -> dict[Fact, Counts]:
    """The fact on namespaces of *exporter*, each with the labels of clusters that its series have."""
    keys = (
        (namespace, *(given.get(label, "") for label in cluster_labels(Scope())))
        for namespace, given in labels.items()
    )
    return {Fact(Kind.NAMESPACES, exporter): dict.fromkeys(keys, 10)}


def diagnosis_of(changes: Mapping[Fact, Counts], scope: Scope | None = None) -> Diagnosis:
    """The diagnosis of the healthy server with *changes*."""
    seen = Observations(Target(scope or Scope()), NOW, healthy() | dict(changes))
    return diagnose("http://prometheus:9090", seen, 15 * 86400.0)
