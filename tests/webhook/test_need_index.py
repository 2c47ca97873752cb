"""The need index follows the profiles that the annotations of a workload's Pods name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ProfileKind, Resource
from app.domain.workloads import Workload
from app.rightsizing.resizing import ContainerNeeds
from app.webhook.need_index import NeedIndex
from tests.webhook.profiles import EMOJI, WEB, connection, cpu, memory, synced_catalogue, with_containers

CPU_OF_WEB = with_containers(cpu(WEB), {"web-svc": "0.018", "linkerd-proxy": "0.005"}, "0.74")
MEMORY_OF_WEB = with_containers(memory(WEB), {"web-svc": "19550000"}, "0.50")


def needs_on(*manifests: Mapping[str, Any]) -> tuple[ProfileCatalogue, NeedIndex]:
    catalogue = synced_catalogue(*manifests, with_containers=True)
    return catalogue, NeedIndex(catalogue, AnnotationIndex(catalogue, max_connections=64))


def test_the_needs_are_those_of_both_profiles() -> None:
    """The value of each container, and the confidence of each profile."""
    _, index = needs_on(CPU_OF_WEB, MEMORY_OF_WEB)

    assert index.needs(WEB) == {
        Resource.CPU: ContainerNeeds({"web-svc": Decimal("0.018"), "linkerd-proxy": Decimal("0.005")}, 0.74),
        Resource.MEMORY: ContainerNeeds({"web-svc": Decimal(19550000)}, 0.5),
    }


def test_they_follow_the_profiles() -> None:
    """Changed, added and deleted profiles count for the next Pod."""
    catalogue, index = needs_on(CPU_OF_WEB)
    before = index.needs(WEB)
    catalogue.upsert(ProfileKind.CPU, with_containers(cpu(WEB), {"web-svc": "0.030"}))
    catalogue.upsert(ProfileKind.MEMORY, MEMORY_OF_WEB)
    changed = index.needs(WEB)
    catalogue.delete(ProfileKind.CPU, CPU_OF_WEB)
    catalogue.delete(ProfileKind.MEMORY, MEMORY_OF_WEB)

    assert before.keys() == {Resource.CPU}
    assert changed[Resource.CPU].containers == {"web-svc": Decimal("0.03")}
    assert changed.keys() == set(Resource)
    assert index.needs(WEB) == {}


def test_a_profile_has_no_needs_before_its_status_is_written() -> None:
    """The status is written after the value; until then there are no containers."""
    catalogue, index = needs_on(cpu(WEB), connection(WEB, EMOJI))
    assert index.needs(WEB) == {}
    catalogue.upsert(ProfileKind.CPU, CPU_OF_WEB)

    assert index.needs(WEB).keys() == {Resource.CPU}


@pytest.mark.parametrize(
    ("profiled", "workload"),
    [
        (Workload("shop", "report", "CronJob"), Workload("shop", "report-29000000", "Job")),
        (Workload("shop", "build", "Job"), Workload("shop", "build-7w4ct", "Job")),
    ],
    ids=["run-of-a-cronjob", "run-of-a-group"],
)
def test_a_run_needs_what_its_runs_need(profiled: Workload, workload: Workload) -> None:
    """The needs come from the profile that the annotations of its Pods name."""
    _, index = needs_on(with_containers(cpu(profiled), {"main": "0.100"}))

    assert index.needs(workload)[Resource.CPU].containers == {"main": Decimal("0.1")}


def test_a_stale_profile_has_needs() -> None:
    """Only the confidence decides whether a profile is used."""
    stale = {"type": "Stale", "status": "True"}
    manifest = {**CPU_OF_WEB, "status": {**CPU_OF_WEB["status"], "conditions": [stale]}}

    assert needs_on(manifest)[1].needs(WEB)[Resource.CPU].confidence == 0.74


@pytest.mark.parametrize("value", ["", "much", "nan", "inf", "-1", "0.000", "1e9999999999999999999"])
def test_an_invalid_value_counts_as_unknown(value: str) -> None:
    """An invalid value is ignored; the other container's value counts."""
    _, index = needs_on(with_containers(cpu(WEB), {"web-svc": value, "linkerd-proxy": "0.005"}))

    assert index.needs(WEB)[Resource.CPU].containers == {"linkerd-proxy": Decimal("0.005")}


def test_needs_have_the_policy_of_their_profile() -> None:
    """Bounds, and what is off, by container; of a run of a CronJob, those of the CronJob.

    They follow the profile.
    """
    report, run = Workload("shop", "report", "CronJob"), Workload("shop", "report-29000000", "Job")
    rules = [
        {"annotation": "max-cpu", "value": "50m", "source": "Namespace"},
        {"annotation": "off.proxy", "value": "true", "source": "Template"},
    ]
    plain = with_containers(cpu(report), {"main": "0.100", "proxy": "0.005"})
    catalogue, index = needs_on(plain | {"status": {**plain["status"], "policy": rules}})
    needs = index.needs(run)[Resource.CPU]
    catalogue.upsert(ProfileKind.CPU, plain)

    maximum = needs.bounds["main"].maximum
    assert maximum
    assert maximum.amount == Decimal("0.05")
    assert needs.containers == {"main": Decimal("0.1")}
    assert needs.kept == {"proxy": "turned off by annotation off.proxy of the Pod template"}
    assert index.needs(run)[Resource.CPU] == ContainerNeeds(
        {"main": Decimal("0.1"), "proxy": Decimal("0.005")}, 0.87
    )


def test_without_containers_there_are_no_needs() -> None:
    """A process that sets no requests does not keep containers."""
    catalogue = synced_catalogue(CPU_OF_WEB)
    index = NeedIndex(catalogue, AnnotationIndex(catalogue, max_connections=64))

    assert index.needs(WEB) == {}
