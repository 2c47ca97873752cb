"""Prometheus and etcd of a newer Debian, unpacked beside those of the machine's own release.

`python -m tests.parts.newer_debian` prints the folder to put first on PATH.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.parts.debian import unpack_newer
from tests.parts.locate import Part, newer_directory, require

SUITE = "forky"
PACKAGES = ("prometheus", "etcd-server")


def unpack(destination: Path) -> None:
    """Unpacks the packages and moves their programs to `destination` atomically."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as name:
        directory = Path(name)
        unpack_newer(PACKAGES, SUITE, directory)
        shutil.rmtree(destination, ignore_errors=True)
        (directory / "usr" / "bin").rename(destination)


if __name__ == "__main__":
    for part in (Part.NEWER_PROMETHEUS, Part.NEWER_ETCD):
        require(part)
    sys.stdout.write(f"{newer_directory()}\n")
