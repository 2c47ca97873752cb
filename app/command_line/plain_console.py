"""A console for what is printed line by line, or as rich's own tables."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from app.command_line.terminal import terminal_width
from app.printable import printable

_WIDTH = 200


class _PlainConsole(Console):
    """A console on which every string, also in a table, is one line of printable text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text with escapes for what is not printable."""
        return super().render_str(printable(text), **options)


def console() -> Console:
    """A console on standard output; 200 columns wide if it is not a terminal, so that names are not cut.

    Markup is off: brackets and colons in error messages and names are printed as they are. A line break in a
    string is printed as an escape: print a line with each call. COLUMNS sets another width.
    """
    width = None if sys.stdout.isatty() else terminal_width() or _WIDTH
    return _PlainConsole(width=width, markup=False, emoji=False, highlight=False)
