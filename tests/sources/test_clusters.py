"""Series of several clusters in one Prometheus are recognized, and a tenant can't imitate them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pytest

from app.errors import SeveralClustersError
from app.sources.clusters import check_one_cluster, own_cluster, ranked_clusters

TEN = {f"team-{number}": {"east"} for number in range(10)}
SHOP_AND_EVIL = {"shop": {"east"}, "evil": {"east", "x"}}
SEVERAL = "cluster is east, west: set PROMETHEUS_CLUSTER, or"
Values = Mapping[str, AbstractSet[str]]


@pytest.mark.parametrize(
    ("values", "ranked"),
    [
        ({}, []),
        ({"shop": {""}, "crm": {""}}, []),
        (TEN, ["east"]),
        (TEN | {"evil": {"east", "west"}}, ["east"]),
        (TEN | {"evil": {"west"}}, ["east"]),
        ({"shop": {"", "blue"}, "crm": {""}, "hr": {"green"}}, []),
        (SHOP_AND_EVIL, ["east", "x"]),
    ],
    ids=["nothing", "no label", "one", "a forged value", "a forged value alone", "labels of Pods", "few"],
)
def test_the_clusters_of_a_fifth_of_the_namespaces(values: Values, ranked: list[str]) -> None:
    """That of most comes first; of 11 namespaces one is less than a fifth, of two one is half."""
    assert ranked_clusters(values) == ranked


@pytest.mark.parametrize(
    ("values", "of_system"),
    [
        (SHOP_AND_EVIL, set()),
        (SHOP_AND_EVIL, {"east"}),
        ({"shop": {"east"}, "evil": {"x"}, "evil-2": {"x"}}, {"east"}),
        ({"shop": {"east"}, "evil": {"x"}}, {"east", "north"}),
        (TEN | {f"evil-{number}": {"x"} for number in range(5)}, {"east"}),
        (SHOP_AND_EVIL, {""}),
    ],
    ids=["no such targets", "one of two", "most of three", "a third", "a third of 15", "no external label"],
)
def test_a_tenants_value_is_no_cluster(values: Values, of_system: set[str]) -> None:
    """Before, one namespace of five or fewer was enough to refuse the series of all."""
    check_one_cluster(values, of_system, "cluster")


@pytest.mark.parametrize(
    ("values", "of_system"),
    [
        ({"shop": {"east", "west"}}, set()),
        ({"shop": {"east"}, "crm": {"west"}}, {"east", "west"}),
        (TEN | {f"other-{number}": {"west"} for number in range(3)}, set()),
        (TEN | {f"other-{number}": {"west"} for number in range(3)}, {"east", "west", "north"}),
    ],
    ids=["one namespace", "targets of both", "three of thirteen", "both"],
)
def test_several_clusters(values: Values, of_system: set[str]) -> None:
    """The message names the values, and the settings that choose one."""
    with pytest.raises(SeveralClustersError, match=SEVERAL):
        check_one_cluster(values, of_system, "cluster")


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
