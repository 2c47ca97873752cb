"""The exact texts of queries, and the escaping of names in them."""

import pytest

from app.domain.profiles import Resource
from app.sources.queries import (
    Scope,
    container_series,
    container_usage,
    cpu_slopes,
    escape_label_value,
    escape_regex,
)

EVERYTHING = Scope()
ONE = Scope(included=("emojivoto",))
SOME = Scope(included=("shop", "emojivoto"), excluded=("kube-system", "kube-public"))
OURS = Scope(excluded=("kube-system",), cluster="prod")
NOTHING = Scope(included=())


@pytest.mark.parametrize(
    ("scope", "matchers"),
    [
        (EVERYTHING, ""),
        (ONE, ',namespace="emojivoto"'),
        (SOME, ',namespace=~"emojivoto|shop"'),
        (OURS, ',namespace!="kube-system",cluster="prod"'),
        (NOTHING, ',namespace=""'),
    ],
    ids=["everything", "one namespace", "some but not others", "one of several clusters", "nothing"],
)
def test_cpu_query(scope: Scope, matchers: str) -> None:
    """The rate over one step by core, and marks of series with samples in fewer than three of six steps.

    Several namespaces become one expression in sorted order.
    """
    series = f'container_cpu_usage_seconds_total{{container!="",container!="POD"{matchers}}}'
    young = f"count_over_time(last_over_time({series}[5m])[26m:5m]) < 3"
    by_core = "max by (namespace,pod,container,cpu)"

    assert container_usage(Resource.CPU, scope) == (
        f'{by_core}(rate({series}[5m])) or label_replace({by_core}({young}),"__young","young","","")'
    )


def test_slopes_query() -> None:
    """Usage between two samples divided by the time between them, of the named Pods; where it is above 0."""
    series = 'container_cpu_usage_seconds_total{container!="",container!="POD",pod=~"a-1|b-2",namespace="ci"}'

    assert cpu_slopes(("b-2", "a-1"), Scope(included=("ci",))) == (
        "max by (namespace,pod,container,cpu)"
        f"(delta(({series} + 1e9)[301s:15s]) / delta(timestamp({series})[301s:15s]) > 0)"
    )


def test_memory_query() -> None:
    """Memory is the maximum of the working set over one step."""
    expected = (
        "max by (namespace,pod,container)(max_over_time(container_memory_working_set_bytes"
        '{container!="",container!="POD",namespace!="kube-system"}[5m]))'
    )
    assert container_usage(Resource.MEMORY, Scope(excluded=("kube-system",))) == expected


def test_queries_on_all_series() -> None:
    """Without aggregation, but of the marks, which are few; memory has none."""
    scope = Scope(excluded=("kube-system",))
    matchers = '{container!="",container!="POD",namespace!="kube-system"}'
    cpu = f"container_cpu_usage_seconds_total{matchers}"
    young = f"count_over_time(last_over_time({cpu}[5m])[26m:5m]) < 3"

    assert container_series(Resource.CPU, scope) == (
        f"rate({cpu}[5m])",
        f'label_replace(max by (namespace,pod,container,cpu)({young}),"__young","young","","")',
    )
    memory = f"container_memory_working_set_bytes{matchers}"
    assert container_series(Resource.MEMORY, scope) == (f"max_over_time({memory}[5m])",)


def test_a_name_given_twice_counts_once() -> None:
    """`("a", "a")` is one namespace, so the matcher is exact."""
    assert 'namespace="a"' in container_usage(Resource.CPU, Scope(included=("a", "a")))


def test_quoting() -> None:
    r"""Quotes, backslashes and line ends can't leave the value; regular expressions match their text alone.

    In `a.b` the point gets a backslash, which the quoting of the value doubles: `a\\.b`.
    """
    assert escape_label_value('a"b\\c\nd') == r"a\"b\\c\nd"
    assert escape_regex("a.b|c-d") == r"a\.b\|c-d"
    query = container_usage(Resource.CPU, Scope(included=("a.b", 'c"d')))
    assert r'namespace=~"a\\.b|c\"d"' in query


def test_scope_covers() -> None:
    """A namespace is covered if it is included (or all are) and not excluded."""
    assert not NOTHING.covers("anything")
    assert EVERYTHING.covers("anything")
    assert SOME.covers("shop")
    assert not SOME.covers("other")
    assert not Scope(included=("a",), excluded=("a",)).covers("a")


@pytest.mark.parametrize(
    ("scope", "is_empty"),
    [
        (EVERYTHING, False),
        (OURS, False),
        (SOME, False),
        (NOTHING, True),
        (Scope(included=("a", "b"), excluded=("a",)), False),
        (Scope(included=("a", "b"), excluded=("a", "b", "c")), True),
    ],
)
def test_a_scope_without_namespaces_is_empty(scope: Scope, is_empty: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """True if no namespace is included, or all of them are excluded; never if all namespaces are included."""
    assert scope.is_empty is is_empty


def test_scope_covers_edges() -> None:
    """One endpoint in scope is enough; an excluded namespace removes all its edges."""
    assert SOME.covers_edge("shop", "other")
    assert SOME.covers_edge("other", "shop")
    assert not SOME.covers_edge("other", "another")
    assert not SOME.covers_edge("shop", "kube-system")
    assert not SOME.covers_edge("kube-system", "shop")
