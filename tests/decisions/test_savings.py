"""Savings: differences, totals, order, and what is left out."""

from decimal import Decimal

import pytest

from app.decisions.autoscalers import governors_of
from app.decisions.figures import read_workloads
from app.decisions.live import with_live
from app.decisions.savings import Ignored, Prices, Savings, SortKey, in_order, savings
from app.domain.profiles import Resource, RiskLevel
from app.domain.workloads import Workload
from app.kubernetes.workloads import WorkloadDecoder
from tests.decisions.manifests import container, deployment, need

MIB = 1024**2
WEB, DB, JOB = Workload("shop", "web"), Workload("shop", "db", "StatefulSet"), Workload("shop", "etl", "Job")
THREE = {"desired": 3, "ready": 3}
MANIFESTS = [
    need("cpu", "web", "0.026", request="500m", replicas=THREE),
    need("memory", "web", str(347 * MIB), request="256Mi", replicas=THREE),
    need("cpu", "db", "1.500", kind="StatefulSet", request="1", replicas={"desired": 1}),
    need("memory", "db", str(1024 * MIB), kind="StatefulSet", request="4Gi", replicas={"desired": 1}),
    need("cpu", "etl", "0.100", kind="Job", request="1"),
]


@pytest.fixture
def found() -> Savings:
    """The savings of the manifests."""
    return savings(read_workloads(MANIFESTS))


def test_the_difference_is_over_all_replicas(found: Savings) -> None:
    """web: (0.5 - 0.026) x 3 = 1.422 cores too many, (256 - 347) x 3 = -273 MiB; db: (1 - 1.5) x 1 cores."""
    db, web = found.workloads

    assert (db.workload, web.workload) == (DB, WEB)
    assert web.difference(Resource.CPU) == Decimal("1.422")
    assert web.difference(Resource.MEMORY) == -273 * MIB
    assert (db.difference(Resource.CPU), db.difference(Resource.MEMORY)) == (
        Decimal("-0.5"),
        Decimal(3072 * MIB),
    )


def test_over_and_under_requested_are_apart(found: Savings) -> None:
    """Both workloads request too much of one resource and too little of the other."""
    assert {each.workload for each in found.over()} == {WEB, DB} == {each.workload for each in found.under()}


def test_what_runs_to_completion_has_no_replicas(found: Savings) -> None:
    """A Job's request is known, and its number of replicas is not: it is named, and in no total."""
    assert found.unknown == [("", JOB)]


def test_totals_do_not_cancel_out(found: Savings) -> None:
    """CPU: requested 0.5 x 3 + 1 = 2.5, needed 0.078 + 1.5 = 1.578; over 1.422, under 0.5.

    So 1.422 / 2.5 = 56.88 % of the requested cores are beyond needs.
    """
    (group,) = found.by_namespace()
    total = group.totals[Resource.CPU]

    assert (group.namespace, group.workloads) == ("shop", 2)
    assert (total.requested, total.needed) == (Decimal("2.5"), Decimal("1.578"))
    assert (total.over, total.under) == (Decimal("1.422"), Decimal("0.5"))
    assert total.over_share == Decimal("0.5688")
    assert found.total().totals == group.totals == found.by_cluster()[0].totals


def test_money_needs_prices(found: Savings) -> None:
    """At 20 a core and 3 a GiB: web 1.422 x 20 - 273 / 1024 x 3 = 27.6402, db -0.5 x 20 + 3 x 3 = -1."""
    prices = Prices(Decimal(20), Decimal(3))

    assert [round(each.money(prices), 4) for each in found.workloads] == [-1, Decimal("27.6402")]
    assert not Prices().are_given


@pytest.mark.parametrize(
    ("key", "first"),
    [(SortKey.CPU, WEB), (SortKey.MEMORY, DB), (SortKey.MONEY, WEB), (SortKey.RISK, DB)],
)
def test_the_order(found: Savings, key: SortKey, first: Workload) -> None:
    """CPU 1.422 > 0.5; memory 3072 > 273 MiB; money 27.64 > 1.

    Risk: db lacks a third of its CPU (0.5 / 1.5), and web 91 / 347 = 26 % of its memory.
    """
    ordered = in_order(found.workloads, key, Prices(Decimal(20), Decimal(3)))

    assert ordered[0].workload == first


def test_a_limit_below_the_need_is_under_requested() -> None:
    """The container requests what it needs, 1 GiB, but is killed at its limit of 512 MiB."""
    containers = ({"name": "app", "value": str(1024 * MIB), "limit": "512Mi", "samples": 1},)
    manifest = need(
        "memory", "web", str(1024 * MIB), containers=containers, request="1Gi", replicas={"desired": 1}
    )

    (web,) = savings(read_workloads([manifest])).under()

    assert (web.limits_below, web.risk) == (("app (memory)",), Decimal(1))


def test_no_request_reserves_nothing() -> None:
    """A template without requests lacks the whole need."""
    manifest = need("cpu", "web", "0.200", replicas={"desired": 2})

    (web,) = savings(read_workloads([manifest])).workloads

    assert (web.difference(Resource.CPU), web.risk) == (Decimal("-0.4"), Decimal(1))


def test_unknown_requests_are_not_zero() -> None:
    """A profile of a release that stored no requests is in no total."""
    found = savings(read_workloads([need("cpu", "web", "0.200")]))

    assert (found.workloads, found.unknown) == ([], [("", WEB)])


def test_requests_of_the_workload_where_the_profile_has_none() -> None:
    """Two long-running containers request 100m and, by its limit, 300m: 0.4 - 0.3 cores in each of 4 Pods.

    The init container's 2 cores are not those of a running Pod. Without an object nothing is known.
    """
    manifest = deployment(
        "web",
        container(requests={"cpu": "100m"}),
        container("proxy", limits={"cpu": "300m"}),
        replicas=4,
        initContainers=[container("init", requests={"cpu": "2"})],
    )
    listed = ({"name": "app", "value": "0.100"}, {"name": "proxy", "value": "0.200"})
    figures = read_workloads([need("cpu", "web", "0.300", containers=listed), need("cpu", "db", "0.1")])

    found = savings(with_live(figures, [WorkloadDecoder("Deployment").decode(manifest)]))

    (web,) = found.workloads
    assert (web.replicas, web.difference(Resource.CPU)) == (4, Decimal("0.4"))
    assert found.unknown == [("", Workload("shop", "db"))]


def test_requests_of_the_whole_pod() -> None:
    """The Pod's own resources go before those of its containers: 1 - 0.3 cores in each of 2 Pods.

    A quantity that can't be read, here of memory, is none, and leaves the others as they are.
    """
    written = {"cpu": "100m", "memory": "much"}
    manifest = deployment("web", container(requests=written), resources={"requests": {"cpu": "1"}})
    figures = read_workloads([need("cpu", "web", "0.300"), need("memory", "web", "1000")])

    (web,) = savings(with_live(figures, [WorkloadDecoder("Deployment").decode(manifest)])).workloads

    assert web.difference(Resource.CPU) == Decimal("1.4")
    assert web.resources[Resource.MEMORY].request is None


def test_needs_at_another_risk() -> None:
    """At low risk both containers need twice as much, so the replica does: 0.2 + 0.4 instead of 0.3 cores.

    Where the largest of several roles counts, the value of 0.25 is doubled too.
    """
    containers = tuple(
        {"name": name, "value": value, "samples": 1, "values": {"low": low, "normal": value, "high": "0.010"}}
        for name, value, low in (("app", "0.100", "0.200"), ("proxy", "0.200", "0.400"))
    )
    whole, largest = (
        read_workloads([need("cpu", "web", value, containers=containers)], RiskLevel.LOW)[0]
        for value in ("0.300", "0.250")
    )

    assert whole.amounts[Resource.CPU].need == Decimal("0.6")
    assert [each.need for each in whole.amounts[Resource.CPU].containers] == [Decimal("0.2"), Decimal("0.4")]
    assert largest.amounts[Resource.CPU].need == Decimal("0.5")


@pytest.mark.parametrize(
    ("pattern", "left"), [("shop/web", [DB]), ("shop/*", []), ("sho?", []), ("web", [DB, WEB])]
)
def test_the_ignore_list(pattern: str, left: list[Workload]) -> None:
    """A pattern is of a namespace, or of a namespace and a name."""
    found = savings(read_workloads(MANIFESTS[:4]), ignored=Ignored((pattern,)))

    assert [each.workload for each in found.workloads] == left
    assert found.ignored == 2 - len(left)


def test_what_people_wrote_into_profiles_is_left_out() -> None:
    """A need, a request, replicas and containers of other types, and an object that is no profile."""
    odd = need("cpu", "web", "0.2", request=7, replicas={"desired": "two"}, containers=({"name": 1},))
    negative = need("cpu", "db", "-1.000")

    (web, db) = sorted(read_workloads([odd, negative, {"kind": 7}]), key=lambda each: each.workload.name)[
        ::-1
    ]

    assert (web.replicas, web.has_template, web.amounts[Resource.CPU].containers) == (None, True, ())
    assert db.amounts == {}


def test_autoscalers_mark_their_target() -> None:
    """An HPA on CPU (the default), one on a metric of its own, and VPAs.

    Of these, one is Off, and one has no recommendation: neither sets a request.
    """

    def hpa(name: str, **spec: object) -> dict[str, object]:
        target = {"kind": "Deployment", "name": name}
        return {"metadata": {"namespace": "shop"}, "spec": {"scaleTargetRef": target, **spec}}

    def vpa(name: str, mode: str | None, *containers: str) -> dict[str, object]:
        policy = {"updatePolicy": {"updateMode": mode}} if mode else {}
        target = {"targetRef": {"kind": "Deployment", "name": name}}
        recommended = [
            {"containerName": container, "target": {"cpu": "1", "memory": "1Gi"}} for container in containers
        ]
        status = {"recommendation": {"containerRecommendations": recommended}}
        return {"metadata": {"namespace": "shop"}, "spec": target | policy, "status": status}

    other = hpa("queue")
    metrics = '[{"type":"External","external":{"metricName":"depth"}}]'
    other["metadata"] = {
        "namespace": "shop",
        "annotations": {"autoscaling.alpha.kubernetes.io/metrics": metrics},
    }

    found = governors_of(
        [hpa("web", targetCPUUtilizationPercentage=80), other, {"metadata": {}}],
        [vpa("web", None, "app"), vpa("db", "Off", "app"), vpa("new", "Auto"), {"spec": 7}],
    )

    assert list(found) == [WEB]
    assert [str(one) for one in found[WEB]] == ["HPA cpu", "VPA cpu memory"]


RULES = (
    {"annotation": "risk", "value": "low", "source": "Namespace"},
    {"annotation": "max-cpu", "value": "100m", "source": "Workload"},
    {"annotation": "off.proxy", "value": "true", "source": "Template"},
)


def test_what_annotations_do_is_said_in_words() -> None:
    """The need of 200m stays the measure: 0.5 - 0.2 cores could be saved, although at most 100m are set."""
    manifest = need("cpu", "web", "0.200", request="500m", replicas={"desired": 1}, policy=list(RULES))

    (web,) = savings(read_workloads([manifest])).workloads

    assert web.difference(Resource.CPU) == Decimal("0.3")
    assert web.policy == (
        "low risk by risk of namespace shop",
        "proxy: turned off by annotation off.proxy of the Pod template",
        "app, CPU: at most 100m by max-cpu of Deployment web (the need is 200m)",
    )


def test_a_level_that_is_asked_for_goes_before_that_of_annotations() -> None:
    """At high risk the need is 50m, which the bound of 100m does not move; "low risk" would be wrong."""
    listed = ({"name": "app", "value": "0.200", "values": {"high": "0.050"}},)
    manifest = need("cpu", "web", "0.200", containers=listed, policy=list(RULES[:2]))

    (web,) = read_workloads([manifest], RiskLevel.HIGH)

    assert web.policy == ()
