"""Builds the image, and prints the folder with its root file system: `python -m tests.image`."""

import sys
import tempfile
from pathlib import Path

from tests.image.build import IMAGE, build_base, build_image, mounted, storage
from tests.parts.commands import PartError

CONTAINER = "job-profiler-root"


def main() -> int:
    """Returns the exit code."""
    try:
        buildah = storage()
        with tempfile.TemporaryDirectory() as directory:
            build_base(buildah, Path(directory))
        build_image(buildah)
        if CONTAINER in buildah.run("containers", "--format={{.ContainerName}}").split():
            buildah.run("rm", CONTAINER)
        print(mounted(buildah, buildah.create(IMAGE, f"--name={CONTAINER}")))
    except PartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
