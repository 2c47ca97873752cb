"""The unit tests of this tree on the packages of the image."""

import sysconfig
from pathlib import Path

from tests.image.build import REPOSITORY
from tests.image.container import Container, Mount
from tests.lanes import UNIT

TREE, TOOLS, HOOK = "/srv/tree", "/srv/tools", "/srv/hook"
# Test tools come after the image's packages, so that none of these is replaced.
SITECUSTOMIZE = f"import sys\nsys.path.append({TOOLS!r})\n"
# Packages of app/ that use, of all that the image has, only what others use too, so that it can't break these
# alone. The demo and the served product run them in the image.
OWN_LOGIC = frozenset(
    {"backtest", "decisions", "diagnosis", "domain", "history", "profiler", "recommendation", "rightsizing"}
)
LEFT_OUT = (
    *(f"tests/{package}" for package in sorted(OWN_LOGIC)),
    # Need the extra `dashboard`, which the image does not have.
    *("tests/charts", "tests/dashboard"),
    # Not about the installed packages: benchmarks, chart, documents, names, import contracts and style.
    *("tests/benchmarks", "tests/chart", "tests/image", "tests/public_surface", "tests/supply_chain"),
    *("tests/test_architecture.py", "tests/test_vocabulary.py"),
)


def unit_tests(container: Container, directory: Path, *, workers: int) -> list[str]:
    """The command that runs those that the image can break; *directory* gets what is mounted."""
    hook = directory / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(SITECUSTOMIZE)
    hook.chmod(0o755)
    mounts = [
        Mount(REPOSITORY, TREE),
        Mount(Path(sysconfig.get_path("purelib")), TOOLS),
        Mount(hook, HOOK),
    ]
    command = [
        "sh",
        "-c",
        f'cd {TREE} && exec python -m pytest "$@"',
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    options = [
        *("-m", UNIT),
        *("-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"),
        *(f"--ignore={path}" for path in LEFT_OUT),
    ]
    variables = {"PYTHONPATH": HOOK, "HOME": "/tmp/home", "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis"}
    return container.with_mounts(*mounts).command([*command, *options], variables)
