"""The unit tests of this tree on the packages of the image."""

import sysconfig
from pathlib import Path

from tests.image.build import REPOSITORY
from tests.image.container import Container, Mount

TREE, TOOLS, HOOK = "/srv/tree", "/srv/tools", "/srv/hook"
# Test tools come after the image's packages, so that none of these is replaced.
SITECUSTOMIZE = f"import sys\nsys.path.append({TOOLS!r})\n"
# Not about the installed packages: chart, documents, import contracts and style.
LEFT_OUT = (
    "tests/chart",
    "tests/image",
    "tests/supply_chain",
    "tests/test_architecture.py",
    "tests/test_vocabulary.py",
)


def unit_tests(container: Container, directory: Path, *, workers: int) -> list[str]:
    """The command that runs them; *directory* gets what is mounted."""
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
        *("-m", "not prometheus and not chart and not cluster"),
        *("-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"),
        *(f"--ignore={path}" for path in LEFT_OUT),
    ]
    variables = {"PYTHONPATH": HOOK, "HOME": "/tmp/home", "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis"}
    return container.with_mounts(*mounts).command([*command, *options], variables)
