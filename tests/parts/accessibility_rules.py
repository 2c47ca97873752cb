"""axe-core, the rules of accessibility that tests run in a page, from its package on npm.

The version and the SHA-512 of the package, as npm publishes it, are pinned here.
"""

import base64
import hashlib
import tarfile
import tempfile
from pathlib import Path

from tests.parts.commands import PartError, run

VERSION = "4.14.1"
INTEGRITY = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
FOLDER = f"axe-core-{VERSION}"
FILE = "axe.min.js"


def unpack(cache: Path) -> None:
    """Downloads the package and moves its script to its folder of the cache atomically."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        directory = Path(name)
        run(
            *("npm", "pack", "--loglevel=error", "--fetch-retries=1", f"axe-core@{VERSION}"),
            cwd=directory,
        )
        [archive] = directory.iterdir()
        if _integrity_of(archive) != INTEGRITY:
            raise PartError(f"{archive.name} has another SHA-512 than the pinned one; it is not used")
        script = directory / FILE
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"package/{FILE}")
            assert member
            script.write_bytes(member.read())
        (cache / FOLDER).mkdir(exist_ok=True)
        script.replace(cache / FOLDER / FILE)


def _integrity_of(file: Path) -> str:
    """The SHA-512 of *file*, as npm writes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()}"
