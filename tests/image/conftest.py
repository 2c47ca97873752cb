"""The image, built once per session, and its root file system."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.build import BASE, IMAGE, build_base, build_image, mounted, storage
from tests.image.buildah import Buildah
from tests.image.container import Container
from tests.parts.locate import Part, find, is_continuous_integration


@pytest.fixture(scope="session")
def buildah() -> Buildah:
    """The storage with the base and the program's image."""
    missing = [part for part in (Part.BUILDAH, Part.MMDEBSTRAP) if find(part) is None]
    reasons = [f"{part.title} is missing: {part.how_to_get}" for part in missing]
    if os.geteuid() != 0:
        reasons.append("only root can build an image and mount its root file system")
    if reasons:
        (pytest.fail if is_continuous_integration() else pytest.skip)("; ".join(reasons))
    built = storage()
    with tempfile.TemporaryDirectory() as directory:
        build_base(built, Path(directory))
    build_image(built)
    return built


@pytest.fixture(scope="session")
def container(buildah: Buildah) -> Iterator[Container]:
    """The image's root file system."""
    name = buildah.create(IMAGE)
    yield Container(mounted(buildah, name), buildah.config_of(IMAGE))
    buildah.run("rm", name)


@pytest.fixture(scope="session")
def base_root(buildah: Buildah) -> Iterator[Path]:
    """The base's root file system."""
    name = buildah.create(BASE)
    yield mounted(buildah, name)
    buildah.run("rm", name)
