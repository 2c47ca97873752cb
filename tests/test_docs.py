"""References in the documents are valid: links with their anchors, names of pages in code, tests, modules."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from docs.build import Resources, remote_resources

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "pages"
DOCUMENTS = sorted(PAGES.glob("**/*.md"))
ARCHITECTURE = (PAGES / "architecture.md").read_text()
# Everything that a reader of the repository opens.
MARKDOWN = sorted(
    [*DOCUMENTS, *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "charts").rglob("*.md")],
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# A page that a message, a comment, a value or a test names, with or without a heading.
NAMED_PAGE = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+)?")


def name_of(path: Path) -> str:
    """The path below the repository, as the name of a test's case."""
    return str(path.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text of the document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    """The *text* without the words in code font, of which none is a link."""
    return re.sub(r"`[^`\n]*`|<code>.*?</code>", "", text)


def anchors(document: Path) -> set[str]:
    """The anchors of the document's headings, as GitHub makes them; a repeated one gets a number."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def links(document: Path) -> list[str]:
    """The targets of the document's links and images, also those in HTML."""
    text = re.sub(r"\[`[^`\n]*`\]", "[code]", prose(document))
    text = without_code(text)
    return LINK.findall(text) + re.findall(r"""(?:src|srcset|href)="([^"]+)\"""", text)


def is_valid(link: str, document: Path) -> bool:
    """Whether the link leads to a file of the repository, and to a heading of it if it names one.

    Of other hosts only the form of the address is checked.
    """
    if "://" in link:
        address = urlsplit(link)
        return address.scheme in {"http", "https"} and "." in (address.hostname or "")
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("document", MARKDOWN, ids=name_of)
def test_links_are_valid(document: Path) -> None:
    """Every link leads to a file or folder of the repository, and to a heading that is there."""
    assert [link for link in links(document) if not is_valid(link, document)] == []


@pytest.mark.parametrize(
    "link", ["nothing.md", "#nothing", "security.md#nothing", "ftp://host.org", "http://host"]
)
def test_broken_links_are_found(link: str) -> None:
    """A missing page, a missing heading of this page or another, and addresses that no browser opens."""
    assert not is_valid(link, PAGES / "prometheus.md")


def test_pages_that_are_named_exist() -> None:
    """Every page that a message, a comment, a chart's value or a test names is there, with its heading."""
    named = {
        (name_of(file), page)
        for folder in ("app", "benchmarks", "charts", "tests")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".yaml", ".tpl", ".txt", ".json"} and file != Path(__file__)
        for page in NAMED_PAGE.findall(file.read_text())
    }

    assert len(named) > 40
    assert [pair for pair in sorted(named) if not is_valid(pair[1], ROOT / "README.md")] == []


@pytest.mark.parametrize(
    ("page", "loaded"),
    [
        ('<script src="https://cdn.org/a.js"></script>', ["https://cdn.org/a.js"]),
        ('<img src="a.png" srcset="a.png 1x, //cdn.org/a.png 2x">', ["//cdn.org/a.png"]),
        ('<img srcset="//cdn.org/a.png">', ["//cdn.org/a.png"]),
        ('<img srcset="data:image/png;base64,//8A 2x">', []),
        ('<svg><image href="https://cdn.org/a.png"/></svg>', ["https://cdn.org/a.png"]),
        ('<link rel="preconnect" href="https://fonts.org">', ["https://fonts.org"]),
        ('<link rel="canonical" href="https://a.org/page"><a href="https://a.org">a</a>', []),
        ('<p style="background: url(//cdn.org/a.png)">', ["//cdn.org/a.png"]),
        ("<style>@import '//cdn.org/a.css';</style>", ["//cdn.org/a.css"]),
        ("<style>p { color: red }</style><p>url(https://a.org)</p>", []),
    ],
)
def test_resources_of_other_hosts_are_found(page: str, loaded: list[str]) -> None:
    """Scripts, images, preconnections and style sheets of an element are loaded; a reader's link is not."""
    assert Resources(page).loaded == loaded


def test_links_of_readers_are_found() -> None:
    """They are counted, and not loaded."""
    assert Resources('<a href="https://a.org">a</a><a href="page.html">b</a>').followed == ["https://a.org"]


def test_each_file_of_a_site_is_searched(tmp_path: Path) -> None:
    """A line names the file and the address, of pages and of style sheets."""
    page, sheet = tmp_path / "page.html", tmp_path / "style.css"
    page.write_text('<img src="//cdn.org/a.png">')
    sheet.write_text("@font-face { src: url('https://fonts.org/a.woff') }")

    assert list(remote_resources(tmp_path)) == [
        f"{page}: loads //cdn.org/a.png",
        f"{sheet}: loads https://fonts.org/a.woff",
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
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
        for line in (PAGES / "internals" / "original.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| feature", "| # ", "| variable", "| limit"))
    ]
    settings = [row for row in rows if row.count("|") == 3]
    proven = [row for row in rows if row not in settings and "`tests/" in row.rsplit("|", 2)[1]]

    assert len(proven) == 16 + 12 + 3
    assert len(rows) == len(proven) + len(settings)


def sentences() -> Iterator[str]:
    """The literals of the program; a placeholder of an f-string is a NUL."""
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "\0"
                    for part in node.values
                )


def test_the_program_prints_what_troubleshooting_quotes() -> None:
    """Each quotation in a column *It prints* is a sentence of the program; `...` stands for what varies."""
    page = (PAGES / "troubleshooting.md").read_text()
    tables = re.findall(r"^\| It prints \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    quoted = {
        span
        for table in tables
        for row in table.splitlines()
        for span in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    }
    printed = "\n".join(sentences())
    missing = [
        span
        for span in sorted(quoted)
        for part in span.split("...")
        if part.strip(" :;,.") and part.strip(" :;,.") not in printed
    ]

    assert len(quoted) > 40
    assert missing == []


def test_architecture_names_modules_that_exist() -> None:
    """Every path in code font in architecture.md is a file or folder of the repository."""
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

    Six walks: a review, a sample, an edge, a setting, an annotation and a certificate.
    """
    steps = re.findall(r"^\| \d+ \| `([\w./-]+)` \| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
    walks = re.findall(r"^### ", ARCHITECTURE, re.MULTILINE)
    missing = [
        f"{file}: {name}"
        for file, name in steps
        if not re.search(rf"(def |class |^|name: ){name}\b", (ROOT / file).read_text(), re.MULTILINE)
    ]

    assert len(walks) == 6
    assert len(steps) == len(re.findall(r"^\| \d+ \|", ARCHITECTURE, re.MULTILINE))
    assert missing == []
