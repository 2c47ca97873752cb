"""The archive of an image: one file for engines that read OCI layouts and for older Dockers."""

import json
from pathlib import Path

import pytest

from supply_chain.image_archive import ImageName, platform_of, write_archive
from tests.supply_chain.oci_layouts import Archive, small_layout

NAME = ImageName("job-profiler", "0.1.0")
NOON = 1772366400


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """The archive of an image with two layers."""
    write_archive(small_layout(tmp_path / "layout"), tmp_path / "image.tar", NAME, timestamp=NOON)
    return Archive(tmp_path / "image.tar")


def test_the_layout_leads_to_each_layer(archive: Archive) -> None:
    """From index.json through the manifest to configuration and layers, each with the stated size and digest.

    The index names the image for containerd and podman in full, and for skopeo by its tag.
    """
    assert archive.json("oci-layout") == {"imageLayoutVersion": "1.0.0"}
    [descriptor] = archive.json("index.json")["manifests"]
    manifest = json.loads(archive.blob(descriptor))

    assert descriptor["annotations"] == {
        "io.containerd.image.name": "docker.io/library/job-profiler:0.1.0",
        "org.opencontainers.image.ref.name": "0.1.0",
    }
    assert json.loads(archive.blob(manifest["config"]))["config"] == {"User": "65532"}
    assert [archive.blob(layer) for layer in manifest["layers"]] == [b"base", b"program"]


def test_older_dockers_find_the_same(archive: Archive) -> None:
    """manifest.json names the image as webhook-config/ does, its configuration, and its layers in order."""
    [image] = archive.json("manifest.json")

    assert image["RepoTags"] == ["job-profiler:0.1.0"]
    assert archive.json(image["Config"])["architecture"] == "arm64"
    assert archive.layers_of_docker() == [b"base", b"program"]


def test_a_layer_that_comes_twice_is_stored_once(tmp_path: Path) -> None:
    """Two equal layers have one digest, so one blob."""
    layout = small_layout(tmp_path / "layout", (b"same", b"same"))
    write_archive(layout, tmp_path / "image.tar", NAME, timestamp=NOON)
    archive = Archive(tmp_path / "image.tar")

    assert archive.layers_of_docker() == [b"same", b"same"]
    # oci-layout, index.json and manifest.json; blobs of manifest, configuration and layer.
    assert len(archive.entries) == 6


def test_entries_say_nothing_of_the_machine(archive: Archive) -> None:
    """Each belongs to root, is readable by all, and has the time of the source."""
    assert {(entry.uid, entry.gid, entry.uname, entry.mode, entry.mtime) for entry in archive.entries} == {
        (0, 0, "", 0o644, NOON)
    }


def test_the_platform_is_the_images(tmp_path: Path) -> None:
    """It is that of the image's configuration, not that of the machine which writes the archive."""
    assert platform_of(small_layout(tmp_path)) == "linux-arm64"
