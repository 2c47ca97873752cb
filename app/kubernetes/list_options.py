"""What is listed and watched, and what comes back: values, and how the API server's JSON becomes them."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from app.errors import ExpiredError
from app.kubernetes.failures import shortened

Object = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """A collection's path, narrowed by selectors: whole objects, or only their metadata."""

    path: str
    field_selector: str | None = None
    label_selector: str | None = None
    metadata_only: bool = False

    @property
    def resource(self) -> str:
        """The plural name of what is in the collection."""
        return self.path.rpartition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters that narrow the collection."""
        selectors = {"fieldSelector": self.field_selector, "labelSelector": self.label_selector}
        return {name: value for name, value in selectors.items() if value is not None}

    @property
    def list_accept(self) -> str:
        """The media type of a list: group and version must be spelled out, else the answer is a 406."""
        return _accept("PartialObjectMetadataList") if self.metadata_only else "application/json"

    @property
    def watch_accept(self) -> str:
        """The media type of each event's object."""
        return _accept("PartialObjectMetadata") if self.metadata_only else "application/json"


class Page(NamedTuple, Generic[T]):
    """A part of a list; `is_first` is True again where the list had to begin anew: drop what came before."""

    items: list[T]
    resource_version: str
    is_first: bool


class Listing(NamedTuple):
    """A whole list, and the resourceVersion from which a watch goes on."""

    items: list[Object]
    resource_version: str


class WatchEvent(NamedTuple):
    """`ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`; a bookmark's object holds only a resourceVersion."""

    kind: str
    object: Object
    resource_version: str


class ListMetadata(msgspec.Struct, rename="camel"):
    """Where a list stands; `continuation` is empty on its last page."""

    resource_version: str = ""
    continuation: str = msgspec.field(default="", name="continue")


class ListAnswer(msgspec.Struct, Generic[T]):
    """The JSON of one page."""

    metadata: ListMetadata
    items: list[T] | None = None  # Go writes an empty list as null


class _EventLine(msgspec.Struct):
    type: str
    object: Object


_decode_event = msgspec.json.Decoder(_EventLine).decode
_KINDS_OF_EVENT = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


def read_event(line: bytes, watch: str) -> WatchEvent:
    """The event that one line of a watch tells.

    Raises:
        ExpiredError: it tells an error or can't be read; only a new list tells what happened meanwhile.
    """
    try:
        event = _decode_event(line)
        if event.type in _KINDS_OF_EVENT:
            return WatchEvent(event.type, event.object, event.object["metadata"]["resourceVersion"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ExpiredError(f"{watch}: a line that is no event: {error}") from error
    told = f"{event.object.get('code', '')} {event.object.get('message', '')}"
    raise ExpiredError(f"{watch}: {event.type} {shortened(told)}")


def _accept(kind: str) -> str:
    return f"application/json;as={kind};g=meta.k8s.io;v=v1"
