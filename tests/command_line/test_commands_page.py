"""docs/pages/commands.md: each command block is run against a fake cluster, and prints what the page has."""

import re
import shlex
from pathlib import Path

import pytest

from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against, serve_cluster
from tests.kubernetes.fake_api_server import FakeApiServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pages" / "commands.md").read_text()
BLOCKS = dict(re.findall(r"```console\n\$ job-profiler (.*?)\n(.*?)```", PAGE, flags=re.DOTALL))


def test_every_question_has_its_output() -> None:
    """At 80 columns."""
    assert {command.split()[0] for command in BLOCKS} == {
        *("savings", "plan", "connections", "changes", "export", "diff")
    }
    assert all(len(line) <= 80 for output in BLOCKS.values() for line in output.splitlines())


@pytest.mark.parametrize("command", BLOCKS)
async def test_the_output_is_that_of_the_page(
    program: Program,
    api_server: FakeApiServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """`diff` reads two plans, the second with a lower ceiling for CPU; `--history` a file of `app`."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("app").symlink_to(ROOT / "app")
    serve_cluster(api_server, "shop")
    serve_cluster(api_server)
    arguments: list[object] = [*shlex.split(command)]
    if arguments[0] == "diff":
        plan = ("plan", "-n", "shop", "-o", "json")
        for name, more in (("before", ()), ("after", ("--scheduling-cpu-ceiling", "1200m"))):
            printed = await program.run_beside(*against(api_server, tmp_path, *plan, *more))
            tmp_path.joinpath(f"{name}.json").write_text(printed.out)
    else:
        arguments = against(api_server, tmp_path, *arguments)

    outcome = await program.run_beside(*arguments)

    assert outcome.out + outcome.err == BLOCKS[command]
