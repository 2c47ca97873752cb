"""Writes the files of a release, and publishes nothing: `python -m supply_chain.dist DIRECTORY ...`.

`DIRECTORY` gets the wheel and the source archive, the chart's package, the plain manifests, the image, the
bills of materials and `SHA256SUMS`, in place of an earlier release; if it has any other file, nothing is
changed. The same commit gives the same bytes, but for what the image has from its base.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from hashlib import file_digest
from pathlib import Path

from supply_chain import sbom
from supply_chain.image_archive import ImageName, platform_of, write_archive
from supply_chain.release_folder import CHECKSUMS, ForeignFileError, files_in, make_empty
from supply_chain.source_date import VARIABLE, source_date_epoch

SOURCE = Path(__file__).parents[1]
CHART = SOURCE / "charts" / "job-profiler"
MANIFESTS = SOURCE / "webhook-config"
IMAGE = "job-profiler"
MEGABYTE = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Writes the files, and lists them."""
    parser = argparse.ArgumentParser(description="Writes the files of a release.")
    parser.add_argument("directory", type=Path, help="where they are written, in place of an earlier release")
    parser.add_argument("--builder", type=Path, required=True, help="the Python that has hatchling")
    parser.add_argument("--helm", type=Path, required=True, help="Helm 4")
    parser.add_argument("--image-layout", type=Path, required=True, help="the image as an OCI layout")
    parser.add_argument("--image-root", type=Path, required=True, help="the root file system of the image")
    options = parser.parse_args(arguments)
    directory: Path = options.directory
    timestamp = source_date_epoch(SOURCE)
    os.environ[VARIABLE] = str(timestamp)  # hatchling and the bills of materials read it
    try:
        make_empty(directory)
    except (ForeignFileError, OSError) as error:
        sys.exit(f"error: {error}")

    build_packages(options.builder, directory)
    package_chart(options.helm, directory, timestamp)
    write_manifests(directory)
    name = ImageName(IMAGE, _version())
    archive = directory / f"{IMAGE}-{name.tag}-{platform_of(options.image_layout)}.tar"
    write_archive(options.image_layout, archive, name, timestamp=timestamp)
    sbom.main([str(directory), "--image-root", str(options.image_root)])
    write_checksums(directory)
    for file in files_in(directory):
        print(f"{file.stat().st_size / MEGABYTE:9.3f} MB  {file}")
    return 0


def build_packages(builder: Path, directory: Path) -> None:
    """The wheel and the source archive, by the hatchling of requirements-build.lock and without a network."""
    _run([builder, "-m", "hatchling", "build", "--directory", directory.absolute()])


def package_chart(helm: Path, directory: Path, timestamp: int) -> None:
    """The chart with the licence; the package has the files' times, which each checkout sets anew."""
    with tempfile.TemporaryDirectory() as temporary:
        chart = Path(temporary) / CHART.name
        shutil.copytree(CHART, chart)
        shutil.copy(SOURCE / "LICENSE", chart)
        for path in chart.rglob("*"):
            os.utime(path, (timestamp, timestamp))
        _run([helm, "package", chart, "--destination", directory.absolute()])


def write_manifests(directory: Path) -> None:
    """The plain manifests, a file for each `kubectl apply`: all objects, the CRDs alone, the policies."""
    _write_joined(directory / "job-profiler.yaml", MANIFESTS.glob("*.yaml"))
    _write_joined(directory / "job-profiler.crds.yaml", (SOURCE / "crds").glob("*.yaml"))
    _write_joined(directory / "job-profiler.admission-policies.yaml", (MANIFESTS / "policies").glob("*.yaml"))


def _write_joined(file: Path, parts: Iterable[Path]) -> None:
    """One stream of documents, by the parts' names; comments above a part's first one come first, once."""
    comments, documents = dict[str, None](), list[str]()
    for part in sorted(parts):
        text = part.read_text()
        head, _, rest = text.partition("---\n") if text.startswith("#") else ("", "", text)
        comments |= dict.fromkeys(head.splitlines(keepends=True))
        documents.append(f"---\n{rest}")
    file.write_text("".join([*comments, *documents]))


def write_checksums(directory: Path) -> None:
    """SHA256SUMS, as `sha256sum --check` reads it."""
    lines = []
    for file in files_in(directory):
        with file.open("rb") as content:
            lines.append(f"{file_digest(content, 'sha256').hexdigest()}  {file.name}\n")
    (directory / CHECKSUMS).write_text("".join(lines))


def _version() -> str:
    version: str = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    return version


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, cwd=SOURCE, check=False, stdout=subprocess.DEVNULL)
    if done.returncode != 0:  # the program has said why
        sys.exit(f"error: {Path(command[0]).name} ended with {done.returncode}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
