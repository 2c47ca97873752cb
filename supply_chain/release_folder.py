"""The folder of a release: which files of it are a release's."""

from collections.abc import Iterator
from pathlib import Path

CHECKSUMS = "SHA256SUMS"
_FILES = (
    "kubernetes_job_profiler-*.whl",
    "kubernetes_job_profiler-*.tar.gz",
    "job-profiler-*.tgz",
    "job-profiler-*.tar",
    "job-profiler.yaml",
    "job-profiler.*.yaml",
    "kubernetes-job-profiler-*.cdx.json",
    CHECKSUMS,
)


class ForeignFileError(Exception):
    """The folder has a file that is not a release's."""


def make_empty(directory: Path) -> None:
    """Makes the folder, or removes an earlier release from it; folders below it stay, such as `site`.

    Nothing is removed if any file is of another kind: the folder may have been named by mistake.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if foreign := [file.name for file in files_in(directory) if not any(map(file.match, _FILES))]:
        raise ForeignFileError(
            f"{directory} has files that are not of a release, and is left as it is: {', '.join(foreign)}"
        )
    for file in files_in(directory):
        file.unlink()


def files_in(directory: Path) -> Iterator[Path]:
    """The files by their names, without folders."""
    return (path for path in sorted(directory.iterdir()) if not path.is_dir())
