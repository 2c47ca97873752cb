"""The table of values in the chart's README, made of `values.yaml` and its comments."""

import re
from collections.abc import Iterator

from objects import CHART

BEGIN, END = "<!-- values: written by `make manifests` -->", "<!-- end of the values -->"
_FIELD = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>.+))?$")
_CHOICE = re.compile(r"  (?P<value>\S+) {2,}(?P<meaning>.*)")


def readme() -> str:
    """The README with a table that agrees with `values.yaml`."""
    text = (CHART / "README.md").read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "\n".join(_rows((CHART / "values.yaml").read_text().splitlines()))
    return f"{before}{BEGIN}\n| value | default | meaning |\n|---|---|---|\n{rows}\n{END}{after}"


def _rows(lines: list[str]) -> Iterator[str]:
    path: list[str] = []
    comment: list[str] = []
    for line in lines:
        if field := _FIELD.match(line):
            path[len(field["indent"]) // 2 :] = [field["key"]]
            name = f"`{'.'.join(path)}`"
            if field["value"]:
                yield _row(name, f"`{field['value']}`", comment or ["As in Kubernetes."])
            elif comment:
                yield _row(f"**{name}**", "", comment)
        elif line.strip():
            comment.append(line.strip().removeprefix("#").removeprefix(" "))
            continue
        comment = []


def _row(*cells: str | list[str]) -> str:
    texts = [cell if isinstance(cell, str) else _sentence(cell) for cell in cells]
    return f"| {' | '.join(text.replace('|', '&#124;') for text in texts)} |"


def _sentence(comment: list[str]) -> str:
    """The lines of a comment as one line; each value in a list of choices is code."""
    return " ".join(_CHOICE.sub(r"`\g<value>`: \g<meaning>;", line) for line in comment).rstrip(";")
