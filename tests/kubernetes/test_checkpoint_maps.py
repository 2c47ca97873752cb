"""Check-points as ConfigMaps: the requests to write them, and what reads return."""

import base64

import pytest

from app.errors import ConflictError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses, thing

MAPS = paths.config_maps("profiling")
OWNER = paths.config_map("profiling", "job-profiler-status")
ONE = paths.config_map("profiling", "job-profiler-checkpoint-0000000000ab")
DATA = b"JPCP\x00\xff"


def owner(uid: str = "u1") -> object:
    return {"metadata": {"name": "job-profiler-status", "uid": uid}}


async def test_check_points_are_listed_by_label(server: FakeApiServer, client: ClusterClient) -> None:
    """Only metadata is listed, since all check-points together are large."""
    other = thing("of-another-program", "3")
    server.on("GET", MAPS, listed(thing("job-profiler-checkpoint-0000000000ab", "7"), other))

    assert await CheckpointMaps(client, "profiling").versions() == {"0000000000ab": "7"}
    [request] = server.requests
    assert request.query["labelSelector"] == "job-profiler.liqo.io/checkpoint"
    assert "PartialObjectMetadataList" in request.headers["Accept"]


async def test_labelled_maps_with_other_names_are_ignored(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """A copy that a user made, and a name without a key, are neither read nor written."""
    copies = [thing(f"job-profiler-checkpoint-{name}", "1") for name in ("backup", "0000000000ab-old", "ab")]
    server.on("GET", MAPS, listed(*copies))

    assert await CheckpointMaps(client, "profiling").versions() == {}


async def test_a_new_check_point_is_created(server: FakeApiServer, client: ClusterClient) -> None:
    """It has the label, and the status map as its owner, so that it is deleted with the release."""
    server.on("GET", OWNER, answers(owner()))
    server.on("POST", MAPS, answers(thing("job-profiler-checkpoint-0000000000ab", "8"), 201))

    assert await CheckpointMaps(client, "profiling").write("0000000000ab", DATA, None) == "8"
    sent = server.requests[-1].json
    assert sent["metadata"]["labels"]["job-profiler.liqo.io/checkpoint"] == "true"
    assert sent["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "job-profiler-status", "uid": "u1"}
    ]
    assert base64.b64decode(sent["binaryData"]["checkpoint"]) == DATA


async def test_a_check_point_is_replaced_in_its_version(server: FakeApiServer, client: ClusterClient) -> None:
    """A write contains the known resourceVersion; the API server refuses an outdated one."""
    server.on("GET", OWNER, answers(owner()))
    server.on("PUT", ONE, answers(thing("x", "9")), refuses(409))
    maps = CheckpointMaps(client, "profiling")

    assert await maps.write("0000000000ab", DATA, "8") == "9"
    assert server.requests[-1].json["metadata"]["resourceVersion"] == "8"
    with pytest.raises(ConflictError):
        await maps.write("0000000000ab", DATA, "8")
    assert [request.path for request in server.requests] == [OWNER, ONE] * 2


async def test_a_check_point_belongs_to_the_present_status(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """The status was created again: garbage collection would delete what belongs to the old one."""
    server.on("GET", OWNER, answers(owner()), answers(owner("u2")))
    server.on("PUT", ONE, answers(thing("x", "9")))
    maps = CheckpointMaps(client, "profiling")

    for version in ("8", "9"):
        await maps.write("0000000000ab", DATA, version)

    uids = [
        request.json["metadata"]["ownerReferences"][0]["uid"]
        for request in server.requests
        if request.path == ONE
    ]
    assert uids == ["u1", "u2"]


async def test_a_check_point_is_removed_in_its_version(server: FakeApiServer, client: ClusterClient) -> None:
    """The resourceVersion is a precondition; a check-point that does not exist is no error."""
    server.on("DELETE", ONE, answers({}), refuses(404), refuses(409))
    maps = CheckpointMaps(client, "profiling")

    await maps.remove("0000000000ab", "8")
    await maps.remove("0000000000ab", "8")
    with pytest.raises(ConflictError):
        await maps.remove("0000000000ab", "8")
    assert server.requests[0].json["preconditions"] == {"resourceVersion": "8"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"binaryData": {"checkpoint": base64.b64encode(DATA).decode()}}, DATA),
        ({"binaryData": {"checkpoint": "no base64!"}}, b""),
        ({"binaryData": {"other": "AAAA"}}, b""),
        ({"binaryData": None}, b""),
        ({}, b""),
    ],
    ids=["ours", "no base64", "other key", "null", "none"],
)
async def test_content_of_a_check_point(
    server: FakeApiServer, client: ClusterClient, data: dict[str, object], expected: bytes
) -> None:
    """The decoded content; empty if another writer replaced it."""
    server.on("GET", ONE, answers(thing("x") | data))

    assert await CheckpointMaps(client, "profiling").read("0000000000ab") == expected


async def test_a_missing_check_point(server: FakeApiServer, client: ClusterClient) -> None:
    """None if the check-point was deleted between the list and the read."""
    assert await CheckpointMaps(client, "profiling").read("0000000000ab") is None


async def test_without_a_status_map_nothing_is_stored(server: FakeApiServer, client: ClusterClient) -> None:
    """The error names the status map of the chart, and no check-point is created without an owner."""
    with pytest.raises(NotFoundError, match=r"ConfigMap profiling/job-profiler-status is missing.*chart"):
        await CheckpointMaps(client, "profiling").write("0000000000ab", DATA, None)
    assert server.received("POST") == []
