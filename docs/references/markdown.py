"""Tables and cells in Markdown."""

import html
import re
from collections.abc import Iterable, Sequence

# Markdown reads these within HTML too.
_MARKUP = re.compile(r"[\\`*_\[\]()]")


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
        return f"<code>{_MARKUP.sub(lambda found: f'&#{ord(found[0])};', html.escape(text))}</code>"
    return f"`{text}`" if text else ""
