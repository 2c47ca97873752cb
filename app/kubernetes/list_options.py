"""Options of lists and watches, and their decoded responses."""

import re
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec

from app.errors import ExpiredError
from app.kubernetes.error_text import UNDECODABLE, shorten
from app.kubernetes.json_values import check_values

Object = dict[str, Any]
T = TypeVar("T")
_NAMESPACE = re.compile(r"/namespaces/([^/]+)/|^metadata\.name=(.+)$")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """A collection's path and selectors, for whole objects or for their metadata only.

    If the list `may_be_cached`, the API server answers from its memory: the list may be a moment old.
    """

    path: str
    field_selector: str | None = None
    label_selector: str | None = None
    metadata_only: bool = False
    may_be_cached: bool = False

    @property
    def resource(self) -> str:
        """The plural name of the resource."""
        return self.path.rpartition("/")[2]

    @property
    def namespace(self) -> str:
        """The one namespace that the objects are in, or the Namespace that is selected; empty for several."""
        selected = self.field_selector if self.resource == "namespaces" else None
        match = _NAMESPACE.search(self.path) or _NAMESPACE.search(selected or "")
        return unquote(match[1] or match[2]) if match else ""

    def __str__(self) -> str:
        return f"{self.resource} of namespace {self.namespace}" if self.namespace else self.resource

    @property
    def query(self) -> dict[str, str]:
        """The query parameters for the selectors."""
        selectors = {"fieldSelector": self.field_selector, "labelSelector": self.label_selector}
        return {name: value for name, value in selectors.items() if value is not None}

    @property
    def list_accept(self) -> str:
        """The media type of a list; without group and version the API server responds with 406."""
        return _accept("PartialObjectMetadataList") if self.metadata_only else "application/json"

    @property
    def watch_accept(self) -> str:
        """The media type of each event's object."""
        return _accept("PartialObjectMetadata") if self.metadata_only else "application/json"


class Page(NamedTuple, Generic[T]):
    """A part of a list; `is_first` is True again if the list starts again: drop all earlier pages."""

    items: list[T]
    resource_version: str
    is_first: bool


class Listing(NamedTuple):
    """A whole list, and the resourceVersion at which a watch starts."""

    items: list[Object]
    resource_version: str


class WatchEvent(NamedTuple):
    """An `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK` event; a bookmark has only a resourceVersion.

    An `UNREADABLE` one stands for a line that is no event; its `fault` says why.
    """

    kind: str
    object: Object
    resource_version: str
    fault: str = ""


class ListMetadata(msgspec.Struct, rename="camel"):
    """The metadata of a list; `continuation` is empty on its last page."""

    resource_version: str = ""
    continuation: str = msgspec.field(default="", name="continue")


class ListResponse(msgspec.Struct, Generic[T]):
    """The response for one page of a list."""

    metadata: ListMetadata
    items: list[T] | None = None  # Go writes an empty list as null


class _EventLine(msgspec.Struct):
    type: str
    object: Object


_decode_event = msgspec.json.Decoder(_EventLine).decode
UNREADABLE = "UNREADABLE"
_EVENT_KINDS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


def read_event(line: bytes, watch: str) -> WatchEvent:
    """The event in one line of a watch; `UNREADABLE` if the line is none, or its object has no version.

    Raises:
        ExpiredError: an error event; only a new list shows what was missed.
    """
    try:
        check_values(line)
        event = _decode_event(line)
        if event.type in _EVENT_KINDS:
            version = event.object["metadata"]["resourceVersion"]
            if isinstance(version, str) and version:
                return WatchEvent(event.type, event.object, version)
            return unreadable_event("its resourceVersion is no text")
    except (*UNDECODABLE, KeyError, TypeError) as error:
        return unreadable_event(f"{type(error).__name__}: {error}")
    details = f"{event.object.get('code', '')} {event.object.get('message', '')}"
    raise ExpiredError(f"{watch}: {event.type} {shorten(details)}")


def unreadable_event(fault: str) -> WatchEvent:
    """The event for a line that can't be read."""
    return WatchEvent(UNREADABLE, {}, "", shorten(fault))


def _accept(kind: str) -> str:
    return f"application/json;as={kind};g=meta.k8s.io;v=v1"
