"""Workloads as users name them."""

import pytest

from app.command_line.workload_names import kind_named, parse_workload
from app.domain.workloads import Workload, is_named
from app.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "namespace", "workload"),
    [
        ("shop/web", "", Workload("shop", "web", "")),
        ("web", "shop", Workload("shop", "web", "")),
        ("deploy/web", "shop", Workload("shop", "web", "Deployment")),
        ("deployments.apps/web", "shop", Workload("shop", "web", "Deployment")),
        ("StatefulSet/shop/db", "", Workload("shop", "db", "StatefulSet")),
        ("sts/shop/db", "other", Workload("shop", "db", "StatefulSet")),
        ("cj/shop/etl", "", Workload("shop", "etl", "CronJob")),
        ("RayCluster/shop/ray", "", Workload("shop", "ray", "RayCluster")),
        ("shop/web", "other", Workload("shop", "web", "")),
        ("Deployment/po/web", "", Workload("po", "web", "Deployment")),
    ],
)
def test_names(text: str, namespace: str, workload: Workload) -> None:
    """Kinds are those of kubectl, or as they are written; a name without a namespace takes that of `-n`."""
    assert parse_workload(text, namespace) == workload


@pytest.mark.parametrize("text", ["", "web", "/web", "shop/", "a/b/c/d", "deploy/web", "//"])
def test_what_names_no_workload(text: str) -> None:
    """Without a namespace; a kind alone does not give one."""
    with pytest.raises(SettingsError, match="WORKLOAD is"):
        parse_workload(text)


def test_the_kind_is_compared_only_if_it_is_given() -> None:
    """In any case of letters."""
    web = Workload("shop", "web", "RayCluster")

    assert is_named(web, Workload("shop", "web", ""))
    assert is_named(web, Workload("shop", "web", "raycluster"))
    assert not is_named(web, Workload("shop", "web", "Deployment"))
    assert kind_named("nothing") == ""
