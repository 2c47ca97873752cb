"""The files of a release, written from the image: what a user gets is what was tested."""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.rendered import project_version
from tests.cluster.helm import Helm
from tests.image.build import IMAGE, REPOSITORY, write_layout
from tests.image.buildah import Buildah
from tests.image.container import Container
from tests.parts.locate import is_continuous_integration
from tests.supply_chain.environment import run_program

pytestmark = [pytest.mark.image, pytest.mark.timeout(900), pytest.mark.chart]

VERSION = project_version()
NAME = "kubernetes_job_profiler"
FILES = {
    f"{NAME}-{VERSION}-py3-none-any.whl",
    f"{NAME}-{VERSION}.tar.gz",
    f"job-profiler-{VERSION}.tgz",
    f"job-profiler-{VERSION}-linux-amd64.tar",
    "job-profiler.yaml",
    "job-profiler.crds.yaml",
    "job-profiler.admission-policies.yaml",
    f"kubernetes-job-profiler-{VERSION}.wheel.cdx.json",
    f"kubernetes-job-profiler-{VERSION}.image.cdx.json",
    "SHA256SUMS",
}
BUILDER = REPOSITORY / ".venv" / "build" / "bin" / "python"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def layout(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as an OCI layout."""
    directory = tmp_path_factory.mktemp("image") / "layout"
    write_layout(buildah, directory)
    return directory


def write_dist(directory: Path, layout: Path, container: Container, helm: Helm) -> None:
    """What `make dist` does once the image is built."""
    if not BUILDER.exists():
        (pytest.fail if is_continuous_integration() else pytest.skip)("run `make .venv/build.stamp`")
    image = (f"--image-layout={layout}", f"--image-root={container.root}")
    done = run_program("dist", directory, f"--builder={BUILDER}", f"--helm={helm.binary}", *image)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def dist(layout: Path, container: Container, helm4: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, in which an older release was."""
    directory = tmp_path_factory.mktemp("dist")
    (directory / "job-profiler-0.0.1.tgz").write_text("old")
    write_dist(directory, layout, container, helm4)
    return directory


def test_the_folder_has_the_release_and_nothing_else(dist: Path) -> None:
    """Ten files; `sha256sum` finds each of the other nine as SHA256SUMS lists it."""
    checked = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)

    assert {file.name for file in dist.iterdir()} == FILES
    assert checked.splitlines() == [f"{name}: OK" for name in sorted(FILES - {"SHA256SUMS"})]


def test_a_second_run_writes_the_same(
    dist: Path, layout: Path, container: Container, helm4: Helm, tmp_path: Path
) -> None:
    """In place of the first one; no file has the time or the place at which it was written."""
    shutil.copytree(dist, tmp_path / "again")
    write_dist(tmp_path / "again", layout, container, helm4)

    assert (tmp_path / "again" / "SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


def test_the_wheel_runs_the_demo_in_an_empty_environment(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the locked packages and nothing of the checkout, both commands are there; the demo annotates."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    install = (programs / "python", "-m", "pip", "install", "--no-compile")
    run(*install, "--require-hashes", "--requirement", REPOSITORY / "requirements.lock", cwd=tmp_path)
    run(*install, "--no-index", "--no-deps", dist / f"{NAME}-{VERSION}-py3-none-any.whl", cwd=tmp_path)

    demonstrated = run(programs / "job-profiler", "demo", cwd=tmp_path)
    with capsys.disabled():
        print(f"\n{demonstrated}")

    assert "liqo.io/cpuProfile" in demonstrated
    assert run(programs / "kubectl-job_profiler", "--version", cwd=tmp_path).split()[-1] == VERSION
    assert run(programs / "python", "-m", "pip", "check", cwd=tmp_path).strip() == (
        "No broken requirements found."
    )


@pytest.fixture
def source(dist: Path, tmp_path: Path) -> Path:
    """The unpacked source archive."""
    with tarfile.open(dist / f"{NAME}-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / f"{NAME}-{VERSION}"


def test_the_source_archive_is_the_tracked_tree(source: Path) -> None:
    """What git tracks and the package's metadata: no file of the checkout is missing, and none slipped in."""
    if not (REPOSITORY / ".git").exists():
        (pytest.fail if is_continuous_integration() else pytest.skip)("the checkout has no history")
    packed = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}

    assert packed == {*run("git", "ls-files", cwd=REPOSITORY).splitlines(), "PKG-INFO"}


def test_the_source_archive_builds_the_same_wheel(dist: Path, source: Path) -> None:
    """Whoever builds from it gets the bytes that were tested, at the time of the wheel's files."""
    wheel = f"{NAME}-{VERSION}-py3-none-any.whl"
    seconds = str(int((source / "pyproject.toml").stat().st_mtime))
    build = (BUILDER, "-m", "hatchling", "build", "--target", "wheel", "--directory", source / "built")
    run("env", f"SOURCE_DATE_EPOCH={seconds}", *build, cwd=source)

    assert (source / "built" / wheel).read_bytes() == (dist / wheel).read_bytes()


def test_the_chart_package_is_the_chart(dist: Path, helm4: Helm) -> None:
    """It renders what the chart's folder renders, and has the licence."""
    package = dist / f"job-profiler-{VERSION}.tgz"
    values = {"image": {"repository": "registry.example/job-profiler"}}
    chart = REPOSITORY / "charts" / "job-profiler"
    with tarfile.open(package) as archive:
        licence = archive.extractfile("job-profiler/LICENSE")
        assert licence
        assert licence.read() == (REPOSITORY / "LICENSE").read_bytes()

    assert helm4.template(package, values=values) == helm4.template(chart, values=values)


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("job-profiler.yaml", "webhook-config/*.yaml"),
        ("job-profiler.crds.yaml", "crds/*.yaml"),
        ("job-profiler.admission-policies.yaml", "webhook-config/policies/*.yaml"),
    ],
)
def test_each_manifest_file_has_the_objects_of_its_parts(dist: Path, file: str, parts: str) -> None:
    """In the order of the parts' names, in which prerequisites come first, and without empty documents."""
    expected = [
        document
        for part in sorted(REPOSITORY.glob(parts))
        for document in yaml.safe_load_all(part.read_text())
        if document
    ]

    assert list(yaml.safe_load_all((dist / file).read_text())) == expected


@pytest.fixture(scope="module")
def other_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """A storage of its own, as on another machine; it needs a gigabyte, and is removed."""
    directory = tmp_path_factory.mktemp("storage")
    yield Buildah(directory)
    shutil.rmtree(directory)


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_engines_load_the_archive(
    dist: Path, other_storage: Buildah, buildah: Buildah, transport: str
) -> None:
    """As OCI layout and as `docker save`, it is the tested image: its configuration has the same digest."""
    archive = dist / f"job-profiler-{VERSION}-linux-amd64.tar"
    loaded = other_storage.run("pull", f"{transport}:{archive}").splitlines()[-1]

    assert f"sha256:{loaded}" == buildah.run("images", "--quiet", "--no-trunc", IMAGE)
