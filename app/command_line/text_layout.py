"""Tables and sentences as lines of at most some width; pure.

A table that is too wide gets titles over several lines first. Then its texts are folded, at separators where
there are some. If that is not enough, each row becomes a paragraph of titles and values.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from rich.cells import cell_len, chop_cells

_GAP = 2
_LEAST_TEXT = 12  # a text column is not folded to less
_PARTS = re.compile(r"[^/\-. ]*[/\-. ]?")


def wrapped(text: str, width: int | None, *, indent: int = 0) -> list[str]:
    """The lines of a sentence, broken between words; lines after the first are indented."""
    if width is None or cell_len(text) <= width:
        return [text]
    return wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns are `numbers`, right-aligned, which are `foldable`, and the width; None for any."""

    numbers: Sequence[bool]
    foldable: Sequence[bool]
    width: int | None = None


def table_lines(titles: Sequence[str], rows: Sequence[Sequence[str]], shape: Shape) -> Iterator[str]:
    """The lines of a table with *titles* above *rows*."""
    content = [max((cell_len(row[number]) for row in rows), default=0) for number in range(len(titles))]
    widths = _fitting(titles, content, shape)
    if widths is None:
        yield from _paragraphs(titles, rows, shape.width or 0)
        return
    for cells in (titles, *rows):
        yield from _row(cells, widths, shape.numbers, is_title=cells is titles)


def _fitting(titles: Sequence[str], content: Sequence[int], shape: Shape) -> list[int] | None:
    """The widths of the columns; None if there are none that fit."""
    width = shape.width
    widths = [max(cell_len(title), cells) for title, cells in zip(titles, content, strict=True)]
    if width is None or _total(widths) <= width:
        return widths
    words = [max(map(cell_len, title.split()), default=0) for title in titles]
    widths = [max(word, cells) for word, cells in zip(words, content, strict=True)]
    while (excess := _total(widths) - width) > 0:
        foldable = [
            n for n, can_fold in enumerate(shape.foldable) if can_fold and widths[n] > _least(words[n])
        ]
        if not foldable:
            return None
        widest = max(foldable, key=lambda number: widths[number])
        second = max((widths[n] for n in foldable if n != widest), default=0)
        least = max(_least(words[widest]), min(second, widths[widest] - 1))
        widths[widest] = max(widths[widest] - excess, least)
    return widths


def _least(word: int) -> int:
    return max(_LEAST_TEXT, word)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _row(
    cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool], *, is_title: bool
) -> Iterator[str]:
    columns = [
        _title(cell, width) if is_title else _folded(cell, width)
        for cell, width in zip(cells, widths, strict=True)
    ]
    for line in zip_longest(*columns, fillvalue=""):
        padded = (
            _padded(text, width, is_number=is_number)
            for text, width, is_number in zip(line, widths, numbers, strict=True)
        )
        yield (" " * _GAP).join(padded).rstrip()


def _padded(text: str, width: int, *, is_number: bool) -> str:
    space = " " * (width - cell_len(text))
    return f"{space}{text}" if is_number else f"{text}{space}"


def _title(title: str, width: int) -> list[str]:
    return [title] if cell_len(title) <= width else wrap(title, width, break_long_words=False)


def _folded(text: str, width: int) -> list[str]:
    """The lines of *text*, broken after separators; only what is longer than a line is broken within."""
    lines: list[str] = []
    line = ""
    for part in _PARTS.findall(text):
        if cell_len(line) + cell_len(part.rstrip()) <= width:
            line += part
        elif cell_len(part.rstrip()) <= width:
            lines.append(line.rstrip())
            line = part
        else:
            *full, line = chop_cells(line + part, width)
            lines += full
    return [*lines, line.rstrip()] if line or not lines else lines


def _paragraphs(titles: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> Iterator[str]:
    """Each row as its first cell, and below it the others with their titles."""
    for first, *others in rows:
        yield from _folded(first, max(width, _LEAST_TEXT))
        line = ""
        for title, cell in zip(titles[1:], others, strict=True):
            pair = f"{title} {cell}"
            if line and cell_len(line) + _GAP + cell_len(pair) + _GAP > width:
                yield from _indented(line, width)
                line = ""
            line = f"{line}{' ' * _GAP}{pair}" if line else pair
        if line:
            yield from _indented(line, width)


def _indented(text: str, width: int) -> Iterator[str]:
    """*text* below the first cell of its row; the rest of a long one further to the right."""
    first, *more = _folded(text, max(width - 2 * _GAP, _LEAST_TEXT))
    yield f"{' ' * _GAP}{first}"
    yield from (f"{' ' * 2 * _GAP}{line}" for line in more)
