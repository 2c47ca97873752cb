"""The commands in the code blocks of README and documentation, and which of them are only checked for syntax.

A block for a shell has a command per line, which a backslash at its end continues; in a block of a console,
lines that begin with `$ ` are commands, and the others are outputs. A comment `<!-- syntax only: reason -->`
above a block: tests don't run it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "pages"
DOCUMENTS = (README, *sorted(PAGES.rglob("*.md")))
# tests/e2e/test_sandbox.py types the commands of these on the sandbox.
TYPED = (README, *(PAGES / f"{name}.md" for name in ("quick-start", "command-line", "consume")))
GROUPS = frozenset({"export"})  # commands with commands of their own
BLOCK = re.compile(
    r"(?:<!-- syntax only: (?P<reason>[^\n]+) -->\n\n)?^```(?P<kind>shell|console)\n(?P<text>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)


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
    lines = text.replace("\\\n", "").splitlines()
    if kind == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line]


def program_calls(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each call of `job-profiler` in the page's code: the command, and the options that it is given."""
    for block, span in CODE.findall(page):
        for line in (block or span).replace("\\\n", "").splitlines():
            called = re.search(r"(?:^(?:\$ )?|-- |^source <\()job-profiler ([a-z]+)\b([^#|>]*)", line.strip())
            if called:
                group, rest = called[1], called[2].split()
                name = f"{group} {rest[0]}" if group in GROUPS and rest else group
                yield name, re.findall(r"(?:^| )(--?[A-Za-z][\w-]*)", called[2])
