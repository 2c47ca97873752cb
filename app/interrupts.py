"""Ctrl-C: ends the program at once with exit code 130, except while an event loop runs, which it cancels.

An interrupt during the import of a library written in C can come out as an ImportError, so the handler of a
command raises nothing. A loop has open connections and shown progress bars, which are closed.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT  # the exit code that shells give


def exit_on_interrupt() -> None:
    """From now on, Ctrl-C ends the program; it stays ignored in a process that was started so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Within the context, Ctrl-C raises KeyboardInterrupt; an event loop cancels its main task instead."""
    if signal.getsignal(signal.SIGINT) is not _exit:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
