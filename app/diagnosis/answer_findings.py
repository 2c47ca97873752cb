"""Findings on servers that do not answer, or not all queries."""

import re
from collections.abc import Iterator

from app.diagnosis.catalogue import USAGE
from app.diagnosis.finding import MetricFinding, Section, Severity, listed
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Fact, Kind
from app.diagnosis.remedy import Remedy
from app.domain.profiles import Resource
from app.errors import SourceError, ThrottledError

_PARTIAL = "PartialAnswer"


def unreached(error: SourceError) -> MetricFinding:
    """The finding on a server whose first answer was this *error*."""
    remedy, section = _access(str(error))
    return MetricFinding(Severity.BLOCKING, error.reason, str(error), "no profiles at all", remedy, section)


def _access(error: str) -> tuple[Remedy, Section]:
    """What to look at when the first query has failed with *error*."""
    if re.match("Prometheus answered 40[13]", error):
        remedy = Remedy(
            "look at the credentials: PROMETHEUS_USERNAME with PROMETHEUS_PASSWORD_FILE,"
            " PROMETHEUS_BEARER_TOKEN_FILE, or PROMETHEUS_SIGV4_REGION (prometheus.auth in the chart)"
        )
        return remedy, Section.CREDENTIALS
    if re.match("Prometheus answered 404", error):
        remedy = Remedy(
            "look at the path of PROMETHEUS_URL: Mimir and Cortex have /prometheus, Grafana Cloud /api/prom,"
            " VictoriaMetrics' cluster /select/0/prometheus"
        )
    else:
        remedy = Remedy(
            "look at PROMETHEUS_URL, its port and path, and at the network policies and the DNS between"
        )
    return remedy, Section.ADDRESSES


def unanswered_findings(seen: Observations) -> Iterator[MetricFinding]:
    """One finding per error of a server; without an answer on CPU or memory it is not known if they work."""
    needed = {Fact(Kind.SERIES, metric.name) for metric in USAGE.values()}
    needed |= {Fact(Kind.SAMPLED, resource.value) for resource in Resource if seen.sampled(resource) is None}
    errors = {str(error): error for error in seen.errors.values()}
    for message, error in errors.items():
        facts = [fact for fact, other in seen.errors.items() if str(other) == message]
        subjects = listed({fact.subject.partition("@")[0] for fact in facts})
        ages_only = all(fact.kind is Kind.SINCE for fact in facts)
        yield MetricFinding(
            Severity.NOTE if needed.isdisjoint(facts) else Severity.BLOCKING,
            "Unanswered",
            f"not all queries were answered: {message}",
            f"it is not known {'since when there is' if ages_only else 'what there is of'} {subjects}",
            *_answering(error),
        )


def _answering(error: SourceError) -> tuple[Remedy, Section]:
    """What to look at when some queries have failed with *error*."""
    if error.reason == _PARTIAL:
        remedy = Remedy(
            "look at the stores (Thanos) or storage nodes (VictoriaMetrics) behind the server: values wait"
            " until all of them answer"
        )
        return remedy, Section.ADDRESSES
    if isinstance(error, ThrottledError):
        remedy = Remedy("look at the server's limit on the rate of queries, and at PROMETHEUS_CONCURRENCY")
    else:
        remedy = Remedy(
            "look at the server's load and limits, and at PROMETHEUS_TIMEOUT and PROMETHEUS_CONCURRENCY"
        )
    return remedy, Section.HOW_MUCH_AT_ONCE
