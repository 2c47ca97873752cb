"""README and documentation agree with the program: commands, options, make targets and paths."""

import re
import subprocess
from pathlib import Path

import pytest

from docs.references.commands import commands
from tests.page_commands import DOCUMENTS, PAGES, README, ROOT, TYPED, blocks, program_calls


def name_of(page: Path) -> str:
    """The path below the repository, as the name of a test's case."""
    return str(page.relative_to(ROOT))


def test_the_readme_is_short() -> None:
    """At most 150 lines: everything else is in docs/."""
    assert len(README.read_text().splitlines()) <= 150


def test_every_command_is_shown() -> None:
    """The page on the command line shows each command once or more."""
    page = (PAGES / "command-line.md").read_text()

    assert {name for name, _ in program_calls(page)} >= commands().keys()


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_calls_of_the_program_name_commands_and_options_that_exist(page: Path) -> None:
    """Each `job-profiler COMMAND --option` in code, also in a sentence."""
    options = {
        name: {"--help", *(option for parameter in command.params for option in parameter.opts)}
        for name, command in commands().items()
    }
    calls = program_calls(page.read_text())

    assert [name for name, _ in calls if name not in options] == []
    assert [(name, option) for name, given in calls for option in given if option not in options[name]] == []


def test_unknown_options_are_found() -> None:
    """In a block, in a sentence and behind `kubectl exec`."""
    page = "`job-profiler plan --x`\n```shell\nkubectl exec a -- job-profiler status -q\n```\n"

    assert list(program_calls(page)) == [("plan", ["--x"]), ("status", ["-q"])]


def test_every_make_target_that_is_named_exists() -> None:
    """README, CONTRIBUTING and documentation name only targets of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    text = "\n".join(page.read_text() for page in (*DOCUMENTS, ROOT / "CONTRIBUTING.md"))

    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, flags=re.MULTILINE))

    assert named <= targets
    assert {"demo", "test", "docs", "references"} <= named


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_every_command_is_in_a_block_of_its_kind(page: Path) -> None:
    """No line of another block is a command; tests/e2e/test_sandbox.py runs the blocks without a reason."""
    programs = ("job-profiler", "kubectl", "helm", "make", "docker", "$ ", "source")
    others = re.sub(r"^```(?:shell|console)\n.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)

    assert [line for line in others.splitlines() if line.startswith(programs)] == []


def test_blocks_that_are_not_run_have_a_reason() -> None:
    """In pages whose commands are typed, these reasons and no others."""
    assert {block.reason for page in TYPED for block in blocks(page.read_text()) if block.reason} == {
        "`make test` runs this page's commands itself",
        "`make test` runs the demo itself",
        "`make test` starts a sandbox itself",
        "needs a container engine and a registry",
        "the account is yours",
    }


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_the_syntax_of_each_command_is_valid(page: Path) -> None:
    """A shell parses all commands; each path in them that looks like one of the repository's exists there."""
    commands = "\n".join(command for block in blocks(page.read_text()) for command in block.commands)
    parsed = subprocess.run(["bash", "-n", "-c", commands], capture_output=True, text=True, check=False)

    assert parsed.stderr == ""
    paths = re.findall(r"(?<![\w./-])(?:charts|webhook-config|crds|app)/[\w./-]*", commands)
    assert [path for path in paths if not (ROOT / path).exists()] == []
