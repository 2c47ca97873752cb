"""Prepared decisions follow each change of the profiles that they come from."""

from typing import Any

from app.domain.annotation_index import AnnotationIndex
from app.domain.profiles import ProfileKind
from app.domain.workloads import Workload
from app.webhook.prepared import PreparedDecisions
from tests.webhook.profiles import VOTING, WEB, WEB_CPU, WEB_MEMORY, connection, cpu, memory, synced_catalogue

NIGHTLY = Workload("emojivoto", "nightly", "CronJob")
RUN = Workload("emojivoto", "nightly-29012345", "Job")


class Prepared:
    """Prepared decisions on the stored *manifests*."""

    def __init__(self, *manifests: dict[str, Any]) -> None:
        self.catalogue = synced_catalogue(*manifests)
        index = AnnotationIndex(self.catalogue, max_connections=64)
        self._decisions = PreparedDecisions(self.catalogue, index)

    def names(self, workload: Workload) -> list[str]:
        """The profiles that a Pod without annotations gets."""
        found = self._decisions.find(workload, None)
        return list(found.patch.operations[0]["value"].values()) if found else []


def test_the_next_pod_has_a_new_profile_and_lacks_a_deleted_one() -> None:
    """A memory profile is added, then the CPU profile is deleted, then the memory profile."""
    prepared = Prepared(cpu(WEB))
    names = [prepared.names(WEB)]
    prepared.catalogue.upsert(ProfileKind.MEMORY, memory(WEB))
    names.append(prepared.names(WEB))
    prepared.catalogue.delete(ProfileKind.CPU, cpu(WEB))
    names.append(prepared.names(WEB))
    prepared.catalogue.delete(ProfileKind.MEMORY, memory(WEB))
    names.append(prepared.names(WEB))

    assert names == [[WEB_CPU], [WEB_CPU, WEB_MEMORY], [WEB_MEMORY], []]


def test_both_ends_follow_a_deleted_connection() -> None:
    """The only profile of web and of voting is their connection."""
    edge = connection(WEB, VOTING)
    prepared = Prepared(edge)
    assert prepared.names(WEB) == prepared.names(VOTING) == [edge["metadata"]["name"]]
    prepared.catalogue.delete(ProfileKind.CONNECTION, edge)

    assert prepared.names(WEB) == prepared.names(VOTING) == []


def test_a_run_with_profiles_of_its_own_has_these_while_they_are_stored() -> None:
    """Before and after, its Pods have the profile of the CronJob."""
    of_all, of_run = cpu(NIGHTLY), cpu(RUN)
    prepared = Prepared(of_all)
    names = [prepared.names(RUN)]
    prepared.catalogue.upsert(ProfileKind.CPU, of_run)
    names.append(prepared.names(RUN))
    prepared.catalogue.delete(ProfileKind.CPU, of_run)
    names.append(prepared.names(RUN))

    name_of_all, name_of_run = of_all["metadata"]["name"], of_run["metadata"]["name"]
    assert names == [[name_of_all], [name_of_run], [name_of_all]]
