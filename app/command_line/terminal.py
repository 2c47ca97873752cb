"""What commands print: text of any origin, which can't control the terminal."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import typer

from app.command_line.printout import OutputFormat, Printout, render
from app.errors import SettingsError
from app.interrupts import interrupts_raised
from app.printable import printable

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work* in an event loop of its own; Ctrl-C cancels it, and raises KeyboardInterrupt."""
    with interrupts_raised():
        return asyncio.run(work)


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


async def until_stopped(*running: asyncio.Task[None]) -> None:
    """Waits for Ctrl-C or SIGTERM; raises the error of one of the *running* servers if it fails first."""
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, *running}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for server in running:
        if server.done():
            await server
