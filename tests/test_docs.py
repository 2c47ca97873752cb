"""What the documents under docs/ point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    """`tests/FILE.py::FUNCTION` is a function of that file."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)", document.read_text())

    missing = [
        f"{file}::{function}"
        for file, function in named
        if not (ROOT / file).is_file() or f"def {function}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_the_table_of_the_original_names_a_test_for_every_row() -> None:
    """16 faults and 12 features, each with at least one test."""
    rows = [
        line
        for line in (ROOT / "docs" / "original.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| feature", "| # ", "| variable", "| limit"))
    ]
    settings = [row for row in rows if row.count("|") == 3]
    proven = [row for row in rows if row not in settings and "`tests/" in row.rsplit("|", 2)[1]]

    assert len(proven) == 16 + 12 + 3
    assert len(rows) == len(proven) + len(settings)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(document: Path) -> None:
    """Every relative link."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []
