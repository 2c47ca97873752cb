"""What commands print: text of any origin, which can't control the terminal."""

import os
import shutil
import sys
from collections.abc import Sequence

import typer

from app.command_line.printout import OutputFormat, Printout, render
from app.errors import SettingsError
from app.printable import printable


def print_error(text: str) -> None:
    """Print one line on standard error."""
    typer.echo(printable(text), err=True)


def terminal_width() -> int | None:
    """The width of the terminal, or of COLUMNS; None if standard output is a file, which is not folded."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def output_format(text: str, formats: Sequence[OutputFormat] = tuple(OutputFormat)) -> OutputFormat:
    """The format of *formats* that the option `-o` names.

    Raises:
        SettingsError: it is none of them.
    """
    if text not in formats:
        *first, last = formats
        raise SettingsError([f"--output is {text!r}: use {', '.join(first)} or {last}"])
    return OutputFormat(text)


def print_out(printout: Printout, output: OutputFormat) -> None:
    """Print on standard output; tables fit the terminal."""
    typer.echo(render(printout, output, terminal_width()), nl=False)
