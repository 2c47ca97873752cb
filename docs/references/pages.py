"""The generated pages: their files, their texts, and which of them differ."""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.references import chart_values, commands, custom_resources, metrics, settings

FOLDER = Path(__file__).parents[1] / "pages" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "chart-values": chart_values.page,
    "commands": commands.page,
    "custom-resources": custom_resources.page,
    "metrics": metrics.page,
    "settings": settings.page,
}
_NOTE = "<!-- Written by `make references`: edit the source, not this page. -->\n\n"


def path_of(name: str) -> Path:
    """The file of a page."""
    return FOLDER / f"{name}.md"


def text_of(name: str) -> str:
    """The text that the page should have."""
    return _NOTE + PAGES[name]().rstrip("\n") + "\n"


def differing() -> list[str]:
    """The pages whose files differ from their sources."""
    return [
        name for name in PAGES if not path_of(name).exists() or path_of(name).read_text() != text_of(name)
    ]
