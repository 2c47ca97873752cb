"""History files that would fill the memory; the memory is that of a child process."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import HistoryFileError
from app.sources.recorded import read_recorded_history
from tests.child_memory import run_in_child
from tests.sources.hostile_archives import ATTACKS, write

SENTENCES = {
    "bomb": "the member timestamps.npy with float32[268435456] would take the arrays beyond 16 times",
    "bytes as numbers": "the member timestamps.npy with uint8[134217728] would take",
    "many names": "the member names.npy with <U1[16777216] would take",
    "one long name": "the member names.npy with <U134217728[1] would take",
    "long header": "the member names.npy has version (2, 0) of the format, not (1, 0)",
    "pickled": "the member names.npy holds objects, and pickled content is not read",
    "many members": "the file has 20005 members, more than 1000",
    "lzma": "is compressed by another method than deflate",
    "long span": "`timestamps` must not span more than 3653 days",
    "huge shape": "the member timestamps.npy declares float64[1099511627776], which is not its size",
    "no bytes per item": "`timestamps` must be an array of numbers",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_file_is_named_and_costs_little(name: str, tmp_path: Path) -> None:
    """The sentence has the file and the member. The child grows by at most 100 MB."""
    path = tmp_path / "history.npz"
    ATTACKS[name](path)

    outcome = run_in_child("tests.sources.hostile_archives:read", name, str(tmp_path))

    _, message = outcome.result
    assert message.startswith(f"{path}: ")
    assert SENTENCES.get(name, "timestamps") in message
    assert outcome.grown_mb < 100


def test_what_is_allowed_is_bounded(tmp_path: Path) -> None:
    """2.7 million samples of zeros in 33 kB are just allowed: 64 MiB as numbers, and temporary copies."""
    names, samples = np.array(["vm"]), 2_700_000
    zeros = np.zeros(samples, dtype="<f4")
    np.savez_compressed(
        tmp_path / "history.npz",
        names=names,
        offsets=np.array([0, samples]),
        timestamps=zeros.astype("<u4"),
        cpu_cores=zeros,
        memory_bytes=zeros,
    )

    outcome = run_in_child("tests.sources.hostile_archives:read", "allowed", str(tmp_path))

    assert outcome.result[1] == ""
    assert outcome.grown_mb < 700


@settings(max_examples=200)
@given(data=st.data())
def test_any_damage_is_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Flipped bytes anywhere in the archive, or a part of it, are read or are a HistoryFileError."""
    path = tmp_path_factory.mktemp("damaged") / "history.npz"
    write(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )

    with suppress(HistoryFileError):
        read_recorded_history(path)
