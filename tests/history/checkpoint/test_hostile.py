"""Check-points that would fill the memory or stop the leader: the memory is that of a child process."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.namespaces import NamespaceSelection
from app.history.checkpoint import array_format
from app.history.checkpoint.array_format import (
    MAX_BODY_BYTES,
    OversizedCheckpointError,
    UnreadableCheckpointError,
)
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.key_ranges import KeyRange
from app.history.samples import StepRange
from app.history.usage import UsageState
from tests.child_memory import run_in_child
from tests.history.checkpoint.hostile import ATTACKS, opened, with_header
from tests.recommendation.learning import PAST, Cluster, learned_of


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_check_point_is_named_and_costs_little(name: str) -> None:
    """Each fits into a ConfigMap; the child grows by at most 200 MB, 32 MiB of them the inflated body.

    Without the limits 990 kB took 1.9 GB. Building the attack takes a part of the growth.
    """
    outcome = run_in_child("tests.history.checkpoint.hostile:read", name)

    size, reason, message = outcome.result
    assert size < 2**20
    assert reason in {"TooLarge", "Malformed"}
    assert message
    assert outcome.grown_mb < 200


@pytest.fixture(scope="module")
def packed() -> bytes:
    """The check-point of a small cluster after an hour."""
    hour = StepRange(PAST.last - 11, PAST.last)
    return encode(learned_of(Cluster(), hour).learned.shard(KeyRange(), NamespaceSelection()))


def use(checkpoint: Checkpoint) -> None:
    """What a leader does with a restored state first."""
    learned = LearnedState(UsageState(timeslots=4, retained_days=15), ConnectionHistory())
    learned.restore([checkpoint], NamespaceSelection())
    learned.ranges([], max_bytes=1000.0)
    learned.usage.forget_silent()
    encode(learned.shard(KeyRange(), NamespaceSelection()))


NUMBERS = st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1])


@settings(max_examples=150)
@given(data=st.data())
def test_any_arrays_are_read_or_refused(packed: bytes, data: st.DataObject) -> None:
    """An array of another type, shape or content, with a right checksum, never fails after it was read."""
    arrays = dict(array_format.unpack(packed).arrays)
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    change = data.draw(st.sampled_from(["drop", "cut", "repeat", "fill", "type", "shape"]))
    if change == "drop":
        del arrays[name]
    elif change == "cut":
        arrays[name] = array[: data.draw(st.integers(0, max(len(array) - 1, 0)))]
    elif change == "repeat":
        arrays[name] = np.concatenate([array] * data.draw(st.integers(2, 4)))
    elif change == "fill":
        number = data.draw(NUMBERS)
        arrays[name] = np.full(array.shape, number % 2 ** (8 * array.itemsize), f"u{array.itemsize}").view(
            array.dtype
        )
    elif change == "type":
        with np.errstate(invalid="ignore"):
            arrays[name] = array.astype(data.draw(st.sampled_from(["<f4", "<u8", "|u1", "<i8", "|b1"])))
    else:
        arrays[name] = array.reshape(-1, 1)
    document = array_format.unpack(packed).document
    changed = array_format.pack(document, arrays)  # type: ignore[arg-type]  # encodes to the same JSON

    try:
        checkpoint = decode(changed, timeslots=4, retained_days=15)
    except UnreadableCheckpointError:
        return
    use(checkpoint)


@settings(max_examples=100)
@given(data=st.data())
def test_any_document_is_read_or_refused(packed: bytes, data: st.DataObject) -> None:
    """Another value of any of its fields is the same."""
    header, content = opened(packed)
    field = data.draw(st.sampled_from(sorted(header["document"])))
    values: Any = st.recursive(
        st.one_of(
            st.none(),
            st.integers(-(2**70), 2**70),
            st.text(max_size=3),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )
    header["document"][field] = data.draw(values)

    try:
        checkpoint = decode(with_header(header, [content]), timeslots=4, retained_days=15)
    except UnreadableCheckpointError:
        return
    use(checkpoint)


def test_what_would_not_be_read_is_not_written(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state beyond the limit on what is inflated is an error of the writer, which splits it."""
    body_bytes = array_format.unpack(packed).body_bytes
    checkpoint = decode(packed, timeslots=4, retained_days=15)
    assert body_bytes < MAX_BODY_BYTES
    monkeypatch.setattr(array_format, "MAX_BODY_BYTES", body_bytes - 1)

    with pytest.raises(OversizedCheckpointError):
        encode(checkpoint)
    with pytest.raises(UnreadableCheckpointError, match="inflates to more than"):
        decode(packed, timeslots=4, retained_days=15)
