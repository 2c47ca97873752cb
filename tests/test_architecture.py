"""The layers hold, and a line that broke them would be noticed; modules are small and say what they are."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
APP = REPOSITORY / "app"
MODULES = sorted(APP.rglob("*.py"))
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
# For each contract a module of its own, and a line there that would break it.
VIOLATIONS = {
    "Layers": ("domain/names.py", "import app.settings.environment"),
    "Pure packages do no I/O": ("estimation/grid.py", "import logging"),
    "Only app.kubernetes talks to the API server, only app.sources to Prometheus": (
        "profiler/cycle.py",
        "import httpx",
    ),
    "The webhook carries no numpy": ("webhook/reviews.py", "import numpy"),
}
LONGEST_MODULE = 400


def settings_of_linter() -> dict[str, Any]:
    linter: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"][
        "importlinter"
    ]
    return linter


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """The import contracts of the tree in *directory*; its `app` is the one that is found."""
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_import_contracts_are_kept() -> None:
    """All four of them, and no fifth that this file does not try to break."""
    run = lint_imports(REPOSITORY)

    assert run.returncode == 0, run.stdout
    for contract in VIOLATIONS:
        assert f"{contract} KEPT" in run.stdout
    assert f"Contracts: {len(VIOLATIONS)} kept, 0 broken." in run.stdout


def test_a_broken_contract_would_be_noticed(tmp_path: Path) -> None:
    """One forbidden line per contract in a copy of the tree: each of the four is told as broken."""
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for name, line in VIOLATIONS.values():
        module = tmp_path / "app" / name
        module.write_text(f"{module.read_text()}\n{line}\n")

    run = lint_imports(tmp_path)

    assert run.returncode == 1
    for contract in VIOLATIONS:
        assert f"{contract} BROKEN" in run.stdout
    assert f"Contracts: 0 kept, {len(VIOLATIONS)} broken." in run.stdout


def test_every_package_has_its_layer() -> None:
    """A package that no layer names could import, and be imported by, anybody."""
    (layers,) = [each["layers"] for each in settings_of_linter()["contracts"] if each["type"] == "layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}

    present = {
        f"app.{path.stem}" for path in APP.iterdir() if path.suffix == ".py" and path.stem != "__init__"
    }
    present |= {f"app.{path.parent.name}" for path in APP.glob("*/__init__.py")}
    assert named == present


def test_every_folder_of_modules_is_a_package() -> None:
    """With an `__init__.py` that states its law."""
    assert [str(module) for module in MODULES if not (module.parent / "__init__.py").exists()] == []


def test_the_layers_are_described_where_they_are_read_first() -> None:
    """The docstring of `app` names every package."""
    described = ast.get_docstring(ast.parse((APP / "__init__.py").read_text())) or ""

    packages = {path.parent.name for path in APP.glob("*/__init__.py")}
    assert {name for name in packages if name not in described} == set()


def test_every_module_says_what_it_is() -> None:
    """Its docstring is a sentence, a package's too."""
    described = {module: ast.get_docstring(ast.parse(module.read_text())) or "" for module in MODULES}

    assert [str(module) for module, text in described.items() if len(text.split()) < 4] == []


def test_every_module_is_small() -> None:
    """At most 400 lines, which a person reads at one sitting."""
    lines = {str(module): len(module.read_text().splitlines()) for module in MODULES}

    assert {module: count for module, count in lines.items() if count > LONGEST_MODULE} == {}
