"""Check-points: round trip, equal bytes for equal state, and an error for unreadable bytes."""

import struct
import zlib
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource
from app.history.checkpoint.array_format import UnreadableCheckpointError
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange, range_of
from app.history.usage import UsageState
from tests.recommendation.builders import MIDNIGHT
from tests.recommendation.learning import PAST, Cluster, Learner, facts, learned_of

ASKED = NamespaceSelection(frozenset({"team-0", "team-1"}), frozenset({"kube-system"}))


def read(packed: bytes) -> Checkpoint:
    return decode(packed, timeslots=4, retained_days=15)


@pytest.fixture(scope="module")
def whole() -> Checkpoint:
    """The state after three days of a small cluster."""
    return learned_of(Cluster()).learned.shard(KeyRange(), ASKED)


def test_round_trip(whole: Checkpoint) -> None:
    """Usage, pressure, runs, connections, their coverage, and the namespaces that were queried."""
    back = read(encode(whole))

    assert facts(LearnedState(back.usage, back.connections)) == facts(
        LearnedState(whole.usage, whole.connections)
    )
    assert (back.keys, back.newest_step) == (KeyRange(), PAST.last)
    assert back.namespaces == replace(ASKED)
    for resource in Resource:
        assert back.usage.histograms[resource].coverage.missing(PAST) == []
    assert back.connections.missing(PAST.last) == []


def test_a_day_that_continues_after_a_restore_is_the_same_day() -> None:
    """Folding half of a day, storing, reading and folding the rest equals folding the whole day."""
    cluster = Cluster()
    half = PAST.first + 2 * 288 + 33
    first = learned_of(cluster, type(PAST)(PAST.first, half)).learned.shard(KeyRange(), NamespaceSelection())
    learner = Learner(cluster)
    learner.learned.restore([read(encode(first))], NamespaceSelection())

    learner.read(PAST)

    assert facts(learner.learned) == facts(learned_of(cluster).learned)


def test_equal_state_gives_equal_bytes(whole: Checkpoint) -> None:
    """Encoding twice, or again after decoding, gives equal bytes; one step more gives other bytes."""
    packed = encode(whole)

    assert encode(whole) == packed
    assert encode(read(packed)) == packed
    assert (
        encode(learned_of(Cluster(), type(PAST)(PAST.first, PAST.last - 1)).learned.shard(KeyRange(), ASKED))
        != packed
    )


def test_an_empty_state_is_a_check_point_too() -> None:
    """The state after the first cycle of a cluster without Pods has a round trip too."""
    nothing = Checkpoint(
        KeyRange(), NamespaceSelection(), UsageState(timeslots=4, retained_days=15), ConnectionHistory()
    )

    back = read(encode(nothing))

    assert facts(LearnedState(back.usage, back.connections)) == {}
    assert (back.namespaces.included, back.newest_step) == (None, 0)


def test_rates_are_kept_to_one_in_eight_thousand(whole: Checkpoint) -> None:
    """Twelve bits of mantissa, rounded: an error of at most 2^-13; a step without sample stays NaN."""
    rates = whole.connections.rates["requests"].values
    kept = read(encode(whole)).connections.rates["requests"].values

    assert np.all(np.abs(kept - rates) <= rates * 2.0**-13)
    absent = np.isnan(whole.connections.rates["request_bytes"].values)
    assert np.array_equal(np.isnan(read(encode(whole)).connections.rates["request_bytes"].values), absent)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_bytes_are_an_error(whole: Checkpoint, data: st.DataObject) -> None:
    """A flipped bit anywhere, or a truncated file, raises UnreadableCheckpointError and nothing else."""
    packed = bytearray(encode(whole))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    else:
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(UnreadableCheckpointError) as caught:
        read(bytes(packed))
    assert caught.value.reason in {"Corrupt", "OtherVersion"}


@pytest.mark.parametrize("packed", [b"", b"{}", b"JPCP", b"\x00" * 100, b"JPCP\x01\x00" + b"\x00" * 32])
def test_other_content_is_an_error(packed: bytes) -> None:
    """Empty bytes, JSON, zeros and truncated prefixes are Corrupt."""
    with pytest.raises(UnreadableCheckpointError) as caught:
        read(packed)
    assert caught.value.reason == "Corrupt"


def test_a_later_version_is_an_error(whole: Checkpoint) -> None:
    """The version is checked before the checksum, because a later format may place it elsewhere."""
    packed = encode(whole)

    with pytest.raises(UnreadableCheckpointError, match="version 3, and 1 to 2 can be read") as caught:
        read(b"JPCP" + struct.pack("<H", 3) + packed[6:])
    assert caught.value.reason == "OtherVersion"


def test_open_steps_make_version_2_and_come_out(whole: Checkpoint) -> None:
    """Without any, the bytes are of version 1, which older releases read."""
    late = replace(whole, open_steps={"cpu": 6})

    assert struct.unpack_from("<4sH", encode(whole)) == (b"JPCP", 1)
    assert struct.unpack_from("<4sH", encode(late)) == (b"JPCP", 2)
    assert (read(encode(whole)).open_steps, read(encode(late)).open_steps) == ({}, {"cpu": 6})


@pytest.mark.parametrize("open_steps", [{}, {"cpu": 6}], ids=["version-1", "version-2"])
def test_an_older_checkpoint_is_kept_for_as_long_as_the_profiler_retains_days(
    whole: Checkpoint, open_steps: dict[str, int]
) -> None:
    """A release that retained 15 days stored it: one that retains 29 reads the same days, of both versions.

    20 days after the last of them a step is read: all are still there, and would be gone with 15.
    """
    later = PAST.last + 20 * 288
    days: dict[int, list[int]] = {}
    packed = encode(replace(whole, open_steps=open_steps))
    for retained in (15, 29):
        histograms = decode(packed, timeslots=4, retained_days=retained).usage.histograms[Resource.CPU]
        days[0] = sorted(histograms.days)
        histograms.forget_old_days(later)
        days[retained] = sorted(histograms.days)

    assert (days[15], days[29]) == ([], days[0])
    assert days[0]


def test_another_number_of_time_slots_is_an_error(whole: Checkpoint) -> None:
    """Histograms of four time slots can not be read with six."""
    with pytest.raises(UnreadableCheckpointError, match="TIMESLOTS") as caught:
        decode(encode(whole), timeslots=6, retained_days=15)
    assert caught.value.reason == "OtherSettings"


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.replace(b'"series":[[0', b'"series":[[9999'),
        lambda body: body.replace(b'"cpu/first_seen"', b'"cpu/first_sene"'),
        lambda body: body.replace(b'"<u8"', b'"<u4"'),
        lambda body: body.replace(b'"<u8"', b'"|O8"'),
        lambda body: body.replace(b'"newest_step"', b'"oldest_step"'),
        lambda body: body[:200],
        lambda body: body[:0],
        lambda body: struct.pack("<I", 2**31) + body[4:],
    ],
)
def test_a_header_that_does_not_match_the_arrays_is_an_error(whole: Checkpoint, damage: object) -> None:
    """The checksum is right, and the reason is Malformed."""
    body = zlib.compress(damage(zlib.decompress(encode(whole)[38:])))  # type: ignore[operator]

    with pytest.raises(UnreadableCheckpointError) as caught:
        read(b"JPCP\x01\x00" + sha256(body).digest() + body)
    assert caught.value.reason == "Malformed"


def test_a_shard_names_only_its_own_namespaces() -> None:
    """Thousands of names in each of hundreds of shards would fill them."""
    shard = learned_of(Cluster()).learned.shard(range_of("team-1"), ASKED)

    assert shard.namespaces == NamespaceSelection(frozenset({"team-1"}))
    assert {workload.namespace for workload, _ in shard.usage.series.index} == {"team-1"}
    assert {edge.connection.source.namespace for edge in shard.connections.edges} == {"team-1"}


def test_todays_last_step_is_remembered(whole: Checkpoint) -> None:
    """The newest step is stored: three days and a hundred steps after midnight."""
    assert read(encode(whole)).newest_step == MIDNIGHT + 3 * 288 + 100
