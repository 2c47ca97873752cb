"""Debian's Chromium without a screen and without a network but 127.0.0.1."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from playwright.sync_api import sync_playwright

from tests.dashboard.browser.visit import DESKTOP_LIGHT, Look, Visit
from tests.parts.locate import Part, require

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Chromium:
    """A running browser, as a context manager; *directory* gets its profile.

    Playwright's synchronous interface occupies the event loop of its thread: no coroutine runs beside it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._directory.mkdir(exist_ok=True)
        places = {
            name: str(self._directory) for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        }
        playwright = self._stack.enter_context(sync_playwright())
        self._browser = playwright.chromium.launch(
            executable_path=require(Part.CHROMIUM), args=FLAGS, env={**os.environ, **places}
        )
        self._stack.callback(self._browser.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def version(self) -> str:
        """The version of Chromium."""
        return self._browser.version

    @contextmanager
    def visit(self, origin: str, look: Look = DESKTOP_LIGHT) -> Iterator[Visit]:
        """A new window that knows nothing of others, for pages of *origin*."""
        context = self._browser.new_context(
            viewport={"width": look.width, "height": look.height},
            color_scheme=look.scheme,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        try:
            yield Visit(context, origin)
        finally:
            context.close()
