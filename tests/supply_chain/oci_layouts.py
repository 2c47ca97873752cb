"""OCI layouts of images, as buildah writes them, and archives of them, as Docker and others read them."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

JSON_TYPE = "application/vnd.oci.image.{}.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def small_layout(directory: Path, layers: tuple[bytes, ...] = (b"base", b"program")) -> Path:
    """The layout of an image for 64-bit ARM with these layers, which are no archives."""
    config = {"architecture": "arm64", "os": "linux", "config": {"User": "65532"}}
    manifest = {
        "schemaVersion": 2,
        "config": _stored(directory, json.dumps(config).encode(), JSON_TYPE.format("config")),
        "layers": [_stored(directory, layer, LAYER_TYPE) for layer in layers],
    }
    descriptor = _stored(directory, json.dumps(manifest).encode(), JSON_TYPE.format("manifest"))
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def _stored(directory: Path, content: bytes, media_type: str) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


class Archive:
    """The files of an archive."""

    def __init__(self, file: Path) -> None:
        with tarfile.open(file) as tar:
            self.entries = tar.getmembers()
            self._contents = {
                entry.name: content.read() for entry in self.entries if (content := tar.extractfile(entry))
            }

    def json(self, name: str) -> Any:
        """The content of a JSON file."""
        return json.loads(self._contents[name])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """What a descriptor describes, in its size and digest."""
        content = self._contents[descriptor["digest"].replace("sha256:", "blobs/sha256/")]
        assert len(content) == descriptor["size"]
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
        return content

    def layers_of_docker(self) -> list[bytes]:
        """The layers of the only image, as `docker load` finds them."""
        [image] = self.json("manifest.json")
        return [self._contents[name] for name in image["Layers"]]
