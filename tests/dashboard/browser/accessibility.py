"""The rules of axe-core on a page, in the state that the browser shows."""

from functools import cache
from typing import Any

from playwright.sync_api import Page

from tests.parts.locate import Part, require


def violations(page: Page) -> list[str]:
    """One line for each element that violates a rule: WCAG 2 and best practices alike.

    The script is evaluated by the debugger: the page's Content-Security-Policy need not allow it.
    """
    page.evaluate(_script())
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for rule in found
        for node in rule["nodes"]
    ]


@cache
def _script() -> str:
    return require(Part.ACCESSIBILITY_RULES).read_text()
