"""The base and the program's image, as `docker build` would make it."""

import os
from pathlib import Path

from supply_chain.source_date import source_date_epoch
from tests.image.buildah import Buildah
from tests.parts.commands import run
from tests.parts.debian import archives
from tests.parts.locate import Part, cache_directory, require

REPOSITORY = Path(__file__).parents[2]
RELEASE = "bookworm"
BASE = "localhost/job-profiler-base"
IMAGE = "localhost/job-profiler"
# What the official Python image has, and what Debian's needs to look like it.
PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
LOOKS_LIKE_THE_OFFICIAL_IMAGE = "ln -s python3 /usr/bin/python && rm /usr/lib/python3*/EXTERNALLY-MANAGED"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"


def storage() -> Buildah:
    """The storage of this project's images, in the cache: the base is made once per machine."""
    directory = cache_directory() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    return Buildah(directory)


def build_base(buildah: Buildah, directory: Path) -> None:
    """Makes the base image, unless the storage has it."""
    if buildah.has(BASE):
        return
    archive = directory / "base.tar"
    packages = f"--include={','.join(PACKAGES)}"
    mmdebstrap = str(require(Part.MMDEBSTRAP))
    run(mmdebstrap, "--variant=minbase", packages, RELEASE, str(archive), str(archives()))
    container = buildah.run("from", "scratch")
    buildah.run("add", container, archive, "/")
    buildah.run("run", container, "--", "sh", "-c", LOOKS_LIKE_THE_OFFICIAL_IMAGE)
    buildah.run("config", f"--env=PATH={PATH}", container)
    buildah.run("commit", "--rm", container, BASE)
    archive.unlink()


def build_image(buildah: Buildah) -> None:
    """Builds the Dockerfile on the base, with this machine's configuration of pip."""
    buildah.run(
        "bud",
        "--pull-never",
        "--network=host",
        f"--build-arg=BASE={BASE}",
        f"--timestamp={source_date_epoch(REPOSITORY)}",
        *(f"--volume={path}:{path}:ro" for path in _pip_configuration()),
        f"--tag={IMAGE}",
        ".",
        cwd=REPOSITORY,
    )


def write_layout(buildah: Buildah, directory: Path) -> None:
    """Writes the image with compressed layers as an OCI layout."""
    buildah.run("push", IMAGE, f"oci:{directory}")


def _pip_configuration() -> list[Path]:
    """Files with pip's index and the trusted authorities, where this machine has them."""
    candidates = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
    return [path for path in map(Path, candidates) if path.exists()]


def mounted(buildah: Buildah, container: str) -> Path:
    """The root file system of a container."""
    return Path(buildah.run("mount", container))


def bytes_of(directory: Path) -> int:
    """The bytes of all files below a directory, as `du --apparent-size` counts them."""
    return sum(
        os.lstat(Path(folder) / name).st_size for folder, _, names in os.walk(directory) for name in names
    )
