"""The image as one file that docker, podman, containerd and skopeo load.

The archive is an OCI layout with the `manifest.json` of `docker save` beside it, as Docker writes it since
version 25: older ones read only `manifest.json`, other programs only the layout.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]


class ImageName(NamedTuple):
    """The name under which the image is loaded."""

    repository: str
    tag: str

    @property
    def short(self) -> str:
        """As people and manifests write it: `job-profiler:0.1.0`."""
        return f"{self.repository}:{self.tag}"

    @property
    def full(self) -> str:
        """As containerd resolves the short name."""
        return f"docker.io/library/{self.short}"


def platform_of(layout: Path) -> str:
    """The only image's platform, such as `linux-amd64`."""
    _, manifest = _only_image(layout)
    config = _read(_blob(layout, manifest["config"]))
    return f"{config['os']}-{config['architecture']}"


def write_archive(layout: Path, archive: Path, name: ImageName, *, timestamp: int) -> None:
    """Writes the only image of an OCI layout; all entries have the same time and owner."""
    descriptor, manifest = _only_image(layout)
    names = {"io.containerd.image.name": name.full, "org.opencontainers.image.ref.name": name.tag}
    index = _read(layout / "index.json") | {"manifests": [descriptor | {"annotations": names}]}
    of_docker = {
        "Config": _place(manifest["config"]),
        "RepoTags": [name.short],
        "Layers": [_place(layer) for layer in manifest["layers"]],
    }
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for place, content in (
            ("oci-layout", _read(layout / "oci-layout")),
            ("index.json", index),
            ("manifest.json", [of_docker]),
        ):
            text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
            tar.addfile(_entry(place, len(text), timestamp), io.BytesIO(text))
        for blob in _blobs(descriptor, manifest):
            with _blob(layout, blob).open("rb") as file:
                tar.addfile(_entry(_place(blob), blob["size"], timestamp), file)


def _only_image(layout: Path) -> tuple[Json, Json]:
    """The descriptor of the manifest, and the manifest."""
    [descriptor] = _read(layout / "index.json")["manifests"]
    return descriptor, _read(_blob(layout, descriptor))


def _blobs(descriptor: Json, manifest: Json) -> Iterator[Json]:
    """The descriptors of manifest, configuration and layers, each once."""
    found = {blob["digest"]: blob for blob in (descriptor, manifest["config"], *manifest["layers"])}
    yield from found.values()


def _entry(place: str, size: int, timestamp: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(place)
    entry.size, entry.mtime, entry.mode = size, timestamp, 0o644
    return entry


def _place(descriptor: Json) -> str:
    algorithm, _, digest = descriptor["digest"].partition(":")
    return f"blobs/{algorithm}/{digest}"


def _blob(layout: Path, descriptor: Json) -> Path:
    return layout / _place(descriptor)


def _read(file: Path) -> Json:
    content: Json = json.loads(file.read_text())
    return content
