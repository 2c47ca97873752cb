"""The annotation index stays in sync with the catalogue."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.domain.workloads import Workload
from tests.webhook.profiles import (
    EMOJI,
    VOTE_BOT,
    VOTING,
    WEB,
    WEB_ANNOTATIONS,
    WEB_CPU,
    connection,
    cpu,
    kind_of,
    memory,
    synced_catalogue,
    web_profiles,
)

FIRST = "liqo.io/connectionProfile0"


def index_on(catalogue: ProfileCatalogue, max_connections: int = 64) -> AnnotationIndex:
    return AnnotationIndex(catalogue, max_connections=max_connections)


def test_profiles_stored_before_and_after_the_index_was_built() -> None:
    """The same five profiles, listed at once or added one by one, give `web` the same annotations."""
    catalogue = synced_catalogue()
    follower = index_on(catalogue)
    assert follower.annotations(WEB) == {}
    for manifest in web_profiles():
        catalogue.upsert(kind_of(manifest), manifest)

    assert follower.annotations(WEB) == WEB_ANNOTATIONS
    assert index_on(synced_catalogue(*web_profiles())).annotations(WEB) == WEB_ANNOTATIONS


def test_it_is_synced_when_all_kinds_were_listed() -> None:
    """Two lists of three are not enough: the third may hold the profile that is looked up."""
    catalogue = ProfileCatalogue()
    index = index_on(catalogue)
    for resource in KINDS:
        assert not index.is_synced
        catalogue.replace(resource, [])

    assert index.is_synced


def test_a_value_that_changes_changes_which_connections_are_the_largest() -> None:
    """With room for one, `b` takes the place of `a` when it grows from 20 to 40 a minute, 30 staying."""
    catalogue = synced_catalogue(
        connection(WEB, EMOJI, "30.00", name="a"), connection(WEB, VOTING, "20.00", name="b")
    )
    index = index_on(catalogue, max_connections=1)
    before = index.annotations(WEB)
    catalogue.upsert(ProfileKind.CONNECTION, connection(WEB, VOTING, "40.00", name="b"))

    assert (before, index.annotations(WEB)) == ({FIRST: "a"}, {FIRST: "b"})


def test_rates_are_compared_as_numbers() -> None:
    """9.50 is less than 10.00, though not as text."""
    catalogue = synced_catalogue(
        connection(WEB, EMOJI, "9.50", name="nine"), connection(WEB, VOTING, "10.00", name="ten")
    )

    assert index_on(catalogue, max_connections=1).annotations(WEB) == {FIRST: "ten"}


def test_among_equal_rates_the_first_by_name_is_kept() -> None:
    """The choice is the same on every replica and after every restart."""
    catalogue = synced_catalogue(
        connection(WEB, EMOJI, "5.00", name="b"), connection(WEB, VOTING, "5.00", name="a")
    )

    assert index_on(catalogue, max_connections=1).annotations(WEB) == {FIRST: "a"}


@pytest.mark.parametrize("wrong", ["nan", "many", "", "inf", "-inf"])
def test_what_is_no_rate_counts_as_the_smallest(wrong: str) -> None:
    """Of four connections, of which two have a value that is not a finite number, the other two are chosen.

    The order of the names does not matter. NaN has no order, so it must not take part in a sort.
    """
    peers = [Workload("shop", f"peer-{number}") for number in range(4)]
    values = (wrong, "2.00", wrong, "1.00")
    for names in ("abcd", "dcba"):
        catalogue = synced_catalogue(
            *(
                connection(WEB, peer, value, name=name)
                for peer, value, name in zip(peers, values, names, strict=True)
            )
        )
        expected = sorted((names[1], names[3]))

        assert list(index_on(catalogue, max_connections=2).annotations(WEB).values()) == expected


def test_a_deleted_profile_leaves_no_annotation_and_the_last_one_no_entry() -> None:
    """The profiles are deleted one by one, until the index has no entry for `web` or its three peers."""
    catalogue = synced_catalogue(*web_profiles())
    index = index_on(catalogue)
    assert index.annotations(WEB)["liqo.io/cpuProfile"] == WEB_CPU
    catalogue.delete(ProfileKind.CPU, cpu(WEB))
    assert index.annotations(WEB).keys() == WEB_ANNOTATIONS.keys() - {"liqo.io/cpuProfile"}
    catalogue.delete(ProfileKind.CONNECTION, connection(WEB, VOTING))
    assert [key for key in index.annotations(WEB) if "connection" in key] == [
        FIRST,
        "liqo.io/connectionProfile1",
    ]
    for manifest in web_profiles():
        catalogue.delete(kind_of(manifest), manifest)

    assert (index.annotations(WEB), len(index)) == ({}, 0)


def test_both_ends_of_a_connection_are_annotated() -> None:
    """vote-bot → web is on Pods of the client and of the server."""
    index = index_on(synced_catalogue(connection(VOTE_BOT, WEB, name="edge")))

    assert index.annotations(VOTE_BOT) == index.annotations(WEB) == {FIRST: "edge"}


@pytest.mark.parametrize(
    ("stored", "workload"),
    [
        (WEB, WEB),
        (Workload("shop", "report", "CronJob"), Workload("shop", "report-29000000", "Job")),
        (Workload("shop", "report-29000000", "Job"), Workload("shop", "report-29000000", "Job")),
        (Workload("shop", "build", "Job"), Workload("shop", "build-7w4ct", "Job")),
    ],
    ids=str,
)
def test_the_workload_whose_profiles_a_pod_has(stored: Workload, workload: Workload) -> None:
    """Its own, or those of its CronJob or run group; none if nothing is stored."""
    assert index_on(synced_catalogue(cpu(stored))).profiled(workload) == stored
    assert index_on(synced_catalogue()).profiled(workload) is None


def test_a_workload_that_calls_itself_carries_the_connection_once() -> None:
    """Source and destination are one workload; the profile's deletion removes its entry."""
    catalogue = synced_catalogue(connection(WEB, WEB, name="self"))
    index = index_on(catalogue)
    assert index.annotations(WEB) == {FIRST: "self"}
    catalogue.delete(ProfileKind.CONNECTION, connection(WEB, WEB, name="self"))

    assert (index.annotations(WEB), len(index)) == ({}, 0)


def test_workloads_of_one_name_are_kept_apart() -> None:
    """By namespace, and by kind."""
    index = index_on(synced_catalogue(cpu(WEB)))

    assert index.annotations(Workload("shop", "web")) == {}
    assert index.annotations(Workload("emojivoto", "web", "StatefulSet")) == {}


WORKLOADS = [Workload("shop", name, kind) for name in "abc" for kind in ("Deployment", "StatefulSet")]
WORKLOAD = st.sampled_from(WORKLOADS)
# Few names, so that objects change identity, are copied and share an identity.
NAME = st.sampled_from(["one", "two", "three", "four"])
RATE = st.sampled_from(["1.00", "2.00", "10.00", "nonsense"])
STORED = st.one_of(
    st.builds(lambda workload, name: cpu(workload, name=name), WORKLOAD, NAME),
    st.builds(lambda workload, name: memory(workload, name=name), WORKLOAD, NAME),
    st.builds(
        lambda source, destination, rate, name: connection(source, destination, rate, name=name),
        *(WORKLOAD, WORKLOAD, RATE, NAME),
    ),
)
CHANGE = st.tuples(st.sampled_from(["upsert", "upsert", "delete", "replace"]), STORED, st.lists(STORED))
Objects = dict[tuple[ProfileKind, str], Mapping[str, Any]]


def change(
    catalogue: ProfileCatalogue, objects: Objects, verb: str, manifest: Any, manifests: list[Any]
) -> None:
    """Apply one change to the catalogue and to a plain dictionary of the stored objects."""
    resource = kind_of(manifest)
    if verb == "replace":
        listed = {_key(item): item for item in manifests if kind_of(item) == resource}
        for key in [key for key in objects if key[0] == resource]:
            del objects[key]
        objects |= listed
        catalogue.replace(resource, list(listed.values()))
    elif verb == "upsert":
        objects[_key(manifest)] = manifest
        catalogue.upsert(resource, manifest)
    else:
        objects.pop(_key(manifest), None)
        catalogue.delete(resource, manifest)


def _key(manifest: Mapping[str, Any]) -> tuple[ProfileKind, str]:
    return kind_of(manifest), manifest["metadata"]["name"]


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(CHANGE, max_size=12), workload=WORKLOAD)
def test_after_any_changes_it_equals_an_index_built_from_what_is_stored(
    changes: list[tuple[str, Any, list[Any]]], workload: Workload
) -> None:
    """After lists, changes and deletions in any order, with lookups in between, it equals a new index.

    No unused entry remains.
    """
    catalogue, objects = synced_catalogue(), Objects()
    follower = index_on(catalogue, max_connections=2)
    for verb, manifest, manifests in changes:
        change(catalogue, objects, verb, manifest, manifests)
        follower.annotations(workload)
    fresh = index_on(synced_catalogue(*objects.values()), max_connections=2)

    assert {each: follower.annotations(each) for each in WORKLOADS} == {
        each: fresh.annotations(each) for each in WORKLOADS
    }
    assert len(follower) == len(fresh)
