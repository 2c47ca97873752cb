"""The folder of a release: only an earlier release is removed from it."""

from pathlib import Path

import pytest

from supply_chain.release_folder import ForeignFileError, files_in, make_empty

EARLIER = (
    "kubernetes_job_profiler-0.0.1-py3-none-any.whl",
    "kubernetes_job_profiler-0.0.1.tar.gz",
    "job-profiler-0.0.1.tgz",
    "job-profiler-0.0.1-linux-arm64.tar",
    "job-profiler.yaml",
    "job-profiler.crds.yaml",
    "job-profiler.admission-policies.yaml",
    "kubernetes-job-profiler-0.0.1.wheel.cdx.json",
    "SHA256SUMS",
)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    """With the folders above it."""
    make_empty(tmp_path / "a" / "dist")

    assert list((tmp_path / "a" / "dist").iterdir()) == []


def test_an_earlier_release_is_removed_and_the_site_stays(tmp_path: Path) -> None:
    """Each file of a release, of any version; `make docs` writes its site below the same folder."""
    for name in EARLIER:
        (tmp_path / name).write_text("old")
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("page")

    make_empty(tmp_path)

    assert list(files_in(tmp_path)) == []
    assert page.read_text() == "page"


@pytest.mark.parametrize("name", ["thesis.txt", ".profile", "job-profiler.yml", "other-0.1.0.tgz"])
def test_a_folder_with_anything_else_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    """The error names the file; the earlier release beside it stays too."""
    for file in (name, "job-profiler-0.0.1.tgz"):
        (tmp_path / file).write_text("kept")

    with pytest.raises(ForeignFileError, match=f"left as it is: {name}$"):
        make_empty(tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([name, "job-profiler-0.0.1.tgz"])


def test_a_file_in_place_of_the_folder_stays(tmp_path: Path) -> None:
    """It is not removed to make a folder of its name."""
    (tmp_path / "dist").write_text("kept")

    with pytest.raises(FileExistsError):
        make_empty(tmp_path / "dist")

    assert (tmp_path / "dist").read_text() == "kept"
