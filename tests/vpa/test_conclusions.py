"""Statuses of VerticalPodAutoscalers, worked out by hand.

Three days were seen, so the factor of an upper bound is 1 + 1/3. `main`: CPU 404m, upper bound
max(1.1 * 404m, 500m) * 4/3 = 667m; memory 300Mi, upper bound max(330Mi, 330Mi) * 4/3 = 440Mi. `proxy`: CPU
10m, 12m * 4/3 = 16m; both below the installation's floor of 20m; memory 40Mi, 48Mi * 4/3 = 64Mi.
"""

from typing import Any

import pytest

from app.domain.container_roles import TemplateContainers
from app.domain.profiles import Identity, Resource
from app.domain.template_amounts import TemplateAmounts, template_amounts
from app.domain.workloads import Workload
from app.vpa.autoscaler import read_autoscaler
from app.vpa.conclusions import conclude
from app.vpa.recommendation import TargetFacts
from app.vpa.status import AutoscalerStatus, to_manifest
from tests.vpa.objects import (
    MEBIBYTE,
    POLICY,
    WEB,
    Needs,
    catalogue_of,
    container_policies,
    profile,
    vpa,
    web_profiles,
)

MAIN = {
    "containerName": "main",
    "target": {"cpu": "404m", "memory": "300Mi"},
    "lowerBound": {"cpu": "300m", "memory": "250Mi"},
    "upperBound": {"cpu": "667m", "memory": "440Mi"},
    "uncappedTarget": {"cpu": "404m", "memory": "300Mi"},
}
PROXY = {
    "containerName": "proxy",
    "target": {"cpu": "20m", "memory": "40Mi"},
    "lowerBound": {"cpu": "20m", "memory": "36Mi"},
    "upperBound": {"cpu": "20m", "memory": "64Mi"},
    "uncappedTarget": {"cpu": "10m", "memory": "40Mi"},
}


def facts(*manifests: dict[str, Any], workload: Workload = WEB, **options: Any) -> TargetFacts:
    """What is known of a workload with these profiles; by default with those of `web`."""
    catalogue = catalogue_of(*(manifests or web_profiles()))
    found = {resource: catalogue.get(Identity(resource.profile_kind, workload)) for resource in Resource}
    return TargetFacts({key: one for key, one in found.items() if one}, **options)


def status_of(known: TargetFacts, **spec: Any) -> AutoscalerStatus:
    """The status of an object with this spec."""
    return conclude(read_autoscaler(vpa(**spec)), known, POLICY).status


def containers_of(status: AutoscalerStatus) -> list[dict[str, Any]]:
    """The recommendations as an object has them."""
    recommendation = to_manifest(status).get("recommendation", {})
    found: list[dict[str, Any]] = recommendation.get("containerRecommendations", [])
    return found


def conditions_of(status: AutoscalerStatus) -> dict[str, tuple[bool, str]]:
    """State and reason of each condition."""
    return {one.type: (one.is_true, one.reason) for one in status.conditions}


def limits(cpu: str, memory: str) -> TemplateAmounts:
    """A template in which `main` has these limits."""
    return template_amounts([("main", {}, {"cpu": cpu, "memory": memory})])


PROVIDED = {"RecommendationProvided": (True, "")}


def test_without_a_policy_all_containers_have_their_needs() -> None:
    """The target is the need in whole millicores and MiB, within the floor of the settings."""
    status = status_of(facts())

    assert containers_of(status) == [MAIN, PROXY]
    assert conditions_of(status) == PROVIDED
    assert status.observed_generation == 1


@pytest.mark.parametrize(
    ("policies", "main"),
    [
        pytest.param(
            [{"containerName": "main", "minAllowed": {"cpu": "500m"}, "maxAllowed": {"memory": "256Mi"}}],
            {
                "target": {"cpu": "500m", "memory": "256Mi"},
                "lowerBound": {"cpu": "500m", "memory": "250Mi"},
                "upperBound": {"cpu": "667m", "memory": "256Mi"},
            },
            id="bounds",
        ),
        pytest.param(
            [{"containerName": "*", "minAllowed": {"cpu": 1}}, {"containerName": "main"}],
            {},
            id="an own policy replaces that of all others",
        ),
        pytest.param(
            [{"containerName": "*", "minAllowed": {"cpu": 1}}],
            {
                "target": {"cpu": "1000m", "memory": "300Mi"},
                "lowerBound": {"cpu": "1000m", "memory": "250Mi"},
                "upperBound": {"cpu": "1000m", "memory": "440Mi"},
            },
            id="that of all others, a number without quotation marks",
        ),
        pytest.param(
            [{"containerName": "main", "minAllowed": {"cpu": "-1"}, "maxAllowed": "none"}],
            {},
            id="what is no quantity counts as absent",
        ),
    ],
)
def test_bounds_of_the_policy(policies: list[dict[str, Any]], main: dict[str, Any]) -> None:
    """Target and bounds are within minAllowed and maxAllowed; the uncapped target is not."""
    status = status_of(facts(), resourcePolicy=container_policies(*policies))

    assert containers_of(status)[0] == MAIN | main


def test_mode_off_leaves_a_container_out() -> None:
    """The other one has its recommendation; with all of them off, a condition says why there is none."""
    one_off = status_of(facts(), resourcePolicy=container_policies({"containerName": "main", "mode": "Off"}))
    all_off = status_of(facts(), resourcePolicy=container_policies({"containerName": "*", "mode": "Off"}))

    assert containers_of(one_off) == [PROXY]
    assert containers_of(all_off) == []
    assert conditions_of(all_off) == {"RecommendationProvided": (False, "TurnedOff")}
    assert all_off.conditions[0].message == "main: mode Off; proxy: mode Off"


@pytest.mark.parametrize(
    ("listed", "resources"), [(["memory"], {"memory"}), (["cpu", "gpu"], {"cpu"}), ([], set())]
)
def test_only_controlled_resources_are_in_it(listed: list[str], resources: set[str]) -> None:
    """Every part has the same resources; with none, there is no recommendation."""
    policy = container_policies({"containerName": "*", "controlledResources": listed})

    found = containers_of(status_of(facts(), resourcePolicy=policy))

    assert [{frozenset(one[part]) for part in MAIN if part != "containerName"} for one in found] == (
        [{frozenset(resources)}] * 2 if resources else []
    )


def test_requests_only_stays_at_the_limit() -> None:
    """Target and bounds end at the limit; the need is above it, which a condition names."""
    policy = container_policies({"containerName": "*", "controlledValues": "RequestsOnly"})
    known = facts(amounts=limits("2", "256Mi"))

    capped = status_of(known, resourcePolicy=policy)

    assert containers_of(capped)[0] == MAIN | {
        "target": {"cpu": "404m", "memory": "256Mi"},
        "lowerBound": {"cpu": "300m", "memory": "250Mi"},
        "upperBound": {"cpu": "667m", "memory": "256Mi"},
    }
    assert conditions_of(capped) == {**PROVIDED, "ConfigUnsupported": (True, "LimitBelowNeed")}
    assert capped.conditions[0].message == (
        "main needs 300Mi memory and has a limit of 256Mi, which RequestsOnly leaves: raise the limit in the"
        " Pod template"
    )
    assert containers_of(status_of(known))[0] == MAIN  # RequestsAndLimits: VPA moves the limit too


def test_a_need_that_only_its_rounding_lifts_above_the_limit() -> None:
    """300 MiB and a byte are a request of 301Mi, and live within a limit of 315M, which is 300.4 MiB."""
    need = str(300 * MEBIBYTE + 1)
    needs: Needs = {"main": (need, need, need)}
    only = container_policies({"containerName": "*", "controlledValues": "RequestsOnly"})

    status = status_of(
        facts(profile(Resource.MEMORY, needs), amounts=limits("2", "315M")), resourcePolicy=only
    )

    assert containers_of(status)[0]["target"] == {"memory": "315000000"}
    assert conditions_of(status) == PROVIDED


def test_a_minimum_above_the_limit_is_no_need() -> None:
    """300Mi are needed, minAllowed is 1Gi and the limit 512Mi: the container lives within its limit."""
    policy = {"containerName": "main", "controlledValues": "RequestsOnly", "minAllowed": {"memory": "1Gi"}}
    status = status_of(facts(amounts=limits("2", "512Mi")), resourcePolicy=container_policies(policy))

    assert containers_of(status)[0]["target"]["memory"] == "512Mi"
    assert conditions_of(status) == PROVIDED


def test_a_policy_below_the_limit_is_no_fault() -> None:
    """A maximum that a person chose keeps the target down, not the limit."""
    policy = {"containerName": "*", "controlledValues": "RequestsOnly", "maxAllowed": {"memory": "128Mi"}}

    status = status_of(facts(amounts=limits("2", "256Mi")), resourcePolicy=container_policies(policy))

    assert conditions_of(status) == PROVIDED


def test_a_minimum_above_the_maximum() -> None:
    """The maximum counts, as in VPA, and a condition names the pair."""
    policy = {"containerName": "main", "minAllowed": {"cpu": "2"}, "maxAllowed": {"cpu": "1"}}

    status = status_of(facts(), resourcePolicy=container_policies(policy))

    assert containers_of(status)[0]["target"]["cpu"] == "1000m"
    assert conditions_of(status) == {**PROVIDED, "ConfigUnsupported": (True, "MinAboveMax")}


def test_a_low_confidence_gives_no_recommendation() -> None:
    """Of one resource: the other has its own. Of both: none, and the conditions say why."""
    cpu, memory = web_profiles()
    young = [web_profiles(confidence="0.49")[0], web_profiles(confidence="0.49")[1]]

    one = status_of(facts(young[0], memory))
    none = status_of(facts(*young))

    assert [set(found["target"]) for found in containers_of(one)] == [{"memory"}] * 2
    assert conditions_of(one) == {**PROVIDED, "LowConfidence": (True, "BelowMinimum")}
    assert containers_of(none) == []
    assert conditions_of(none) == {
        "RecommendationProvided": (False, "LowConfidence"),
        "LowConfidence": (True, "BelowMinimum"),
    }
    assert "cpu: the confidence is 0.49, and it takes 0.50" in none.conditions[0].message
    assert cpu["status"]["confidence"] == "0.75"


def test_init_containers_are_not_recommended() -> None:
    """VPA sets only `spec.containers`: no native sidecars, and containers that are injected there."""
    template = TemplateContainers(sidecars=frozenset({"proxy"}), containers=frozenset({"main"}))
    injected = TemplateContainers(containers=frozenset({"main"}))

    assert containers_of(status_of(facts(template=template))) == [MAIN]
    assert containers_of(status_of(facts(template=injected))) == [MAIN, PROXY]


def test_annotations_of_the_workload_hold() -> None:
    """Their bounds replace the floor and ceiling of the settings, and `off` is as mode Off."""
    rules = (
        {"annotation": "max-memory.main", "value": "128Mi", "source": "Workload"},
        {"annotation": "min-cpu.main", "value": "1", "source": "Workload"},
        {"annotation": "off.proxy", "value": "true", "source": "Workload"},
    )

    [main] = containers_of(status_of(facts(*web_profiles(policy=rules))))

    assert main["target"] == {"cpu": "1000m", "memory": "128Mi"}
    assert main["uncappedTarget"] == MAIN["uncappedTarget"]


def test_a_workload_without_profiles() -> None:
    """There is no recommendation; a target that does not exist is named."""
    known = TargetFacts({})

    assert conditions_of(status_of(known)) == {"RecommendationProvided": (False, "NoProfile")}
    assert conditions_of(status_of(TargetFacts({}, is_missing=True))) == {
        "RecommendationProvided": (False, "NoProfile"),
        "NoPodsMatched": (True, "TargetNotFound"),
    }


def test_a_target_that_is_gone_keeps_its_recommendation() -> None:
    """Its profiles are kept for some days: whoever creates it again has the values from the first Pod on."""
    status = status_of(facts(is_missing=True))

    assert containers_of(status) == [MAIN, PROXY]
    assert conditions_of(status) == {**PROVIDED, "NoPodsMatched": (True, "TargetNotFound")}


@pytest.mark.parametrize(
    "target", [{}, {"kind": "Deployment"}, {"name": "web"}, "web", {"kind": 1, "name": 2}]
)
def test_a_target_without_a_name(target: object) -> None:
    """The API server takes such objects if the CRD has no schema for it."""
    status = status_of(TargetFacts({}), target=target)

    assert conditions_of(status) == {
        "RecommendationProvided": (False, "InvalidTarget"),
        "ConfigUnsupported": (True, "InvalidTarget"),
    }


def test_a_job_of_a_cron_job_is_no_target() -> None:
    """The CronJob is: it is what stays."""
    status = status_of(facts(parent=Workload("shop", "nightly", "CronJob")))

    assert containers_of(status) == []
    assert conditions_of(status)["ConfigUnsupported"] == (True, "InvalidTarget")
    assert "CronJob shop/nightly" in status.conditions[0].message
