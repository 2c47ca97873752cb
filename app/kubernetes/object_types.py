"""The types of an object's metadata, on which every reader of a list or watch relies."""

from app.kubernetes.list_options import Object

_TEXTS = ("namespace", "uid", "resourceVersion", "creationTimestamp", "generateName")
_TEXT_MAPS = ("labels", "annotations")


class MalformedObjectError(ValueError):
    """An object whose metadata is not of the API's types."""


def checked(manifest: Object) -> Object:
    """The same object, without null fields in its metadata, which count as absent.

    Raises:
        MalformedObjectError: no name, or a field of another type.
    """
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        raise MalformedObjectError("its metadata is no object")
    for field in [field for field, value in metadata.items() if value is None]:
        del metadata[field]
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise MalformedObjectError("its name is no text")
    for field in _TEXTS:
        if not isinstance(metadata.get(field, ""), str):
            raise MalformedObjectError(f"its metadata.{field} is no text")
    for field in _TEXT_MAPS:
        entries = metadata.get(field, {})
        if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
            raise MalformedObjectError(f"its metadata.{field} is no map of texts")
    return manifest
