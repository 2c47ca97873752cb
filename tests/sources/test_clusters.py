"""The series of this cluster are recognized among those of several, and a tenant can't change which."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pytest

from app.errors import SeveralClustersError
from app.sources.clusters import (
    LabelledPods,
    OwnCluster,
    most_common_cluster,
    own_cluster,
    own_clusters,
)

TEN = {f"team-{number}": {"east"} for number in range(10)}
SHOP_AND_EVIL = {"shop": {"east"}, "evil": {"east", "x"}}
SEVERAL = r"cluster is east, west: set PROMETHEUS_CLUSTER to this cluster's \(\"\" if its series lack the"
Values = Mapping[str, AbstractSet[str]]
Row = tuple[str, str, str]

HERE = {
    *(("shop", "web-6b6f9d7d5c-2x8qz"), ("crm", "api-6b6f9d7d5c-4hj7k"), ("data", "db-0")),
    *(("evil", "bot-6b6f9d7d5c-9zzkk"), ("evil-db", "db-0")),
}
OURS = {(*pod, "east") for pod in HERE}
THEIRS = {("shop", "web-7c7f9d7d5c-bbbbb", "west"), ("other", "job-7c7f9d7d5c-ccccc", "west")}


def decided(rows: AbstractSet[Row], here: AbstractSet[tuple[str, str]] = frozenset(HERE)) -> OwnCluster:
    """What the label `cluster` of Pods shows where the Pods *here* exist."""
    values: dict[str, set[str]] = {}
    for namespace, _, value in rows:
        values.setdefault(namespace, set()).add(value)
    pods = LabelledPods(("cluster",), rows)
    (own,) = own_clusters({"cluster": values}, pods, lambda namespace, name: (namespace, name) in here)
    return own


@pytest.mark.parametrize(
    ("rows", "own", "others"),
    [
        (OURS | THEIRS, ("east",), ("west",)),
        ({(*row[:2], "") for row in OURS} | THEIRS, ("",), ("west",)),
        (OURS | {("data", "db-0", "west")}, ("east",), ("west",)),
        (OURS | {("shop", "web-7c7f9d7d5c-bbbbb", "west"), ("data", "db-0", "west")}, ("east",), ("west",)),
        (OURS | {(*row[:2], "") for row in OURS}, ("", "east"), ()),
        ({(*pod, f"pool-{place}") for place, pod in enumerate(sorted(HERE))}, None, ()),
    ],
    ids=["another", "without a label", "only db-0", "db-0 too", "scraped twice", "a label of nodes"],
)
def test_the_cluster_of_the_pods_that_exist(
    rows: AbstractSet[Row], own: tuple[str, ...] | None, others: tuple[str, ...]
) -> None:
    """Other clusters have Pods of other names. Only a StatefulSet's may be the same, such as `db-0`."""
    found = decided(rows)

    assert found.others == others
    assert own is None or found.values == own


CLAIM = ("evil", "bot-6b6f9d7d5c-9zzkk")
SMALL = {("other", "job-7c7f9d7d5c-ccccc", "west")}


@pytest.mark.parametrize(
    ("claims", "others"),
    [
        ({(*CLAIM, "x")}, {()}),
        ({("evil-db", "db-0", "x")}, {("x",)}),
        ({(*CLAIM, "west")} | SMALL, {("west",)}),
        ({(*CLAIM, "west"), ("evil-db", "db-0", "west")} | SMALL, {("west",)}),
    ],
    ids=["a cluster of its own", "of a StatefulSet", "a real one", "two for a real one"],
)
def test_a_tenants_claim(claims: AbstractSet[Row], others: AbstractSet[tuple[str, ...]]) -> None:
    """Series of the kubelet on the same Pod have this cluster's value, which therefore stays the own one.

    A claim to be in another cluster, even of one namespace, does not make that one's series this cluster's.
    """
    found = decided(OURS | claims)

    assert "east" in found.values
    assert found.others in others


@pytest.mark.parametrize(
    ("rows", "here"),
    [
        ({("data", "db-0", "east"), ("data", "db-0", "west")}, {("data", "db-0")}),
        (THEIRS | {("shop", "web-5d5f9d7d5c-ddddd", "east")}, {("crm", "api-6b6f9d7d5c-4hj7k")}),
    ],
    ids=["the same names", "none of ours"],
)
def test_pods_that_tell_nothing(rows: AbstractSet[Row], here: AbstractSet[tuple[str, str]]) -> None:
    """Both clusters have a Pod `db-0`; or neither has a Pod of this one."""
    with pytest.raises(SeveralClustersError, match=SEVERAL):
        decided(rows, here)


def test_another_label_tells() -> None:
    """Two clusters of the same name, and with the same Pods but one, have other locations."""
    rows = {
        ("data", "db-0", "prod", "eu"),
        ("data", "db-0", "prod-2", "us"),
        ("shop", "web-0", "prod-2", "us"),
    }
    here = {("data", "db-0")}
    values = {
        "cluster": {"data": {"prod", "prod-2"}, "shop": {"prod-2"}},
        "location": {"data": {"eu", "us"}, "shop": {"us"}},
    }
    twins = LabelledPods(("cluster", "location"), rows | {("crm", "api-6b6f9d7d5c-4hj7k", "prod", "eu")})

    found = own_clusters(values, twins, lambda *pod: pod in here or pod[0] == "crm")

    assert [str(own) for own in found if own.others] == [
        "cluster=prod of prod, prod-2",
        "location=eu of eu, us",
    ]


@pytest.mark.parametrize(
    ("own", "matchers"),
    [
        (OwnCluster("cluster", ("east",), ("west",)), ('cluster="east"',)),
        (OwnCluster("cluster", ("",), ("west",)), ('cluster=""',)),
        (OwnCluster("cluster", ("", "east"), ("west",)), ('cluster=~"|east"',)),
        (OwnCluster("cluster", ("", "east"), ()), ()),
        (OwnCluster("cluster", tuple(f"pg-{n}" for n in range(60)), ("west",)), ('cluster!="west"',)),
    ],
    ids=["a name", "no label", "both", "no others", "labels of Pods"],
)
def test_the_matcher(own: OwnCluster, matchers: tuple[str, ...]) -> None:
    """An empty value matches series without the label."""
    assert own.matchers == matchers


@pytest.mark.parametrize(
    ("values", "own", "others"),
    [
        (TEN | {"evil": {"east", "x"}}, ("east",), ("x",)),
        (SHOP_AND_EVIL, ("east",), ("x",)),
        (TEN | {f"evil-{number}": {"east", "x"} for number in range(5)}, ("east",), ("x",)),
        ({"shop": {""}, "crm": {"", "x"}}, ("",), ("x",)),
    ],
    ids=["a claim", "of two", "a third", "no label"],
)
def test_without_pods_most_namespaces_tell(
    values: Values, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """Commands without the API server: each namespace has series of this cluster, and few have others."""
    found = most_common_cluster(values, "cluster", of_pods=False)

    assert (found.values, found.others) == (own, others)


@pytest.mark.parametrize(
    "values",
    [
        {"shop": {"east", "west"}},
        {"shop": {"east"}, "crm": {"west"}},
        TEN | {"other": {"west"}},
        {name: {"east", "west"} for name in TEN},
    ],
    ids=["one namespace", "one each", "one of eleven", "the same namespaces"],
)
def test_without_pods_real_clusters_are_refused(values: Values) -> None:
    """No tenant's claim takes the cluster's own series away, nor is one in half of the namespaces."""
    with pytest.raises(SeveralClustersError, match=SEVERAL):
        most_common_cluster(values, "cluster", of_pods=False)


def test_without_pods_a_label_of_single_pods_is_none_of_clusters() -> None:
    """Linkerd's scrape copies the Pods' own label `cluster`: their series are this cluster's."""
    found = most_common_cluster({"shop": {"", "pg-1"}, "crm": {""}, "hr": {""}}, "cluster", of_pods=True)

    assert (found.values, found.matchers) == (("", "pg-1"), ())


@pytest.mark.parametrize(
    ("values", "own"),
    [
        (TEN | {"evil": {"x"}}, "east"),
        ({"shop": {"east"}, "crm": {"east"}, "evil": {"x"}}, "east"),
        ({"shop": {"east"}, "evil": {"x"}}, ""),
        ({"evil": {"x", "y"}}, ""),
        (TEN | {"evil": {"x"}, "evil-2": {"x"}}, "east"),
    ],
    ids=["one of eleven", "one of three", "one of two", "one namespace", "two of twelve"],
)
def test_a_tenants_proxies_name_no_cluster_for_others(values: Values, own: str) -> None:
    """Most namespaces name this cluster, or none is known, and then each one's edges are its own claims."""
    assert own_cluster(values, "cluster") == own


def test_proxies_of_several_clusters() -> None:
    """Three namespaces of thirteen report another one."""
    with pytest.raises(SeveralClustersError, match=SEVERAL):
        own_cluster(TEN | {f"other-{number}": {"west"} for number in range(3)}, "cluster")
