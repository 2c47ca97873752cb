"""The commands in the README's code blocks, and which blocks are only checked for syntax.

A block for a shell has a command per line; in a block of a console, lines that begin with `$ ` are commands,
and the others are outputs. A comment `<!-- syntax only: reason -->` above a block: tests don't run it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(
    r"(?:<!-- syntax only: (?P<reason>[^\n]+) -->\n\n)?```(?P<kind>shell|console)\n(?P<text>.*?)```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block: its commands as printed, and why tests don't run them ("" if they do)."""

    commands: tuple[str, ...]
    reason: str


def blocks(page: str) -> list[Block]:
    """The blocks of *page* that have commands, in the page's order."""
    return [
        Block(tuple(_commands(match["kind"], match["text"])), match["reason"] or "")
        for match in BLOCK.finditer(page)
    ]


def _commands(kind: str, text: str) -> list[str]:
    lines = text.splitlines()
    if kind == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line]
