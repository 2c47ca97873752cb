"""The README agrees with the program: settings, commands, make targets and links."""

import re
import subprocess
from pathlib import Path

import pytest

from app.command_line.options import default_text
from app.command_line.root import program
from app.settings.environment import Settings
from tests.readme_commands import blocks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table(name: str) -> None:
    """The row has the variable, the default and the description of the setting."""
    field = Settings.model_fields[name]

    assert f"| `{name.upper()}` | {default_text(field.default)} | {field.description} |" in README


def test_every_command_is_shown() -> None:
    """The README shows each command once or more, and no command that does not exist."""
    commands = {command.callback.__name__ for command in program.registered_commands if command.callback}

    assert commands == set(re.findall(r"^(?:source <\()?job-profiler ([a-z]+)", README, flags=re.MULTILINE))


def test_every_make_target_that_is_named_exists() -> None:
    """README and CONTRIBUTING name only targets of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    text = README + (ROOT / "CONTRIBUTING.md").read_text()

    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, flags=re.MULTILINE))

    assert named
    assert named <= targets
    assert {"demo", "test"} <= named


def test_links_lead_to_files_that_exist() -> None:
    """Every relative link of the README is a path in the repository."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_is_in_a_block_of_its_kind() -> None:
    """No line of another block is a command; tests/e2e/test_sandbox.py runs the blocks without a reason."""
    programs = ("job-profiler", "kubectl", "helm", "make", "docker", "$ ", "source")
    others = re.sub(r"```(?:shell|console)\n.*?```", "", README, flags=re.DOTALL)

    assert [line for line in others.splitlines() if line.startswith(programs)] == []
    assert [block.reason for block in blocks(README) if block.reason] == [
        "`make test` runs this page's commands itself",
        "needs a container engine and a registry",
    ]


@pytest.mark.parametrize("command", [command for block in blocks(README) for command in block.commands])
def test_the_syntax_of_each_command_is_valid(command: str) -> None:
    """A shell parses it; each path in it that looks like one of the repository's exists there."""
    parsed = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)

    assert parsed.stderr == ""
    paths = re.findall(r"(?<![\w./-])(?:charts|webhook-config|crds|app)/[\w./-]*", command)
    assert [path for path in paths if not (ROOT / path).exists()] == []
