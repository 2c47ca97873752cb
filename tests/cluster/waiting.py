"""Waits for conditions of other processes, with a deadline and a message that names what is missing."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    fact: Callable[[], T],
    within_seconds: float,
    what: str,
    *,
    despite: tuple[type[Exception], ...] = (),
    every_seconds: float = 0.1,
) -> T:
    """The first truthy result of `fact`; raises TimeoutError after *within_seconds*.

    An exception of `despite` counts as "not yet"; any other one is raised. `what` completes the sentence
    "waited 5 s for ...".
    """
    deadline = time.monotonic() + within_seconds
    while True:
        last: object
        cause: Exception | None = None
        try:
            answer = fact()
        except despite as error:
            last = cause = error
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {within_seconds:g} s for {what}; last: {last!r}") from cause
        time.sleep(every_seconds)
