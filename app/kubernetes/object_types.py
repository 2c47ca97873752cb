"""The types of an object's metadata, on which every reader of a list or watch relies."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
import structlog

from app.kubernetes.list_options import ListOptions, Object

log = structlog.get_logger(__name__)
T = TypeVar("T")
OnFault = Callable[[str, Exception], None]
_decode = msgspec.json.Decoder(Object).decode

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


def readable(items: Iterable[msgspec.Raw], convert: Callable[[Object], T], on_fault: OnFault) -> Iterator[T]:
    """The objects that *convert* can use; *on_fault* gets the name, if any, and the fault of others."""
    for item in items:
        name = ""
        try:
            manifest = _decode(item)
            name = name_of(manifest)
            yield convert(checked(manifest))
        except Exception as error:  # noqa: BLE001 - an object may have any content
            on_fault(name, error)


class LeftOut:
    """The objects of one list that could not be read."""

    def __init__(self, selection: ListOptions) -> None:
        self._path, self._count, self._first = selection.path, 0, ""

    def add(self, name: str, fault: Exception) -> None:
        """Count an object; the log has the first one."""
        self._count += 1
        self._first = self._first or f"{name or '(no name)'}: {fault}"

    def clear(self) -> None:
        """Begin again, with the list."""
        self._count, self._first = 0, ""

    def log(self) -> None:
        """Write one line if any object was left out."""
        if self._count:
            log.warning("objects_left_out", path=self._path, objects=self._count, first=self._first[:400])


def name_of(manifest: Object) -> str:
    """The name for a log; empty if the object has none."""
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return name[:253] if isinstance(name, str) else ""
