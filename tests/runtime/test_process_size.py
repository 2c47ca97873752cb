"""What a process loads: the webhook's stays small, and the program's help comes at once."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (("app.runtime.serving", "app.runtime.webhook_role"), {"numpy", "httpx", "jsonpatch"}),
        (("app.command_line.root",), {"numpy", "httpx", "uvicorn", "kubernetes_asyncio", "cryptography"}),
    ],
    ids=["webhook", "command-line"],
)
def test_heavy_libraries_are_loaded_only_by_who_needs_them(
    modules: tuple[str, ...], unwanted: set[str]
) -> None:
    """A fresh interpreter imports the modules, and none of these is among what came with them."""
    program = f"import sys, {', '.join(modules)}; print(*sorted({unwanted!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []
