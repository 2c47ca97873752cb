"""The catalogue after lists, changes and deletions, and its notifications."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain import custom_resources
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, from_manifest, to_manifest
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Basis, Identity, ProfileKind, Resource, ResourceProfile
from app.domain.workloads import Connection, Workload

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def cpu_profile(
    job: str, *, name: str = "", created_at: str = "2026-03-01T00:00:00Z", value: str = "0.020"
) -> dict[str, Any]:
    """The object that the profiler writes, or one that is like it under another name."""
    profile = ResourceProfile(Workload("shop", job), Resource.CPU, value, Basis(NOW, NOW, 12, 1.0, 0.5))
    name = name or contract_name(profile.identity) or ""
    manifest = to_manifest(profile, name=name, namespace="profiling", updated_at=NOW)
    manifest["metadata"]["creationTimestamp"] = created_at
    return manifest


def cpu(job: str) -> Identity:
    return Identity(ProfileKind.CPU, Workload("shop", job))


def test_it_is_synced_once_every_kind_was_listed() -> None:
    """Two of three lists do not prove that a workload has no profile."""
    catalogue = ProfileCatalogue()
    for resource in KINDS:
        assert not catalogue.is_synced
        catalogue.replace(resource, [])

    assert catalogue.is_synced


def test_equal_names_and_times_are_one_object() -> None:
    """The catalogue knows 50,000 profiles by name, and most of them were written in a few cycles."""
    profiles = []
    for job in ("web", "api"):
        catalogue = ProfileCatalogue()
        manifest = json.loads(json.dumps(cpu_profile(job, name=contract_name(cpu(job)) or "")))
        catalogue.upsert(ProfileKind.CPU, manifest)
        profile = catalogue.get(cpu(job))
        assert profile is not None
        assert [name is profile.name for name in catalogue.names] == [True]
        profiles.append(profile)

    assert profiles[0].updated_at is profiles[1].updated_at


def test_the_workload_of_several_objects_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that were read, at most 20,000 are kept for this: 20,001 others take the first one's place."""
    monkeypatch.setattr(custom_resources, "_shared_workloads", {})
    manifest, name = cpu_profile("web"), "job-profiler.liqo.io/workload-name"

    def subject_of(job: str) -> Workload | Connection | None:
        manifest["metadata"]["annotations"][name] = job
        profile = from_manifest(ProfileKind.CPU, manifest)
        return profile.subject if profile else None

    first = subject_of("web")
    others = [subject_of(f"job-{number}") for number in range(20_001)]
    second = subject_of("web")

    assert others == [Workload("shop", f"job-{number}") for number in range(20_001)]
    assert first == second == Workload("shop", "web")
    assert first is not second
    assert second is subject_of("web")


def test_a_new_list_drops_objects_that_are_not_in_it() -> None:
    """An object that was deleted during an outage of the watch is gone after the next list."""
    catalogue = ProfileCatalogue()
    catalogue.replace(ProfileKind.CPU, [cpu_profile("web"), cpu_profile("api")])

    catalogue.replace(ProfileKind.CPU, [cpu_profile("api")])

    assert catalogue.get(cpu("web")) is None
    assert catalogue.get(cpu("api")) is not None
    assert catalogue.names == {contract_name(cpu("api"))}


@pytest.mark.parametrize("by_list", [False, True])
def test_an_object_that_loses_its_identity_is_forgotten(*, by_list: bool) -> None:
    """Its annotations were removed, or are now those of `api`, to which the rules give another name."""
    name = contract_name(cpu("web")) or ""
    for changed in ({"metadata": {"name": name}, "spec": {}}, cpu_profile("api", name=name)):
        catalogue = ProfileCatalogue()
        catalogue.replace(ProfileKind.CPU, [cpu_profile("web")])

        if by_list:
            catalogue.replace(ProfileKind.CPU, [changed])
        else:
            catalogue.upsert(ProfileKind.CPU, changed)

        assert (catalogue.get(cpu("web")), catalogue.get(cpu("api"))) == (None, None)
        assert catalogue.names == {name}


@pytest.mark.parametrize("name", ["a", "cpuprofile-0", "zzz", contract_name(cpu("api"))])
@pytest.mark.parametrize("by_list", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_copy_under_another_name_changes_nothing(name: str, *, by_list: bool, is_first: bool) -> None:
    """Neither before nor after the profile, nor alone; its name stays taken, so it is not overwritten."""
    copy, original = cpu_profile("web", name=name, value="999.000"), cpu_profile("web")
    catalogue, notified = ProfileCatalogue(), list[Identity]()
    catalogue.subscribe(notified.append)
    objects = [copy, original] if is_first else [original, copy]
    if by_list:
        catalogue.replace(ProfileKind.CPU, objects)
    else:
        for manifest in objects:
            catalogue.upsert(ProfileKind.CPU, manifest)

    assert [profile.value for profile in catalogue] == ["0.020"]
    assert catalogue.names == {name, contract_name(cpu("web"))}
    assert (catalogue.ignored_count, catalogue.ignored_names(9)) == (1, [f"cpuprofiles/{name}"])
    catalogue.delete(ProfileKind.CPU, original)
    assert catalogue.ignored_count == 1
    assert catalogue.get(cpu("web")) is None
    assert notified == [cpu("web")] * 2


@pytest.mark.parametrize("by_list", [False, True])
@pytest.mark.parametrize("rule", [contract_name, separated_name])
def test_of_the_two_names_of_the_rules_the_older_object_counts(
    rule: Callable[[Identity], str | None], *, by_list: bool
) -> None:
    """A newcomer in a collision keeps its separated name after the other profile is gone.

    A copy under the other of the two names is younger and changes nothing. After the older object is deleted,
    the younger one counts.
    """
    older, younger = (
        (separated_name, contract_name) if rule is separated_name else (contract_name, separated_name)
    )
    objects = [
        cpu_profile("web", name=older(cpu("web")) or "", value="0.020"),
        cpu_profile(
            "web", name=younger(cpu("web")) or "", created_at="2026-03-02T00:00:00Z", value="999.000"
        ),
    ]
    catalogue = ProfileCatalogue()
    if by_list:
        catalogue.replace(ProfileKind.CPU, sorted(objects, key=lambda item: str(item["metadata"]["name"])))
    for manifest in [*objects, objects[0], objects[1]]:
        catalogue.upsert(ProfileKind.CPU, manifest)

    assert [profile.value for profile in catalogue] == ["0.020"]
    assert catalogue.ignored_names(9) == [f"cpuprofiles/{younger(cpu('web'))}"]
    catalogue.delete(ProfileKind.CPU, objects[0])
    assert [profile.value for profile in catalogue] == ["999.000"]
    assert (catalogue.ignored_count, catalogue.ignored_names(9)) == (0, [])
    catalogue.upsert(
        ProfileKind.CPU,
        objects[0] | {"metadata": objects[0]["metadata"] | {"creationTimestamp": "2026-03-03T00:00:00Z"}},
    )
    assert [profile.value for profile in catalogue] == ["999.000"]


def test_listeners_are_notified_of_every_changed_identity() -> None:
    """An addition and a deletion each notify the listeners."""
    catalogue, notified = ProfileCatalogue(), list[Identity]()
    catalogue.subscribe(notified.append)
    catalogue.upsert(ProfileKind.CPU, cpu_profile("web"))
    catalogue.delete(ProfileKind.CPU, cpu_profile("web"))

    assert notified == [cpu("web"), cpu("web")]


def test_needs_of_containers_are_kept_only_if_enabled() -> None:
    """By lists and watches; without containers, all profiles share one empty mapping."""
    status = {"confidence": "0.50", "containers": [{"name": "main", "value": "0.020", "samples": 12}]}
    with_containers, without = ProfileCatalogue(with_containers=True), ProfileCatalogue()
    for catalogue in (with_containers, without):
        catalogue.replace(ProfileKind.CPU, [cpu_profile("web") | {"status": status}])
        catalogue.upsert(ProfileKind.CPU, cpu_profile("api") | {"status": status})

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
    assert (catalogue.ignored_count, catalogue.ignored_names(0)) == (1, [])


def test_times_are_kept_only_if_enabled() -> None:
    """An index needs identity, name and value; only the decision on the next write needs times."""
    manifest = cpu_profile("web")
    manifest["spec"]["cpuProfiling"]["updateTime"] = "2026-03-01T12:00:00Z"
    catalogue = ProfileCatalogue(with_last_write=False)
    catalogue.replace(ProfileKind.CPU, [manifest])

    [kept] = catalogue
    assert (kept.name, kept.value) == (contract_name(cpu("web")), "0.020")
    assert (kept.updated_at, kept.status_refreshed_at, kept.window_end) == (None, None, None)
