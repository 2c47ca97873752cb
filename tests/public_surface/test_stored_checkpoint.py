"""A check-point that an older release stored is read as it was meant, and stored again as it was.

How it was made stands in `making_stored`. Day n of the past is the day 19,999 + n since 1970, and its steps
are counted from 1.
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
    found: dict[str, Any] = yaml.safe_load((STORED / "checkpoint.yaml").read_text())
    return found


@cache
def stored() -> bytes:
    return base64.b64decode(manifest()["binaryData"]["checkpoint"])


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return decode(stored(), timeslots=4, retained_days=15)


def header() -> dict[str, Any]:
    """The header, read by the format's description alone."""
    body = zlib.decompress(stored()[PREFIX_BYTES:])
    (length,) = struct.unpack_from("<I", body)
    found: dict[str, Any] = json.loads(body[4 : 4 + length])
    return found


def packed_here(packed: bytes) -> bytes:
    """The same content as this machine's zlib compresses it: the bytes may differ between its releases."""
    body = zlib.compress(zlib.decompress(packed[PREFIX_BYTES:]))
    return packed[:6] + sha256(body).digest() + body


def test_what_is_decoded_is_encoded_to_the_same_bytes(checkpoint: Checkpoint) -> None:
    """A piece that did not change is not written again, in this release and in the next."""
    assert encode(checkpoint) == packed_here(stored())


def test_the_same_samples_still_make_the_same_check_point() -> None:
    """Folding, numbering and packing are those of the release that stored it."""
    assert making_stored.checkpoint_bytes() == packed_here(stored())


async def test_it_is_found_read_and_written_as_a_config_map(tmp_path: Path) -> None:
    """By its label, under its name, from its key; and what is written is the whole object that was stored."""
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
    """`JPCP`, version 1, and a document of these keys; workloads are numbered as the series name them."""
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
    """A file of yesterday holds these names: an attribute that is renamed must not rename them.

    Signs are remembered for days 2 to 4, and connections for the last 24 hours, which are of days 3 and 4.
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
    """By the last part of their names: dtype, and whether only differences are stored; days are bits."""
    found = {(name.rpartition("/")[2], dtype, is_sorted) for name, dtype, _, is_sorted in header()["arrays"]}

    assert {each for each in found if not each[0].isdigit()} == {
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
    assert {(dtype, is_sorted) for name, dtype, is_sorted in found if name.isdigit()} == {("|u1", False)}


def test_workloads_containers_runs_and_namespaces_come_out(checkpoint: Checkpoint) -> None:
    """Three workloads with four containers, two runs of the Job, and both lists of namespaces."""
    assert settled.containers(checkpoint) == [APP, PROXY, MAIN, DATABASE]
    assert settled.runs(checkpoint) == {"Job/shop/batch": {"batch-a", "batch-b"}}
    assert settled.namespaces(checkpoint) == ({"bank", "shop"}, {"kube-system"})
    assert settled.range_and_newest(checkpoint) == (0, 2**48 - 1, step(4, 100))


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_samples_and_steps_of_each_day_come_out(checkpoint: Checkpoint, resource: str) -> None:
    """App has two Pods, so 576 samples in 288 steps a day, and 200 in the 100 steps of day 4.

    proxy has one; main ran 24 steps on days 1 and 2; db lacks 12 of day 3.
    """
    days = settled.usage(checkpoint, resource)

    assert {day - DAY + 1: found["samples"] for day, found in days.items()} == {
        1: {APP: 576, PROXY: 288, MAIN: 24, DATABASE: 288},
        2: {APP: 576, PROXY: 288, MAIN: 24, DATABASE: 288},
        3: {APP: 576, PROXY: 288, MAIN: 0, DATABASE: 276},
        4: {APP: 200, PROXY: 100, MAIN: 0, DATABASE: 100},
    }
    assert {day - DAY + 1: found["steps"] for day, found in days.items()} == {
        1: {APP: 288, PROXY: 288, MAIN: 24, DATABASE: 288},
        2: {APP: 288, PROXY: 288, MAIN: 24, DATABASE: 288},
        3: {APP: 288, PROXY: 288, MAIN: 0, DATABASE: 276},
        4: {APP: 100, PROXY: 100, MAIN: 0, DATABASE: 100},
    }


def test_maxima_of_each_slot_come_out(checkpoint: Checkpoint) -> None:
    """A slot is 72 steps. Step 150 of day 2 is in the third one; main's 24 steps are in the first.

    The 100 steps of day 4 reach into the second slot.
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
    """Day 2's third slot: of app 72 samples at 0.25, 71 at 0.5 and one at 2.0; 143 at 256 MiB, one at 300."""
    assert settled.histogram(checkpoint, "cpu", DAY + 1)[APP, 2] == [72, 71, 1]
    assert settled.histogram(checkpoint, "cpu", DAY + 1)[MAIN, 0] == [24]
    assert settled.histogram(checkpoint, "memory", DAY + 1)[APP, 2] == [143, 1]


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_first_and_last_steps_come_out(checkpoint: Checkpoint, resource: str) -> None:
    """Main's last run ended with step 24 of day 2, the only ones of the 64 before it; all others go on."""
    assert settled.seen(checkpoint, resource) == {
        APP: (step(1, 1), step(4, 100), 64),
        PROXY: (step(1, 1), step(4, 100), 64),
        MAIN: (step(1, 1), step(2, 24), 24),
        DATABASE: (step(1, 1), step(4, 100), 64),
    }


def test_signs_of_need_come_out(checkpoint: Checkpoint) -> None:
    """Ten steps of half of the periods are 50,000 ten-thousandths; a kill is 10,000."""
    shares, last_seen = settled.pressure(checkpoint, "CPUThrottling")
    assert (shares, last_seen) == ({DAY + 2: {APP: 50_000}}, {APP: step(3, 19)})
    assert settled.pressure(checkpoint, "OOMKilled") == (
        {DAY + 3: {DATABASE: 10_000}},
        {DATABASE: step(4, 50)},
    )


def test_the_steps_that_were_answered_are_not_asked_again(checkpoint: Checkpoint) -> None:
    """CPU, memory and connections lack nothing; signs are not remembered of day 1."""
    day_1 = [type(PAST)(step(1, 1), step(1, 288))]

    assert settled.missing(checkpoint, PAST) == [[], [], day_1, day_1, []]


def test_edges_with_their_rates_come_out(checkpoint: Checkpoint) -> None:
    """Web to db: 2 a second are 120 a minute, 128 and 512 bytes a second.

    db to web: 144 steps of 1/16 a second, over the 188 in which db was scraped: 144 / 16 * 60 / 188 a minute.
    """
    few = pytest.approx(144 / 16 * 60 / 188)

    assert settled.edges(checkpoint) == {
        "shop/web → StatefulSet/bank/db": (120.0, 120.0, 128.0, 512.0, 288),
        "StatefulSet/bank/db → shop/web": (few, few, None, None, 188),
    }


def test_pieces_are_cut_where_they_were_cut() -> None:
    """A piece is named by its first key: four bytes of a hash of the namespace, two of `kind/name`.

    With other keys every stored piece but the first would hold the workloads of others.
    """
    namespace, workload = blake2b(b"shop", digest_size=4), blake2b(b"Deployment/web", digest_size=2)
    first = int(namespace.hexdigest() + "0000", 16)

    assert (range_of("shop").first, range_of("shop").last) == (first, first + 0xFFFF)
    assert f"{key_of(WEB):012x}" == namespace.hexdigest() + workload.hexdigest()
