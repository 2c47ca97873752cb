"""References in the documents under docs/ are valid."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    """Every `tests/FILE.py::FUNCTION` is a function of that file."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)", document.read_text())

    missing = [
        f"{file}::{function}"
        for file, function in named
        if not (ROOT / file).is_file() or f"def {function}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_the_table_of_the_original_names_a_test_for_every_row() -> None:
    """16 faults, 12 features and 3 more rows name at least one test each."""
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
    """Every relative link is a path in the repository."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_architecture_names_modules_that_exist() -> None:
    """Every path in code font in docs/architecture.md is a file or folder of the repository."""
    named = re.findall(r"`((?:app|charts|docs|tests)/[\w./-]+)`", ARCHITECTURE)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_architecture_has_a_line_for_every_folder() -> None:
    """The table has a line for every package of app/."""
    packages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "app").glob("*/**/__init__.py")}
    described_packages = set(re.findall(r"^\| `(app/[\w/]+)` \|", ARCHITECTURE, re.MULTILINE))

    assert described_packages == packages


def test_every_step_of_a_walk_names_a_definition_of_its_file() -> None:
    """The third column is a class, function or variable that is in the file of the second column.

    Five walks: a review, a sample, an edge, a setting and a certificate.
    """
    steps = re.findall(r"^\| \d+ \| `([\w./-]+)` \| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
    walks = re.findall(r"^### ", ARCHITECTURE, re.MULTILINE)
    missing = [
        f"{file}: {name}"
        for file, name in steps
        if not re.search(rf"(def |class |^|name: ){name}\b", (ROOT / file).read_text(), re.MULTILINE)
    ]

    assert len(walks) == 5
    assert len(steps) == len(re.findall(r"^\| \d+ \|", ARCHITECTURE, re.MULTILINE))
    assert missing == []
