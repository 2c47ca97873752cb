"""Which series of collectors count: of which namespaces, of which sources, and when these were observed."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from app.history.samples import EdgeFault, StepRange
from app.sources.connections.collectors import (
    CollectorMetric,
    Collectors,
    NamespaceLabels,
    Presence,
    scrapes_of,
)
from app.sources.connections.counters import ProxySeries
from app.sources.queries import Scope, Shard
from app.sources.query_result import SeriesMatrix
from tests.sources.wire import STEPS

NAN = np.nan
NAMED = NamespaceLabels("from_namespace", "from_service_namespace")
PREFIXED = NamespaceLabels("from_namespace", "from", suffix="/.*")
COLLECTORS = Collectors(
    (CollectorMetric("calls_total", ('kind="pair"',)),),
    ("from", "from_namespace", "from_service_namespace"),
    ("to",),
    NAMED,
    ProxySeries(("from", "to")),
    frozenset({"otel"}),
)
ALL = Scope()


def table(*rows: list[float], keys: tuple[tuple[str, ...], ...]) -> SeriesMatrix:
    return SeriesMatrix(keys, np.array(rows, dtype=np.float64).reshape(len(keys), len(STEPS)))


def is_selected(matchers: tuple[str, ...], series: dict[str, str]) -> bool:
    """True if a server selects the *series*; a label that it lacks is empty."""
    tests: dict[str, Callable[[str, str], bool]] = {
        "=": lambda value, text: value == text,
        "!=": lambda value, text: value != text,
        "=~": lambda value, text: re.fullmatch(text, value) is not None,
        "!~": lambda value, text: re.fullmatch(text, value) is None,
    }
    for matcher in matchers:
        parts = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
        assert parts
        label, operator, text = parts.groups()
        if not tests[operator](series.get(label, ""), text.replace("\\\\", "\\")):
            return False
    return True


SERIES = {
    "named": {"from_namespace": "shop"},
    "named, of another service": {"from_namespace": "shop", "from_service_namespace": "billing"},
    "of a service": {"from_service_namespace": "shop"},
    "of another": {"from_service_namespace": "billing"},
    "without a namespace": {},
}


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
@pytest.mark.parametrize("excluded", [(), ("kube-system",)])
def test_a_source_is_in_one_shard(series: dict[str, str], excluded: tuple[str, ...]) -> None:
    """Of the shards `shop`, `billing` and all others, one selector of one shard selects a series."""
    shards = [
        Shard(frozenset({"shop"})),
        Shard(frozenset({"billing"})),
        Shard(None, frozenset({"shop", "billing"})),
    ]
    scope = Scope(excluded=excluded)

    selected = [
        number
        for number, shard in enumerate(shards)
        for matchers in NAMED.matchers(scope, shard)
        if is_selected(matchers, series)
    ]

    place = series.get("from_namespace") or series.get("from_service_namespace", "")
    assert selected == [{"shop": 0, "billing": 1, "": 2}[place]]


def test_matchers_of_a_namespace_before_a_slash() -> None:
    """In `from`, the namespace comes before the name; dots are no wildcards."""
    assert PREFIXED.matchers(ALL, Shard(frozenset({"shop", "a.b"}))) == (
        (r'from_namespace=~"a\\.b|shop"',),
        ('from_namespace=""', r'from=~"(a\\.b|shop)/.*"'),
    )
    assert PREFIXED.matchers(Scope(excluded=("kube-system",)), Shard()) == (
        ('from_namespace!=""', 'from_namespace!="kube-system"'),
        ('from_namespace=""', 'from!~"(kube-system)/.*"'),
    )


def test_matchers_of_all_and_of_none() -> None:
    """All series need no matcher; a shard without a namespace selects none, also no series without one."""
    assert NAMED.matchers(ALL, Shard()) == ((),)
    assert NAMED.matchers(ALL, Shard(frozenset())) == (('from_namespace="/"',),)


def test_the_label_namespace() -> None:
    """It is that of the first label, or of the second where that is empty."""
    assert NAMED.named("x") == (
        'label_replace(label_replace(x,"namespace","$1","from_service_namespace","(.*)"),'
        '"namespace","$1","from_namespace","(.+)")'
    )
    assert '"namespace","$1","from","([^/:]+)/.*")' in PREFIXED.named("x")


def test_queries() -> None:
    """Only series of collectors' namespaces count; those of all others are counted."""
    trusted, others = (f'calls_total{{kind="pair",namespace{sign}"otel"}}' for sign in ("=", "!="))
    every = "from,from_namespace,from_service_namespace"
    jobs, _, several, _, claims = (part.query for part in COLLECTORS.presence(ALL, STEPS).parts)

    assert jobs == f"group by (job)({trusted})"
    up = 'up{namespace="otel",pod!=""}'
    assert several == (
        f"group(count by (namespace,pod)({up} and on (namespace,pod,job,instance) ({trusted})) > 1)"
    )
    assert claims == f"count by (namespace)(group by (namespace,{every},to)({others}))"

    day = COLLECTORS.sources(ALL, Shard(), STEPS)
    assert day.query == NAMED.named(f"group by ({every})(count_over_time({trusted}[1d:15m]))")
    assert day.steps == StepRange(STEPS.last, STEPS.last)

    presence = Presence(("otel-collector",), (), table(keys=()), table(keys=()))
    counters = COLLECTORS.counters(ALL, presence)
    assert counters.targets == ('namespace="otel"', 'job="otel-collector"')
    rate = COLLECTORS.rate(COLLECTORS.metrics[0], counters, Shard(), labels=("way",))
    total = counters.total(
        ("from", "from_namespace", "from_service_namespace", "to", "way"),
        "calls_total",
        ('kind="pair"', 'namespace="otel"'),
    )
    assert rate.query == NAMED.named(f"({total})")
    assert COLLECTORS.observed(counters).query == (
        f'max(sum_over_time(up{{namespace="otel",job="otel-collector"}}[5m])) or 2 * group({trusted})'
    )


def test_answers_on_presence() -> None:
    """Labels of scrapers are asked only of Pods with several; the largest number of claims counts: 3."""
    up = '{"namespace":"otel","pod":"a","job":"x","instance":"1","replica":"%s"}'
    repeated = table([1] * 4, [1] * 4, keys=((up % "a",), (up % "b",)))
    jobs, nothing = table([1] * 4, keys=(("x",),)), table(keys=())
    claims = table([1, 3, NAN, 2], keys=(("tenant",),))
    several = table([1] * 4, keys=((),))

    twice = Presence.of([jobs, repeated, several, nothing, claims])
    once = Presence.of([jobs, repeated, nothing, nothing, nothing])

    assert (twice.jobs, twice.scraper_labels) == (("x",), ("job", "instance", "replica"))
    assert twice.dropped == {(EdgeFault.OTHER_REPORTER, "tenant"): 3}
    assert (once.scraper_labels, once.dropped) == ((), {})


def test_sources_are_observed_where_collectors_are() -> None:
    """Each source once, with the scrapes of the collectors; without any, with none."""
    observed = table([10, 1, NAN, 10], keys=((),))

    scrapes = scrapes_of([("a",), ("b",), ("a",)], observed, 4)

    assert scrapes.keys == (("a",), ("b",))
    np.testing.assert_array_equal(scrapes.values, [[10, 1, NAN, 10]] * 2)
    assert np.isnan(scrapes_of([("a",)], table(keys=()), 4).values).all()
