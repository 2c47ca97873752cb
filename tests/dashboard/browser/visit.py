"""One window of the browser: its size and colours, and the faults of the pages that it showed."""

from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Route

Scheme = Literal["light", "dark"]
PHONE, DESKTOP, WALL = 360, 1280, 2560

# Chromium logs a violation too, but not the value that was refused.
_LOG_VIOLATIONS = """
addEventListener('securitypolicyviolation', event =>
  console.error(`${event.effectiveDirective} refused ${event.blockedURI || event.sample}`))
"""
_OVERFLOWING = """
() => {
  const root = document.documentElement
  if (Math.max(root.scrollWidth, document.body.scrollWidth) <= root.clientWidth) return []
  const around = one => getComputedStyle(one).position === 'absolute' ? one.offsetParent : one.parentElement
  const clips = one => getComputedStyle(one).overflowX !== 'visible'
  const clipped = one => one && one !== root && (clips(one) || clipped(around(one)))
  const wide = [...document.body.querySelectorAll('*')].filter(
    one => one.getBoundingClientRect().right > root.clientWidth + 1 && !clipped(around(one)))
  return wide.length ? wide.slice(0, 5).map(one => one.outerHTML.slice(0, 100)) : ['the page']
}
"""
_FOCUS = """
() => {
  const focused = document.activeElement, style = getComputedStyle(focused)
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
  return {
    text: (focused.getAttribute('aria-label') || focused.innerText || focused.name || '').trim(),
    visible: outlined || style.boxShadow !== 'none',
    tag: focused.tagName.toLowerCase(),
  }
}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """The width of a window, and the colours that its user prefers."""

    width: int = DESKTOP
    scheme: Scheme = "light"
    height: int = 900

    @property
    def title(self) -> str:
        """The look in a file name or the name of a test."""
        return f"{self.width}-{self.scheme}"


DESKTOP_LIGHT = Look()


class Visit:
    """A window with one page; `faults` has what its pages logged, and each request to another origin."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.origin = origin
        context.add_init_script(_LOG_VIOLATIONS)
        context.route("**/*", self._pass_on)
        self.page = context.new_page()
        context.on("page", lambda page: self.faults.append(f"a further window: {page.url}"))
        self.page.on("console", self._read)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("requestfailed", self._fail)
        self.page.on("websocket", lambda socket: self.faults.append(f"a socket: {socket.url}"))
        self.page.on("dialog", self._dismiss)

    def open(self, path: str = "") -> Page:
        """Goes to *path* of the origin, and waits until its resources are loaded."""
        self.page.goto(f"{self.origin}{path}")
        return self.page

    def wear(self, look: Look) -> None:
        """Changes the size and the colours of the window."""
        self.page.set_viewport_size({"width": look.width, "height": look.height})
        self.page.emulate_media(color_scheme=look.scheme)

    def found_faults(self) -> list[str]:
        """The faults until now; events on their way are waited for."""
        self.page.evaluate("() => new Promise(done => setTimeout(done))")
        return self.faults

    def overflowing(self) -> list[str]:
        """The elements that make the page scroll sideways."""
        wide: list[str] = self.page.evaluate(_OVERFLOWING)
        return wide

    def tab_to(self, text: str, within: int = 200) -> None:
        """Presses Tab until the element with that text has the focus, and shows it."""
        seen: list[str] = []
        for _ in range(within):
            self.page.keyboard.press("Tab")
            focus = self.page.evaluate(_FOCUS)
            if not focus["visible"] and focus["tag"] != "body":  # after the last one, none has it
                self.faults.append(f"focus on {focus['tag']} {focus['text']!r} can't be seen")
            seen.append(focus["text"])
            if focus["text"] == text:
                return
        raise AssertionError(f"no Tab leads to {text!r}, but to {seen}")

    def _pass_on(self, route: Route, request: Request) -> None:
        self.requests.append(request.url)
        if request.url == self.origin or request.url.startswith(f"{self.origin}/"):
            route.continue_()
        else:
            self.faults.append(f"a request to {request.url}")
            route.abort()

    def _fail(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by the next navigation
            self.faults.append(f"failed: {request.url}: {request.failure}")

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
