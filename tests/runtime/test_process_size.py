"""The modules that a process loads: the webhook stays small, and the program's help is fast."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (("app.runtime.serving", "app.runtime.webhook_role"), {"numpy", "httpx", "jsonpatch"}),
        (("app.command_line.profile",), {"aiohttp", "kubernetes_asyncio", "cryptography"}),
        (("app.command_line.root",), {"numpy", "httpx", "uvicorn", "kubernetes_asyncio", "cryptography"}),
    ],
    ids=["webhook", "profile", "command-line"],
)
def test_heavy_libraries_are_loaded_only_if_they_are_used(
    modules: tuple[str, ...], unwanted: set[str]
) -> None:
    """In a fresh interpreter, importing the modules loads none of the unwanted libraries."""
    program = f"import sys, {', '.join(modules)}; print(*sorted({unwanted!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []


def test_the_generated_classes_of_the_client_library_are_not_loaded() -> None:
    """Of the client library, only the package and its transport are loaded, no module of API objects.

    Fewer than 30 of its modules are read from files; with the generated ones it would be about 800.
    """
    program = (
        "import sys, app.kubernetes.client; "
        "print(*(n for n, m in sys.modules.items() if n.startswith('kubernetes_asyncio') "
        "and getattr(m, '__file__', None)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = loaded.stdout.split()

    assert "kubernetes_asyncio.client.rest" in names
    assert not [name for name in names if ".models" in name or ".client.api." in name]
    assert len(names) < 30


def test_serve_does_not_load_rich() -> None:
    """For colours, structlog would import rich, 4 MB; `serve` marks rich as not installed before that."""
    program = (
        "import sys, types; "
        "sys.modules['app.runtime.serving'] = types.SimpleNamespace(serve=lambda settings: None); "
        "from app.command_line.root import serve; from app.settings.environment import Settings; "
        "serve.__wrapped__(Settings(role='webhook')); "
        "import structlog; print(structlog.dev.rich, sys.modules['rich'])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["None", "None"]
