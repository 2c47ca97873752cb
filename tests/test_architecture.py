"""Import contracts hold, and each of them can be broken; modules are small and their classes named once."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
APP = REPOSITORY / "app"
MODULES = sorted(APP.rglob("*.py"))
PACKAGES = sorted(module for module in MODULES if module.name == "__init__.py")
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
PURE = "Pure modules do no I/O, and read no clock, environment or randomness"
# For each contract a module, and a line in it that breaks this contract.
VIOLATIONS = {
    "Layers": ("domain/profile_names.py", "import app.settings.types"),
    "Layers of the profiler": ("profiler/ports.py", "import app.profiler.checkpoints"),
    "Settings: a module per concern below the environment": (
        "settings/types.py",
        "import app.settings.leader",
    ),
    "No package has a circle of modules": ("tls/key_pairs.py", "import app.tls.renewal"),
    PURE: ("history/grid.py", "import time"),
    "Only app.kubernetes talks to the API server, only app.sources to Prometheus": (
        "profiler/cycle/cycle.py",
        "import httpx",
    ),
    "Only app.charts.render loads vl_convert: all else works without the extra": (
        "charts/usage_chart.py",
        "import vl_convert",
    ),
    "The webhook's process loads no numpy": ("http_server/protocol.py", "import numpy"),
}
LONGEST_MODULE = 400


def linter_settings() -> dict[str, Any]:
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    settings: dict[str, Any] = pyproject["tool"]["importlinter"]
    return settings


def contract(name: str) -> dict[str, Any]:
    """The contract with that name, as `pyproject.toml` has it."""
    (found,) = [one for one in linter_settings()["contracts"] if one["name"] == name]
    settings: dict[str, Any] = found
    return settings


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of the tree in *directory*."""
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def docstring(module: Path) -> str:
    return ast.get_docstring(ast.parse(module.read_text())) or ""


def dotted(module: Path) -> str:
    """`app.tls.keeper`; a package's name for its `__init__`."""
    return ".".join(module.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def test_the_import_contracts_are_kept() -> None:
    """Every contract is kept, and `VIOLATIONS` has a line that breaks it."""
    run = lint_imports(REPOSITORY)

    assert run.returncode == 0, run.stdout
    for name in VIOLATIONS:
        assert f"{name} KEPT" in run.stdout
    assert f"Contracts: {len(VIOLATIONS)} kept, 0 broken." in run.stdout


def test_a_broken_contract_would_be_noticed(tmp_path: Path) -> None:
    """With one forbidden line per contract in a copy of the tree, every contract is broken."""
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for name, line in VIOLATIONS.values():
        module = tmp_path / "app" / name
        module.write_text(f"{module.read_text()}\n{line}\n")

    run = lint_imports(tmp_path)

    assert run.returncode == 1
    for name in VIOLATIONS:
        assert f"{name} BROKEN" in run.stdout
    assert f"Contracts: 0 kept, {len(VIOLATIONS)} broken." in run.stdout


def test_purity_holds_through_other_modules(tmp_path: Path) -> None:
    """A module that a pure module imports must not read the clock either: the chain is reported."""
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    errors = tmp_path / "app" / "errors.py"
    errors.write_text(f"{errors.read_text()}\nimport time\n")

    run = lint_imports(tmp_path)

    assert f"{PURE} BROKEN" in run.stdout
    assert "app.errors -> time" in run.stdout


def test_every_package_has_its_layer() -> None:
    """A package in no layer could import, and be imported by, any other."""
    named = {name.strip() for layer in contract("Layers")["layers"] for name in layer.split("|")}

    present = {
        f"app.{path.stem}" for path in APP.iterdir() if path.suffix == ".py" and path.stem != "__init__"
    }
    present |= {f"app.{path.parent.name}" for path in APP.glob("*/__init__.py")}
    assert named == present


def test_every_module_that_says_pure_is_under_the_contract() -> None:
    """A module that a docstring calls pure, its own or its package's, is in the purity contract."""
    checked = set(contract(PURE)["source_modules"])
    unchecked = []
    for module in MODULES[1:]:  # the root's docstring describes other packages
        for sentence in re.split(r"(?<=[.:;])\s", docstring(module)):
            if re.search(r"\bpure\b", sentence, re.IGNORECASE):
                submodules = re.findall(r"`(\w+)`", sentence) if module.name == "__init__.py" else []
                named = [f"{dotted(module)}.{name}" for name in submodules] or [dotted(module)]
                unchecked += [name for name in named if not _is_checked(name, checked)]

    assert unchecked == []


def test_pure_modules_read_no_clock_and_draw_no_randomness() -> None:
    """Calls that no import shows: `datetime.now`, generators of numpy and of the cryptography library."""
    impure = re.compile(
        r"\.now\(|\.utcnow\(|\.today\(|default_rng|np\.random|generate_private_key|random_serial|open\("
    )
    checked = set(contract(PURE)["source_modules"])
    pure = [module for module in MODULES if _is_checked(dotted(module), checked)]

    assert [
        (dotted(module), call[0]) for module in pure for call in impure.finditer(module.read_text())
    ] == []


def _is_checked(name: str, checked: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in checked)


def test_every_folder_of_modules_is_a_package() -> None:
    """Each folder has an `__init__.py` with its law."""
    assert [str(module) for module in MODULES if not (module.parent / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES, ids=dotted)
def test_a_package_states_its_law_and_exports_nothing(package: Path) -> None:
    """An `__init__.py` holds a docstring of a sentence or more, and no code: names have one import path."""
    tree = ast.parse(package.read_text())

    assert len(docstring(package).split()) >= 4
    assert len(tree.body) == 1


def test_the_layers_are_described_where_they_are_read_first() -> None:
    """The docstring of `app` names every package and module beside it."""
    described = docstring(APP / "__init__.py")

    names = {path.parent.name for path in APP.glob("*/__init__.py")}
    names |= {path.stem for path in APP.glob("*.py")} - {"__init__"}
    assert {name for name in names if name not in described} == set()


def test_every_module_says_what_it_is() -> None:
    """Its docstring has four words or more."""
    described = {str(module): docstring(module) for module in MODULES}

    assert [module for module, text in described.items() if len(text.split()) < 4] == []


def test_every_public_class_has_a_name_of_its_own() -> None:
    """A class name leads to one module."""
    homes = defaultdict(list)
    for module in MODULES:
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(dotted(module))

    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_every_module_is_small() -> None:
    """At most 400 lines."""
    lines = {str(module): len(module.read_text().splitlines()) for module in MODULES}

    assert {module: count for module, count in lines.items() if count > LONGEST_MODULE} == {}
