"""Test modules are independent of each other: shared code is in modules without tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent


def imported_modules(source: str) -> Iterator[str]:
    """The dotted names that a module imports; for `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_test_module_is_imported() -> None:
    """No module of tests/ or benchmarks/ imports a test module."""
    test_modules = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in TESTS.rglob("test_*.py")
    }
    modules = [*TESTS.rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py")]

    imports = {
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in modules
        for name in imported_modules(path.read_text())
        if name in test_modules
    }

    assert imports == set()
