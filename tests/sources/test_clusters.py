"""Series of several clusters in one Prometheus are recognized, and a tenant can't imitate them."""

import pytest

from app.errors import SeveralClustersError
from app.sources.clusters import own_cluster

TEN = {f"team-{number}": {"east"} for number in range(10)}


@pytest.mark.parametrize(
    ("values", "own"),
    [
        ({}, ""),
        ({"shop": {""}, "crm": {""}}, ""),
        (TEN, "east"),
        (TEN | {"evil": {"east", "west"}}, "east"),
        (TEN | {"evil": {"west"}}, "east"),
        ({"shop": {"", "blue"}, "crm": {""}, "hr": {"green"}}, ""),
    ],
    ids=["nothing", "no label", "one", "a forged value", "a forged value alone", "labels of Pods"],
)
def test_one_cluster(values: dict[str, set[str]], own: str) -> None:
    """The value of most namespaces; of 11 namespaces one is less than a fifth."""
    assert own_cluster(values, "cluster") == own


@pytest.mark.parametrize(
    "values",
    [
        {"shop": {"east", "west"}},
        {"shop": {"east"}, "crm": {"west"}},
        TEN | {f"other-{number}": {"west"} for number in range(3)},
    ],
    ids=["in one namespace", "each its own", "three of thirteen"],
)
def test_several_clusters(values: dict[str, set[str]]) -> None:
    """The message names the values, and the settings that choose one."""
    with pytest.raises(SeveralClustersError, match="cluster is east, west: set PROMETHEUS_CLUSTER, or"):
        own_cluster(values, "cluster")
