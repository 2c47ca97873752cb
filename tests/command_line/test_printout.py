"""Output formats: text that fits a terminal, markdown, CSV, JSON and YAML from the same rows."""

import csv
import io
import json
from typing import Any

import pytest
import yaml
from rich.cells import cell_len

from app.command_line.printout import Column, OutputFormat, Printout, Table, render

COLUMNS = (
    Column("WORKLOAD", "name"),
    Column("CPU REQUEST", "cpu", lambda value: f"{value * 1000:.0f}m", is_number=True),
    Column("REASON", "reason"),
    Column("PROFILE", "hash", is_wide=True),
)
LONG = "within 15% of its need, as a LimitRange allows it"
ROWS: list[dict[str, Any]] = [
    {
        "name": "shop/web",
        "cpu": 0.026,
        "reason": "",
        "hash": "cpuprofile-9b9e16387237056ac52a193ffbd6d695831c",
    },
    {"name": "emojivoto-production/vote-bot", "cpu": 1.5, "reason": LONG, "hash": "cpuprofile-ad22"},
]


def printout(rows: list[dict[str, Any]] = ROWS, **sentences: Any) -> Printout:
    return Printout({"kind": "Test", "rows": rows}, [Table("What changes", COLUMNS, rows)], **sentences)


def lines(width: int | None, output: OutputFormat = OutputFormat.TABLE, **more: Any) -> list[str]:
    return render(printout(**more), output, width).splitlines()


def test_a_table_without_a_width_is_not_folded() -> None:
    """Numbers are right-aligned, what is missing is a dash, and the profile is only in wide."""
    assert lines(None) == [
        "What changes",
        "WORKLOAD                       CPU REQUEST  REASON",
        "shop/web                               26m  -",
        f"emojivoto-production/vote-bot        1500m  {LONG}",
    ]
    assert lines(None, OutputFormat.WIDE)[2].endswith("695831c")


def test_a_table_of_80_columns() -> None:
    """Titles of several words take two lines, and the longest text is folded between words.

    29 + 2 + 7 + 2 leave 40 columns for the reason.
    """
    assert lines(80) == [
        "What changes",
        "WORKLOAD                           CPU  REASON",
        "                               REQUEST",
        "shop/web                           26m  -",
        "emojivoto-production/vote-bot    1500m  within 15% of its need, as a LimitRange",
        "                                        allows it",
    ]


@pytest.mark.parametrize("width", [80, 60, 40, 30])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Names are folded after a slash or a dash where that leaves no line half empty."""
    wide = {"name": "日本語-" * 12, "cpu": 12.0, "reason": "x" * 200, "hash": ""}

    printed = lines(width, rows=[*ROWS, wide], before=[LONG * 3])

    assert max(map(cell_len, printed)) <= width


def test_a_narrow_terminal_gets_paragraphs() -> None:
    """At 30 columns three columns don't fit: each row is its name, and pairs of title and value below it."""
    assert lines(30)[:3] == ["What changes", "shop/web", "  CPU REQUEST 26m  REASON -"]


def test_sentences_come_before_and_after() -> None:
    """A table without rows is left out, with its title."""
    printed = render(printout([], before=["First."], after=["Last."]), OutputFormat.TABLE)

    assert printed == "First.\n\nLast.\n"


def test_markdown_has_no_markup_of_others() -> None:
    """Pipes, brackets and mentions in a cell are text; titles and alignment are those of the table."""
    row = {"name": "a|b<img>@you", "cpu": 0.1, "reason": "*bold*\nnext", "hash": ""}

    printed = render(printout([row]), OutputFormat.MARKDOWN)

    assert printed.splitlines() == [
        "**What changes**",
        "",
        "| WORKLOAD | CPU REQUEST | REASON |",
        "| :--- | ---: | :--- |",
        "| a\\|b\\<img\\>@\u200byou | 100m | \\*bold\\*\\\\nnext |",
        "",
    ]


def test_csv_has_exact_numbers_and_no_formulas() -> None:
    """All columns, also the wide ones; a text that a spreadsheet would run gets an apostrophe."""
    row = {"name": "=cmd()", "cpu": 0.026, "reason": ["a", "b"]}

    read = list(csv.DictReader(io.StringIO(render(printout([row]), OutputFormat.CSV))))

    assert read == [{"name": "'=cmd()", "cpu": "0.026", "reason": "a; b", "hash": ""}]


def test_two_tables_are_one_csv_file() -> None:
    """The first column names the table, and the columns of both follow."""
    tables = [Table("one", [Column("A", "a")], [{"a": 1}]), Table("two", [Column("B", "b")], [{"b": 2}])]

    assert render(Printout({}, tables), OutputFormat.CSV) == "table,a,b\none,1,\ntwo,,2\n"


def test_json_and_yaml_are_the_document() -> None:
    """Both hold the same values; YAML may have several documents."""
    as_json, as_yaml = (render(printout(), one) for one in (OutputFormat.JSON, OutputFormat.YAML))

    assert json.loads(as_json) == yaml.safe_load(as_yaml) == {"kind": "Test", "rows": ROWS}
    assert render(Printout({}, [], documents=[{"a": 1}, {"b": 2}]), OutputFormat.YAML) == "a: 1\n---\nb: 2\n"


@pytest.mark.parametrize("output", OutputFormat)
def test_what_controls_a_terminal_is_escaped(output: OutputFormat) -> None:
    """Names are written by tenants: no format has an escape sequence, or a mark that turns the direction."""
    hostile = "\x1b[2J\u202e\n\u200b"
    row = {"name": hostile, "cpu": 0.0, "reason": [hostile], "hash": hostile}

    printed = render(Printout({"name": hostile}, [Table(hostile, COLUMNS, [row])], [hostile]), output, 60)

    assert not {"\x1b", "\u202e"} & set(printed)
