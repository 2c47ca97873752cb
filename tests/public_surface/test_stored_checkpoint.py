"""A check-point of an older release is decoded correctly and encoded unchanged.

`making_stored` states its content. Day n of the history is day 19,999 + n since 1970; steps count from 1.
"""

import base64
import json
import struct
import zlib
from functools import cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.fake_api_server import FakeApiServer, answers
from tests.public_surface import making_stored, settled
from tests.public_surface.application import (
    Checkpoint,
    CheckpointMaps,
    decode,
    encode,
    key_of,
    open_cluster,
    range_of,
)
from tests.public_surface.making_stored import CONFIG_MAPS, DAY, MIB, PAST, STEPS_PER_DAY, STORED, WEB

APP, PROXY = ("shop/web", "app"), ("shop/web", "proxy")
MAIN, DATABASE = ("Job/shop/batch", "main"), ("StatefulSet/bank/db", "db")
PREFIX_BYTES = 38  # magic, version and digest
_NAMES_OF_DAY = ("keys", "counts", "maxima", "steps_seen")


def step(day: int, number: int) -> int:
    return (DAY + day - 1) * STEPS_PER_DAY + number


@cache
def manifest() -> dict[str, Any]:
    config_map: dict[str, Any] = yaml.safe_load((STORED / "checkpoint.yaml").read_text())
    return config_map


@cache
def stored() -> bytes:
    return base64.b64decode(manifest()["binaryData"]["checkpoint"])


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return decode(stored(), timeslots=4, retained_days=15)


def header() -> dict[str, Any]:
    """The header, decoded from the description of the format only."""
    body = zlib.decompress(stored()[PREFIX_BYTES:])
    (length,) = struct.unpack_from("<I", body)
    decoded: dict[str, Any] = json.loads(body[4 : 4 + length])
    return decoded


def recompressed(packed: bytes) -> bytes:
    """The content compressed by this machine's zlib, the output of which differs between releases."""
    body = zlib.compress(zlib.decompress(packed[PREFIX_BYTES:]))
    return packed[:6] + sha256(body).digest() + body


def test_a_decoded_check_point_is_encoded_to_the_same_bytes(checkpoint: Checkpoint) -> None:
    """An unchanged shard has the same bytes, so no release writes it again."""
    assert encode(checkpoint) == recompressed(stored())


def test_the_same_samples_still_make_the_same_check_point() -> None:
    """The same samples give the bytes of the release that stored the check-point."""
    assert making_stored.checkpoint_bytes() == recompressed(stored())


async def test_it_is_found_read_and_written_as_a_config_map(tmp_path: Path) -> None:
    """The ConfigMap is found by its label and read by its name; the written object equals the stored one."""
    metadata = manifest()["metadata"] | {"resourceVersion": "7"}
    async with FakeApiServer() as server:
        listing = {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": metadata}]}
        server.on("GET", CONFIG_MAPS, answers(listing))
        server.on("GET", f"{CONFIG_MAPS}/job-profiler-checkpoint-000000000000", answers(manifest()))
        async with open_cluster(server.kubeconfig(tmp_path)) as client:
            maps = CheckpointMaps(client, "profiling")
            assert await maps.versions() == {"000000000000": "7"}
            assert await maps.read("000000000000") == stored()
        assert server.requests[0].query["labelSelector"] == "job-profiler.liqo.io/checkpoint"

    assert await making_stored.checkpoint_config_map(stored(), tmp_path) == manifest()


def test_the_header_names_what_it_named() -> None:
    """The header is `JPCP`, version 1, and a document with these keys; series have a workload's index."""
    assert struct.unpack_from("<4sH", stored()) == (b"JPCP", 1)
    document = header()["document"]
    grids = document.pop("grids")
    assert grids == {
        "cpu": [0.0001, 1000.0, 1.05],
        "memory": [100_000.0, 10_000_000_000_000.0, 1.05],
    }
    assert document == {
        "first_key": 0,
        "last_key": 2**48 - 1,
        "included": ["bank", "shop"],
        "excluded": ["kube-system"],
        "timeslots": 4,
        "workloads": [["shop", "web", "Deployment"], ["shop", "batch", "Job"], ["bank", "db", "StatefulSet"]],
        "series": [[0, "app"], [0, "proxy"], [1, "main"], [2, "db"]],
        "runs": [[1, ["batch-a", "batch-b"]]],
        "newest_step": PAST.last,
        "edges": [[0, 2], [2, 0]],
        "sources": [0, 2],
    }


def test_the_arrays_have_the_names_that_they_had() -> None:
    """Arrays keep their names, even if an attribute of the program is renamed.

    Pressure is stored for days 2 to 4, and connections for the last 24 hours, which are on days 3 and 4.
    """
    days = range(DAY, DAY + 4)
    expected = []
    for resource in ("cpu", "memory"):
        expected += [f"{resource}/coverage/starts", *(f"{resource}/coverage/{day}" for day in days)]
        expected += [f"{resource}/{name}" for name in ("first_seen", "last_seen", "recent")]
        expected += [f"{resource}/{day}/{name}" for day in days for name in _NAMES_OF_DAY]
    for reason in ("CPUThrottling", "OOMKilled"):
        expected += [f"{reason}/coverage/starts", *(f"{reason}/coverage/{day}" for day in days[1:])]
        expected += [f"{reason}/seen_last", *(f"{reason}/{day}/parts" for day in days[1:])]
    expected += ["connections/coverage/starts", *(f"connections/coverage/{day}" for day in days[2:])]
    expected += [
        f"connections/{name}" for name in ("requests", "responses", "request_bytes", "response_bytes")
    ]
    expected += ["connections/scraped"]

    assert [name for name, *_ in header()["arrays"]] == expected


def test_the_arrays_have_the_types_that_they_had() -> None:
    """The dtype of each array, and whether differences are stored, by its last name; days are bits."""
    types = {(name.rpartition("/")[2], dtype, is_sorted) for name, dtype, _, is_sorted in header()["arrays"]}

    assert {entry for entry in types if not entry[0].isdigit()} == {
        ("counts", "<u4", False),
        ("first_seen", "<i8", False),
        ("keys", "<u8", True),
        ("last_seen", "<i8", False),
        ("maxima", "<f8", False),
        ("parts", "<i8", False),
        ("recent", "<u8", True),
        ("request_bytes", "<f4", False),
        ("requests", "<f4", False),
        ("response_bytes", "<f4", False),
        ("responses", "<f4", False),
        ("scraped", "|u1", False),
        ("seen_last", "<i8", False),
        ("starts", "<i8", False),
        ("steps_seen", "<u2", False),
    }
    assert {(dtype, is_sorted) for name, dtype, is_sorted in types if name.isdigit()} == {("|u1", False)}


def test_workloads_containers_runs_and_namespaces_come_out(checkpoint: Checkpoint) -> None:
    """There are three workloads with four containers, two runs of the Job, and both lists of namespaces."""
    assert settled.containers(checkpoint) == [APP, PROXY, MAIN, DATABASE]
    assert settled.runs(checkpoint) == {"Job/shop/batch": {"batch-a", "batch-b"}}
    assert settled.namespaces(checkpoint) == ({"bank", "shop"}, {"kube-system"})
    assert settled.range_and_newest(checkpoint) == (0, 2**48 - 1, step(4, 100))


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_samples_and_steps_of_each_day_come_out(checkpoint: Checkpoint, resource: str) -> None:
    """Container app has two Pods: 576 samples in 288 steps per day, and 200 in the 100 steps of day 4.

    proxy has one Pod; main ran for 24 steps on days 1 and 2; db lacks 12 steps of day 3.
    """
    days = settled.usage(checkpoint, resource)

    assert {day - DAY + 1: usage["samples"] for day, usage in days.items()} == {
        1: {APP: 576, PROXY: 288, MAIN: 24, DATABASE: 288},
        2: {APP: 576, PROXY: 288, MAIN: 24, DATABASE: 288},
        3: {APP: 576, PROXY: 288, MAIN: 0, DATABASE: 276},
        4: {APP: 200, PROXY: 100, MAIN: 0, DATABASE: 100},
    }
    assert {day - DAY + 1: usage["steps"] for day, usage in days.items()} == {
        1: {APP: 288, PROXY: 288, MAIN: 24, DATABASE: 288},
        2: {APP: 288, PROXY: 288, MAIN: 24, DATABASE: 288},
        3: {APP: 288, PROXY: 288, MAIN: 0, DATABASE: 276},
        4: {APP: 100, PROXY: 100, MAIN: 0, DATABASE: 100},
    }


def test_maxima_of_each_slot_come_out(checkpoint: Checkpoint) -> None:
    """A slot has 72 steps: step 150 of day 2 is in the third one, main's 24 steps are in the first.

    The 100 steps of day 4 extend into the second slot.
    """
    cpu, memory = settled.usage(checkpoint, "cpu"), settled.usage(checkpoint, "memory")

    assert cpu[DAY + 1]["maxima"] == {
        APP: [0.5, 0.5, 2.0, 0.5],
        PROXY: [0.01] * 4,
        MAIN: [1.0, 0, 0, 0],
        DATABASE: [0.125] * 4,
    }
    assert cpu[DAY + 3]["maxima"] == {
        APP: [0.5, 0.5, 0, 0],
        PROXY: [0.01, 0.01, 0, 0],
        MAIN: [0.0] * 4,
        DATABASE: [0.125, 0.125, 0, 0],
    }
    assert memory[DAY + 1]["maxima"] == {
        APP: [256 * MIB, 256 * MIB, 300 * MIB, 256 * MIB],
        PROXY: [32 * MIB] * 4,
        MAIN: [64 * MIB, 0, 0, 0],
        DATABASE: [1024 * MIB] * 4,
    }


def test_histograms_come_out(checkpoint: Checkpoint) -> None:
    """In day 2's third slot app has 72 samples at 0.25, 71 at 0.5, 1 at 2.0; 143 at 256 MiB, 1 at 300."""
    assert settled.histogram(checkpoint, "cpu", DAY + 1)[APP, 2] == [72, 71, 1]
    assert settled.histogram(checkpoint, "cpu", DAY + 1)[MAIN, 0] == [24]
    assert settled.histogram(checkpoint, "memory", DAY + 1)[APP, 2] == [143, 1]


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_first_and_last_steps_come_out(checkpoint: Checkpoint, resource: str) -> None:
    """The last run of main covers the 24 steps up to step 24 of day 2; all other containers still run."""
    assert settled.seen(checkpoint, resource) == {
        APP: (step(1, 1), step(4, 100), 64),
        PROXY: (step(1, 1), step(4, 100), 64),
        MAIN: (step(1, 1), step(2, 24), 24),
        DATABASE: (step(1, 1), step(4, 100), 64),
    }


def test_pressure_comes_out(checkpoint: Checkpoint) -> None:
    """Ten steps with half of the periods throttled are 50,000 ten-thousandths; an OOM kill is 10,000."""
    shares, last_seen = settled.pressure(checkpoint, "CPUThrottling")
    assert (shares, last_seen) == ({DAY + 2: {APP: 50_000}}, {APP: step(3, 19)})
    assert settled.pressure(checkpoint, "OOMKilled") == (
        {DAY + 3: {DATABASE: 10_000}},
        {DATABASE: step(4, 50)},
    )


def test_covered_steps_are_not_queried_again(checkpoint: Checkpoint) -> None:
    """CPU, memory and connections lack no step; pressure is not stored for day 1."""
    day_1 = [type(PAST)(step(1, 1), step(1, 288))]

    assert settled.missing(checkpoint, PAST) == [[], [], *[day_1] * 4, []]


def test_edges_with_their_rates_come_out(checkpoint: Checkpoint) -> None:
    """Edge web → db: 2 requests per second are 120 per minute, with 128 and 512 bytes per second.

    db → web: 144 steps with 1/16 per second of 188 steps with scrapes of db: 144 / 16 * 60 / 188 per minute.
    """
    few = pytest.approx(144 / 16 * 60 / 188)

    assert settled.edges(checkpoint) == {
        "shop/web → StatefulSet/bank/db": (120.0, 120.0, 128.0, 512.0, 288),
        "StatefulSet/bank/db → shop/web": (few, few, None, None, 188),
    }


def test_shards_have_the_same_key_ranges() -> None:
    """A shard's name is its first key: four bytes of a hash of the namespace, two of `kind/name`.

    With other keys every stored shard but the first would contain workloads of other shards.
    """
    namespace, workload = blake2b(b"shop", digest_size=4), blake2b(b"Deployment/web", digest_size=2)
    first = int(namespace.hexdigest() + "0000", 16)

    assert (range_of("shop").first, range_of("shop").last) == (first, first + 0xFFFF)
    assert f"{key_of(WEB):012x}" == namespace.hexdigest() + workload.hexdigest()
