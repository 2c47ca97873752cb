"""Tables and cells in Markdown."""

import html
from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; no lines if it has no rows."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings), *lines, ""] if lines else []


def cell(text: str) -> str:
    """*text* on one line, without a border of the table."""
    return " ".join(text.split()).replace("|", "&#124;")


def code(text: str) -> str:
    """*text* in code font; nothing if it is empty. Between backticks an entity would not be read as one."""
    if "|" in text:
        return f"<code>{html.escape(text)}</code>"
    return f"`{text}`" if text else ""
