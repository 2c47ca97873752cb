"""A file that can't be written is named before anything is read for it."""

from pathlib import Path

import pytest

from app.command_line.output_files import writing
from app.errors import SettingsError
from tests.command_line.conftest import Program

_NOTHING = ("--history", "/nowhere/usage.npz")  # an error of its own, if it were read first
_FILES = [
    ("FILE", "report.html", ("report", "{}", *_NOTHING)),
    ("--output", "usage.npz", ("record", "--output", "{}", "--prometheus-url", "http://127.0.0.1:9")),
    ("--plot", "web.svg", ("explain", "shop/web", "--plot", "{}", *_NOTHING)),
    ("--plot", "web.png", ("backtest", "--plot", "{}", *_NOTHING)),
]


def _fault(program: Program, arguments: tuple[str, ...], path: Path) -> str:
    outcome = program.run(*(str(path) if argument == "{}" else argument for argument in arguments))

    assert outcome.code == 2
    [line] = outcome.err.splitlines()
    return line.removeprefix("job-profiler: ")


@pytest.mark.parametrize(("argument", "name", "command"), _FILES)
def test_a_file_in_no_folder(
    program: Program, tmp_path: Path, argument: str, name: str, command: tuple[str, ...]
) -> None:
    """Exit code 2, and one sentence with the folder that does not exist."""
    folder = tmp_path / "no"

    fault = _fault(program, command, folder / name)

    assert fault == f"{argument} is '{folder / name}': no such folder: '{folder}'"


@pytest.mark.parametrize(("argument", "name", "command"), _FILES[:3])
def test_a_folder_in_place_of_a_file(
    program: Program, tmp_path: Path, argument: str, name: str, command: tuple[str, ...]
) -> None:
    """Exit code 2, and one sentence; `backtest` writes several plots to a folder."""
    (tmp_path / name).mkdir()

    assert _fault(program, command, tmp_path / name) == (
        f"{argument} is '{tmp_path / name}': is a folder, add the name of a file"
    )


def test_a_folder_below_a_file(program: Program, tmp_path: Path) -> None:
    """`backtest` can't create it: exit code 2, and one sentence with the file."""
    (tmp_path / "plots").touch()
    folder = tmp_path / "plots" / "new"

    fault = _fault(program, ("backtest", "--plot", "{}", *_NOTHING), folder)

    assert fault == f"--plot is '{folder}': '{tmp_path / 'plots'}' is no folder"


def test_a_file_that_fails_when_it_is_written() -> None:
    """What only writing shows is the same sentence: /proc takes no new file, not even from root."""
    path, fault = Path("/proc/web.svg"), "--plot is '/proc/web.svg': cannot write: "

    with pytest.raises(SettingsError, match=fault), writing("--plot", path):
        path.write_bytes(b"")
