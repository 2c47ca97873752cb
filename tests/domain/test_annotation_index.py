"""The annotation index stays in sync with the catalogue."""

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, from_manifest
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Identity, ProfileKind
from app.domain.reporters import Reporters
from app.domain.workloads import Workload
from tests.webhook.profiles import (
    EMOJI,
    VOTE_BOT,
    VOTE_BOT_TO_WEB,
    VOTING,
    WEB,
    WEB_ANNOTATIONS,
    WEB_CPU,
    WEB_TO_EMOJI,
    WEB_TO_VOTING,
    connection,
    cpu,
    kind_of,
    memory,
    name_of,
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
    """With room for one, `voting` takes the place of `emoji` when it grows from 20 to 40 a minute."""
    catalogue = synced_catalogue(connection(WEB, EMOJI, "30.00"), connection(WEB, VOTING, "20.00"))
    index = index_on(catalogue, max_connections=1)
    before = index.annotations(WEB)
    catalogue.upsert(ProfileKind.CONNECTION, connection(WEB, VOTING, "40.00"))

    assert (before, index.annotations(WEB)) == ({FIRST: WEB_TO_EMOJI}, {FIRST: WEB_TO_VOTING})


def test_rates_are_compared_as_numbers() -> None:
    """9.50 is less than 10.00, though not as text."""
    catalogue = synced_catalogue(connection(WEB, EMOJI, "9.50"), connection(WEB, VOTING, "10.00"))

    assert index_on(catalogue, max_connections=1).annotations(WEB) == {FIRST: WEB_TO_VOTING}


def test_among_equal_rates_the_first_by_name_is_kept() -> None:
    """The choice is the same on every replica and after every restart: b2d1… is before fc09…."""
    catalogue = synced_catalogue(connection(WEB, EMOJI, "5.00"), connection(WEB, VOTING, "5.00"))

    assert index_on(catalogue, max_connections=1).annotations(WEB) == {FIRST: WEB_TO_VOTING}


@pytest.mark.parametrize("wrong", ["nan", "many", "", "inf", "-inf"])
def test_what_is_no_rate_counts_as_the_smallest(wrong: str) -> None:
    """Of four connections, of which two have a value that is not a finite number, the other two are chosen.

    The order of the names does not matter. NaN has no order, so it must not take part in a sort.
    """
    peers = [Workload("shop", f"peer-{number}") for number in range(4)]
    values = (wrong, "2.00", wrong, "1.00")
    for ordered in (peers, peers[::-1]):
        manifests = [connection(WEB, peer, value) for peer, value in zip(ordered, values, strict=True)]
        catalogue = synced_catalogue(*manifests)
        expected = sorted((name_of(manifests[1]), name_of(manifests[3])))

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
    index = index_on(synced_catalogue(connection(VOTE_BOT, WEB)))

    assert index.annotations(VOTE_BOT) == index.annotations(WEB) == {FIRST: VOTE_BOT_TO_WEB}


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
    itself = connection(WEB, WEB)
    catalogue = synced_catalogue(itself)
    index = index_on(catalogue)
    assert index.annotations(WEB) == {FIRST: name_of(itself)}
    catalogue.delete(ProfileKind.CONNECTION, itself)

    assert (index.annotations(WEB), len(index)) == ({}, 0)


def test_workloads_of_one_name_are_kept_apart() -> None:
    """By namespace, and by kind."""
    index = index_on(synced_catalogue(cpu(WEB)))

    assert index.annotations(Workload("shop", "web")) == {}
    assert index.annotations(Workload("emojivoto", "web", "StatefulSet")) == {}


def claimed(count: int) -> list[dict[str, Any]]:
    """Connections to `web` that as many workloads of another namespace declare, at a huge rate."""
    return [connection(Workload("evil", f"e{number:02d}"), WEB, "99999.00") for number in range(count)]


def names_of(manifests: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of these objects."""
    return {name_of(manifest) for manifest in manifests}


def listed(index: AnnotationIndex, workload: Workload = WEB) -> set[str]:
    """The profiles in the annotations of a workload's Pods."""
    return set(index.annotations(workload).values())


def test_connections_of_others_never_push_off_a_workloads_own() -> None:
    """70 forged sources in one namespace, at a higher rate: the four that emojivoto reports stay, then 60.

    emojivoto's own are web's two calls, the one of vote-bot in the same namespace, and one of `shop` that the
    proxy of web reports as well.
    """
    own = [
        connection(WEB, VOTING, "20.00"),
        connection(WEB, EMOJI, "60.00"),
        connection(VOTE_BOT, WEB, "0.01"),
        connection(Workload("shop", "cart"), WEB, "0.01", reporters=Reporters.BOTH),
    ]

    names = listed(index_on(synced_catalogue(*claimed(70), *own)))

    assert names_of(own) < names
    assert len(names) == 64


def test_namespaces_take_turns_for_the_places_that_are_left() -> None:
    """Room for three beside one own: 70 of `evil` leave one to `shop` and one to `crm`, at lower rates."""
    others = [
        connection(Workload("shop", "cart"), WEB, "1.00"),
        connection(Workload("crm", "sync"), WEB, "1.00"),
    ]
    own, evil = connection(WEB, EMOJI, "1.00"), claimed(70)

    names = listed(index_on(synced_catalogue(*evil, *others, own), max_connections=4))

    assert names - names_of(evil) == names_of([own, *others])
    assert len(names) == 4


def test_what_only_a_server_claims_is_not_the_clients_own() -> None:
    """Servers of `evil` claim calls by web: one place, and web's own call stays."""
    claims = [
        connection(WEB, Workload("evil", f"e{number}"), "99.00", reporters=Reporters.DESTINATION)
        for number in range(3)
    ]
    own = connection(WEB, EMOJI, "1.00")

    names = listed(index_on(synced_catalogue(*claims, own), max_connections=2))

    assert name_of(own) in names
    assert len(names & names_of(claims)) == 1
    assert listed(index_on(synced_catalogue(*claims, own)), Workload("evil", "e1")) == {name_of(claims[1])}


def test_while_there_is_room_all_are_listed() -> None:
    """60 of others and one own, room for 64."""
    own = connection(WEB, EMOJI, "1.00")

    assert len(listed(index_on(synced_catalogue(*claimed(60), own)))) == 61


WORKLOADS = [Workload("shop", name, kind) for name in "abc" for kind in ("Deployment", "StatefulSet")]
WORKLOAD = st.sampled_from(WORKLOADS)
# The two names of the rules, a copy's own name, and the name of another workload's profile.
NAME = st.sampled_from(
    [contract_name, separated_name, lambda _: "copy", lambda _: name_of(cpu(WORKLOADS[0]))]
)
RATE = st.sampled_from(["1.00", "2.00", "10.00", "nonsense"])


def named(manifest: dict[str, Any], name: Callable[[Identity], str | None]) -> dict[str, Any]:
    """The manifest under one of its names."""
    profile = from_manifest(kind_of(manifest), manifest)
    assert profile
    return manifest | {"metadata": manifest["metadata"] | {"name": name(profile.identity) or "none"}}


CLOCK = count()
STORED = st.builds(
    named,
    st.one_of(
        st.builds(cpu, WORKLOAD),
        st.builds(memory, WORKLOAD),
        st.builds(connection, WORKLOAD, WORKLOAD, RATE),
    ),
    NAME,
)
CHANGE = st.tuples(st.sampled_from(["upsert", "upsert", "delete", "replace"]), STORED, st.lists(STORED))
Objects = dict[tuple[ProfileKind, str], Mapping[str, Any]]


def change(
    catalogue: ProfileCatalogue, objects: Objects, verb: str, manifest: Any, manifests: list[Any]
) -> None:
    """Apply one change to the catalogue and to a plain dictionary of the stored objects.

    Each new object has a later time of creation than the ones before it.
    """
    resource = kind_of(manifest)

    def stored(item: Mapping[str, Any]) -> Mapping[str, Any]:
        before = objects.get(_key(item), {"metadata": {}})["metadata"].get("creationTimestamp")
        created = before or f"2026-03-01T00:{next(CLOCK):09}Z"
        return {**item, "metadata": item["metadata"] | {"creationTimestamp": created}}

    if verb == "replace":
        listed = {_key(item): stored(item) for item in manifests if kind_of(item) == resource}
        for key in [key for key in objects if key[0] == resource]:
            del objects[key]
        objects |= listed
        catalogue.replace(resource, list(listed.values()))
    elif verb == "upsert":
        objects[_key(manifest)] = manifest = stored(manifest)
        catalogue.upsert(resource, manifest)
    else:
        objects.pop(_key(manifest), None)
        catalogue.delete(resource, manifest)


def _key(manifest: Mapping[str, Any]) -> tuple[ProfileKind, str]:
    return kind_of(manifest), manifest["metadata"]["name"]


@settings(max_examples=300)
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


def test_a_workloads_own_calls_come_first() -> None:
    """Room for two: both calls of web stay beside a caller of its namespace with a thousand times more."""
    calls = [connection(WEB, EMOJI, "1.00"), connection(WEB, VOTING, "2.00")]
    caller = connection(VOTE_BOT, WEB, "2000.00")

    names = listed(index_on(synced_catalogue(caller, *calls), max_connections=2))

    assert names == names_of(calls)


def test_the_larger_share_of_messages_and_bytes_counts() -> None:
    """Of 100 messages and 1,000 bytes: `db` has 90 % of the bytes and none of the messages, and is first.

    Then `emoji` with 60 % of the messages, then `voting` with 39 %; `cache` has 1 % of the messages and 10 %
    of the bytes.
    """
    db, cache = Workload("shop", "db"), Workload("shop", "cache")
    ordered = [
        connection(WEB, db, "0.00", bytes_sent=900),
        connection(WEB, EMOJI, "60.00"),
        connection(WEB, VOTING, "39.00"),
        connection(WEB, cache, "1.00", bytes_sent=100),
    ]
    for room in (1, 2, 3):
        names = listed(index_on(synced_catalogue(*reversed(ordered)), max_connections=room))

        assert names == names_of(ordered[:room])


def test_a_claim_of_others_changes_no_share_of_ones_own() -> None:
    """`evil` claims a huge rate: 30 of web's own 40 messages still go before 60 % of its bytes.

    With the claim among the messages, each of web's own would have a share of nearly none.
    """
    own = [connection(WEB, EMOJI, "30.00", bytes_sent=400), connection(WEB, VOTING, "10.00", bytes_sent=600)]

    names = listed(index_on(synced_catalogue(*claimed(3), *own), max_connections=1))

    assert names == names_of(own[:1])
