"""The modules that a process loads: the webhook stays small, and the program's help is fast."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (("app.runtime.serving", "app.runtime.webhook_role"), {"numpy", "httpx", "jsonpatch"}),
        (
            ("app.command_line.profile",),
            {"aiohttp", "kubernetes_asyncio", "cryptography", "yaml", "prometheus_client"},
        ),
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


@pytest.mark.parametrize(
    ("arguments", "exit_code", "library"),
    [(["serve", "--role=webhook"], 0, "structlog"), (["profile", "--output=no"], 2, "httpx")],
    ids=["serve", "profile"],
)
def test_a_command_loads_no_console_of_rich(arguments: list[str], exit_code: int, library: str) -> None:
    """Two libraries load it for colours and a command line, with click and pygments: 4 MB, and .1 s.

    `serve` is replaced by nothing, and `profile` ends at a wrong option after its modules are loaded.
    """
    program = (
        "import sys, types; "
        "sys.modules['app.runtime.serving'] = types.SimpleNamespace(serve=lambda settings: None); "
        f"sys.argv = ['job-profiler', *{arguments!r}]; "
        "from app.command_line.root import main\n"
        "try: main()\n"
        "finally: unused = {'rich.console', 'click', 'pygments'}; "
        f"print({library!r} in sys.modules, *unused & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout.split()) == (exit_code, ["True"]), run.stderr


def test_a_library_is_complete_after_a_lean_import() -> None:
    """The library httpx is whole but for its command line, and click can be imported afterwards."""
    program = (
        "from app.lean_imports import import_without; import_without('click', 'httpx'); "
        "import httpx, click; print(httpx.AsyncClient.__name__, click.Command.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["AsyncClient", "Command"]
