"""The catalogue after lists, changes and deletions, and its notifications."""

from datetime import UTC, datetime
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, to_manifest
from app.domain.profiles import Basis, Identity, ProfileKind, Resource, ResourceProfile
from app.domain.workloads import Workload

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def cpu_profile(name: str, job: str) -> dict[str, Any]:
    profile = ResourceProfile(Workload("shop", job), Resource.CPU, "0.020", Basis(NOW, NOW, 12, 1.0, 0.5))
    return to_manifest(profile, name=name, namespace="profiling", updated_at=NOW)


def cpu(job: str) -> Identity:
    return Identity(ProfileKind.CPU, Workload("shop", job))


def test_it_is_synced_once_every_kind_was_listed() -> None:
    """Two of three lists do not prove that a workload has no profile."""
    catalogue = ProfileCatalogue()
    for resource in KINDS:
        assert not catalogue.is_synced
        catalogue.replace(resource, [])

    assert catalogue.is_synced


def test_a_new_list_drops_objects_that_are_not_in_it() -> None:
    """An object that was deleted during an outage of the watch is gone after the next list."""
    catalogue = ProfileCatalogue()
    catalogue.replace(ProfileKind.CPU, [cpu_profile("one", "web"), cpu_profile("two", "api")])

    catalogue.replace(ProfileKind.CPU, [cpu_profile("two", "api")])

    assert catalogue.get(cpu("web")) is None
    assert catalogue.get(cpu("api")) is not None
    assert catalogue.names == {"two"}


def test_an_object_that_changes_its_identity_leaves_the_old_one() -> None:
    """After an event of the watch and after a list."""
    catalogue = ProfileCatalogue()
    catalogue.upsert(ProfileKind.CPU, cpu_profile("one", "web"))
    catalogue.upsert(ProfileKind.CPU, cpu_profile("one", "api"))
    assert (catalogue.get(cpu("web")), catalogue.get(cpu("api")) is not None) == (None, True)

    catalogue.replace(ProfileKind.CPU, [cpu_profile("one", "db")])
    assert (catalogue.get(cpu("api")), catalogue.get(cpu("db")) is not None) == (None, True)


def test_an_object_that_loses_its_identity_is_forgotten() -> None:
    """Its annotations were removed during an outage of the watch."""
    catalogue = ProfileCatalogue()
    catalogue.replace(ProfileKind.CPU, [cpu_profile("one", "web")])

    catalogue.replace(ProfileKind.CPU, [{"metadata": {"name": "one"}, "spec": {}}])

    assert catalogue.get(cpu("web")) is None
    assert catalogue.names == {"one"}


def test_of_two_objects_with_one_identity_the_first_by_name_counts() -> None:
    """A copy does not make annotations flap; after the first is deleted, the other counts."""
    catalogue = ProfileCatalogue()
    for name in ("b", "a"):
        catalogue.upsert(ProfileKind.CPU, cpu_profile(name, "web"))
    first = catalogue.get(cpu("web"))
    catalogue.delete(ProfileKind.CPU, cpu_profile("a", "web"))
    second = catalogue.get(cpu("web"))

    assert (first and first.name, second and second.name) == ("a", "b")


def test_listeners_are_notified_of_every_changed_identity() -> None:
    """An addition and a deletion each notify the listeners."""
    catalogue, notified = ProfileCatalogue(), list[Identity]()
    catalogue.subscribe(notified.append)
    catalogue.upsert(ProfileKind.CPU, cpu_profile("one", "web"))
    catalogue.delete(ProfileKind.CPU, cpu_profile("one", "web"))

    assert notified == [cpu("web"), cpu("web")]


def test_needs_of_containers_are_kept_only_if_enabled() -> None:
    """By lists and watches; without containers, all profiles share one empty mapping."""
    status = {"confidence": "0.50", "containers": [{"name": "main", "value": "0.020", "samples": 12}]}
    with_containers, without = ProfileCatalogue(with_containers=True), ProfileCatalogue()
    for catalogue in (with_containers, without):
        catalogue.replace(ProfileKind.CPU, [cpu_profile("one", "web") | {"status": status}])
        catalogue.upsert(ProfileKind.CPU, cpu_profile("two", "api") | {"status": status})

    kept = {(profile.confidence, *profile.containers.items()) for profile in with_containers}
    assert kept == {(0.5, ("main", "0.020"))}
    assert {(profile.confidence, *profile.containers.items()) for profile in without} == {(0.0,)}
    first, second = without
    assert first.containers is second.containers


def test_the_name_of_an_object_without_identity_is_taken_too() -> None:
    """A profile must not overwrite the object."""
    catalogue = ProfileCatalogue()
    catalogue.upsert(ProfileKind.CPU, {"metadata": {"name": "by-hand"}, "spec": {}})

    assert catalogue.names == {"by-hand"}
    assert list(catalogue) == []


def test_times_are_kept_only_if_enabled() -> None:
    """An index needs identity, name and value; only the decision on the next write needs times."""
    manifest = cpu_profile("one", "web")
    manifest["spec"]["cpuProfiling"]["updateTime"] = "2026-03-01T12:00:00Z"
    catalogue = ProfileCatalogue(with_times=False)
    catalogue.replace(ProfileKind.CPU, [manifest])

    [kept] = catalogue
    assert (kept.name, kept.value) == ("one", "0.020")
    assert (kept.updated_at, kept.status_refreshed_at, kept.window_end) == (None, None, None)
