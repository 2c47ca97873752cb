"""Docstrings, comments and texts for users are in plain technical English."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM_FOLDERS = [
    "benchmarks",
    "docs",
    "supply_chain",
    *(f"app/{path.parent.name}" for path in ROOT.glob("app/*/__init__.py")),
]
TEST_FOLDERS = [f"tests/{path.parent.name}" for path in ROOT.glob("tests/*/__init__.py")]
PLAIN_FILES = sorted(
    path
    for folder in ("charts", "crds", "webhook-config")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in {".yaml", ".tpl", ".txt", ".json"}
)
OTHER_FILES = [
    *(
        ROOT / name
        for name in ("pyproject.toml", "Makefile", "CONTRIBUTING.md", "README.md", "docs/mkdocs.yml")
    ),
    *sorted((ROOT / "docs" / "pages").glob("*.md")),
]

# The word, and what to write in its place.
WORDS = {
    r"\bwhom\b": "name the thing: credentials, workload, client",
    r"^Whose\b": "first the noun: 'the workload of a Pod'",
    r"\bsome(body|one)\b": "name who: a user, another replica, the API server",
    r"\b(any|every|no)(body|one)\b(?! of)": "name who: a user, another replica, the API server",
    r"\bt(ell|ells|old|elling)\b": "report, show, log, read",
    r"\bwhat came\b": "observed",
    r"\bis not as it should be\b": "say what fails: 'the API server cannot reach the webhook'",
    r"\bas it should\b": "say what is expected",
    r"@@": "the sentence is torn",
    r"\bsigns? of need\b": "pressure",
    r"\bhome-made\b": "name it",
    r"\bhave (it|them) \w+ed\b": "use an active verb",
    r"\bfor ever\b": "until it is cancelled",
    r"\bis believed\b": "is trusted",
    r"\bit is worth\b": "say how much",
    r"\bnews\b": "Events, changes",
    r"\bheld up\b": "delayed",
    r"\bcame to be\b": "became, was set",
    r"\bin the sight of\b": "seen by",
    r"\bteach(es)?\b|\btaught\b": "publish, inform",
}


class Text(NamedTuple):
    """One text of a file: a docstring, a comment, a literal with a space in it, or a line of a plain file."""

    path: Path
    line: int
    text: str


def texts_of_python(source: str, path: Path) -> Iterator[Text]:
    """The comments, docstrings and sentences among the literals of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(path, node.lineno, node.value)


def docstrings(source: str, path: Path) -> Iterator[Text]:
    """The docstrings of a module, its classes and functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield Text(path, getattr(node, "lineno", 1), ast.get_docstring(node) or "")


def lines(text: str, path: Path) -> Iterator[Text]:
    """The lines of a file without syntax of its own."""
    return (Text(path, number, line) for number, line in enumerate(text.splitlines(), start=1))


def faults(texts: Iterable[Text]) -> list[str]:
    """Each unwanted word: its place, the words around it, and what to write in its place."""
    return [
        f"{text.path.relative_to(ROOT)}:{text.line}: "
        f"...{text.text[max(0, match.start() - 30) : match.end() + 20]!r}...: {advice}"
        for text in texts
        for pattern, advice in WORDS.items()
        for match in re.finditer(pattern, text.text, re.IGNORECASE)
    ]


def python_files(folder: str) -> list[Path]:
    """The modules of *folder*; those of its folders too, unless these are cases of their own."""
    pattern = "*.py" if folder in {"app", "tests"} else "**/*.py"
    return sorted(path for path in (ROOT / folder).glob(pattern) if path != Path(__file__))


@pytest.mark.parametrize("folder", ["app", *PROGRAM_FOLDERS])
def test_python_is_in_plain_words(folder: str) -> None:
    """Comments, docstrings and messages of app/, benchmarks/ and supply_chain/."""
    texts = chain.from_iterable(texts_of_python(path.read_text(), path) for path in python_files(folder))

    assert faults(texts) == []


@pytest.mark.parametrize("folder", ["tests", *TEST_FOLDERS])
def test_tests_are_described_in_plain_words(folder: str) -> None:
    """Docstrings of tests; their literals may quote what a server or a person wrote."""
    texts = chain.from_iterable(docstrings(path.read_text(), path) for path in python_files(folder))

    assert faults(texts) == []


def test_files_for_users_are_in_plain_words() -> None:
    """The chart with its comments and notes, CRDs, manifests, Makefile, README and documentation."""
    texts = chain.from_iterable(lines(path.read_text(), path) for path in PLAIN_FILES + OTHER_FILES)

    assert faults(texts) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "As whom a server is asked, and whom is believed to be it",
        "the way from the API server to the webhook is not as it should be",
        "DAYS WITH MORE MEMORY / WHAT CAME",
        "the scraped steps of the source of each edge @@",
        "What has to be written next, told from what is stored",
        "Sign of need of a container that somebody asked for",
    ],
)
def test_riddles_are_found(sentence: str) -> None:
    """Sentences that the project once had."""
    assert faults([Text(ROOT / "app/example.py", 1, sentence)])


def test_comments_literals_and_docstrings_are_read() -> None:
    """A comment, a docstring and an f-string have one fault each; names in code are ignored."""
    source = '"""Whom it asks."""\n# told by it\nwhom = f"what came {1}"\nkey = "told"\n'

    found = faults(texts_of_python(source, ROOT / "app/example.py"))

    assert len(found) == 3
