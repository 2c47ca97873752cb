"""Text from a cluster or Prometheus can't control a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("shop/web [red] :key: é 中", "shop/web [red] :key: é 中", id="ordinary"),
        pytest.param("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07", id="escape-sequences"),
        pytest.param("\x9b31m", r"\x9b31m", id="c1-control"),
        pytest.param("a\nLeader: me\r\tb", r"a\nLeader: me\r\tb", id="line-breaks"),
        pytest.param("a\u2028b\u2029c\x85", r"a\u2028b\u2029c\x85", id="unicode-line-breaks"),
        pytest.param("\u202egnp.exe\u202c\u2066x\u2069", r"\u202egnp.exe\u202c\u2066x\u2069", id="direction"),
        pytest.param("a\u200bb\ufeff\u00ad", r"a\u200bb\ufeff\xad", id="invisible"),
        pytest.param("\ud800", r"\ud800", id="half-a-pair"),
        pytest.param("\U000e0041", r"\U000e0041", id="tag"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    """Letters, digits, signs and the ordinary space stay; everything else has Python's escape."""
    assert printable(text) == shown


@given(st.text())
def test_no_control_or_format_character_remains(text: str) -> None:
    """Categories C* (control, format, half pairs, unassigned) and Z* (but for the space) are gone."""
    shown = printable(text)

    assert all(unicodedata.category(each)[0] not in "CZ" or each == " " for each in shown)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    shown.encode()
