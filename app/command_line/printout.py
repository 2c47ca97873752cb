"""Rows and columns as text in each output format of the commands that list something; pure.

`table` and `wide` are for a terminal and fit its width, `markdown` is for a comment on a pull request; all
three show amounts as people write them. `json`, `yaml` and `csv` are for programs and have exact numbers.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from app.command_line.text_layout import Shape, table_lines, wrapped
from app.printable import printable

NOTHING = "-"
_NO_ASCII = re.compile(r"[^\x00-\x7f]+")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#])")
Row = Mapping[str, Any]


class OutputFormat(StrEnum):
    """The values of the option `-o`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    MARKDOWN = "markdown"

    @property
    def is_for_people(self) -> bool:
        """True for a format that shows rounded amounts and sentences."""
        return self in {OutputFormat.TABLE, OutputFormat.WIDE, OutputFormat.MARKDOWN}


def _as_text(value: Any) -> str:
    return str(value)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title for people, the key of its values in a row, and how people read a value.

    Numbers are right-aligned. Neither they nor a column that `is_whole` are folded. A column that `is_wide`
    is shown only in `wide` and `csv`; one that `is_optional`, only if a row has a value. For programs, the
    values of the keys *exact* stand for it.
    """

    title: str
    key: str
    show: Callable[[Any], str] = _as_text
    is_number: bool = False
    is_wide: bool = False
    is_optional: bool = False
    is_whole: bool = False
    exact: tuple[str, ...] = ()

    def text(self, row: Row) -> str:
        """The value of *row* for people; a dash if it has none."""
        value = row.get(self.key)
        is_missing = value is None or value in ("", [], ())
        return NOTHING if is_missing else printable(self.show(value))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal columns below a title, which may be empty."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def shown(self, output: OutputFormat) -> list[Column]:
        """The columns in a format for people: without the wide ones, and without optional empty ones."""
        is_wide = output is OutputFormat.WIDE
        return [
            column
            for column in self.columns
            if (is_wide or not column.is_wide)
            and not (column.is_optional and all(column.text(row) == NOTHING for row in self.rows))
        ]


@dataclass(frozen=True, slots=True)
class Printout:
    """The output of a command: the document for programs, and tables and sentences for people.

    `documents` replaces the document in YAML, where one file can hold several.
    """

    document: Any
    tables: Sequence[Table]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    documents: Sequence[Any] = ()


def render(printout: Printout, output: OutputFormat, width: int | None = None) -> str:
    """The text of *printout*, with a line break at its end; tables are at most *width* columns wide."""
    match output:
        case OutputFormat.JSON:
            return _json(printout.document)
        case OutputFormat.YAML:
            import yaml

            documents = printout.documents or [printout.document]
            return yaml.safe_dump_all(documents, sort_keys=False)
        case OutputFormat.CSV:
            return _csv(printout.tables)
        case OutputFormat.MARKDOWN:
            return "".join(f"{line}\n" for line in _markdown(printout))
        case OutputFormat.TABLE | OutputFormat.WIDE:
            lines = _text(printout, output, width)
            return "".join(f"{line}\n" for line in lines)


def _json(document: Any) -> str:
    """JSON in ASCII, so that no character of a name controls the terminal; a tenth of `json.dumps`' time."""
    text = msgspec.json.format(msgspec.json.encode(document)).decode()
    return f"{_NO_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)}\n"


def _text(printout: Printout, output: OutputFormat, width: int | None) -> Iterator[str]:
    yield from _sentences(printout.before, width)
    is_first = not printout.before
    for table in printout.tables:
        if not table.rows:
            continue
        if not is_first:
            yield ""
        is_first = False
        yield from table_text(table, output, width)
    if printout.after and not is_first:
        yield ""
    yield from _sentences(printout.after, width)


def _sentences(sentences: Iterable[str], width: int | None) -> Iterator[str]:
    for sentence in sentences:
        yield from wrapped(printable(sentence), width)


def table_text(table: Table, output: OutputFormat, width: int | None) -> Iterator[str]:
    """The lines of one table; none without rows."""
    if not table.rows:
        return
    if table.title:
        yield from wrapped(printable(table.title), width)
    columns = table.shown(output)
    rows = [[column.text(row) for column in columns] for row in table.rows]
    titles = [column.title for column in columns]
    numbers = [column.is_number for column in columns]
    foldable = [not (column.is_number or column.is_whole) for column in columns]
    yield from table_lines(titles, rows, Shape(numbers, foldable, width))


def _csv(tables: Sequence[Table]) -> str:
    """All tables as one, since a CSV file holds one: the first column names the table if there are several.

    A column that two tables have appears once.
    """
    filled = [table for table in tables if table.rows]
    columns = (column for table in filled for column in table.columns)
    keys = list(dict.fromkeys(key for column in columns for key in column.exact or (column.key,)))
    first = ["table"] if len(filled) > 1 else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*first, *keys])
    for table in filled:
        for row in table.rows:
            writer.writerow([*([table.title] if first else []), *(_csv_value(row.get(key)) for key in keys)])
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    """A printable text; one that a spreadsheet would run as a formula begins with an apostrophe."""
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else printable(value)


def _markdown(printout: Printout) -> Iterator[str]:
    for sentence in printout.before:
        yield from (_escaped(sentence), "")
    for table in printout.tables:
        if not table.rows:
            continue
        if table.title:
            yield from (f"**{_escaped(table.title)}**", "")
        columns = table.shown(OutputFormat.MARKDOWN)
        yield _markdown_row(column.title for column in columns)
        yield _markdown_row("---:" if column.is_number else ":---" for column in columns)
        for row in table.rows:
            yield _markdown_row(_escaped(column.text(row)) for column in columns)
        yield ""
    for sentence in printout.after:
        yield from (_escaped(sentence), "")


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """*text* without markup: names and messages are written by tenants, also `@mentions`."""
    return _MARKDOWN.sub(r"\\\1", printable(text)).replace("@", "@\u200b")
