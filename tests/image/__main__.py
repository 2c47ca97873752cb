"""Builds the image, and prints the folder with its root file system: `python -m tests.image`.

With `--layout DIRECTORY` the image is written there as an OCI layout.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.image.build import IMAGE, build_base, build_image, mounted, storage, write_layout
from tests.parts.commands import PartError

CONTAINER = "job-profiler-root"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="Builds the image.")
    parser.add_argument("--layout", type=Path, help="where the image is written as an OCI layout")
    options = parser.parse_args()
    try:
        buildah = storage()
        with tempfile.TemporaryDirectory() as directory:
            build_base(buildah, Path(directory))
        build_image(buildah)
        if options.layout:
            write_layout(buildah, options.layout)
        if CONTAINER in buildah.run("containers", "--format={{.ContainerName}}").split():
            buildah.run("rm", CONTAINER)
        print(mounted(buildah, buildah.create(IMAGE, f"--name={CONTAINER}")))
    except PartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
