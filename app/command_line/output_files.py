"""Files and folders that commands write: tried before their content is computed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import SettingsError


def check_output_file(argument: str, path: Path) -> None:
    """Raises SettingsError if no file can be written to *path*, which is the value of *argument*."""
    if not path.parent.is_dir():
        raise _fault(argument, path, f"no such folder: {str(path.parent)!r}")
    if path.is_dir():
        raise _fault(argument, path, "is a folder, add the name of a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _fault(argument, path, "cannot write the file: permission denied")


def check_output_folder(argument: str, path: Path) -> None:
    """Raises SettingsError if the folder *path* can't be written to, or can't be created."""
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise _fault(argument, path, f"{str(nearest)!r} is no folder")
    if not os.access(nearest, os.W_OK):
        raise _fault(argument, path, "cannot write to the folder: permission denied")


@contextmanager
def writing(argument: str, path: Path) -> Iterator[None]:
    """Raises SettingsError if what is done within can't write to *path*."""
    try:
        yield
    except OSError as error:
        raise _fault(argument, path, f"cannot write: {error}") from error


def _fault(argument: str, path: Path, reason: str) -> SettingsError:
    return SettingsError([f"{argument} is {str(path)!r}: {reason}"])
