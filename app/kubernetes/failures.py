"""Every way in which a request can fail, as one of our own exceptions: the only place that decides which."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from app.errors import (
    ClusterError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from app.kubernetes.client_library import ConfigException

_SHOWN_CHARACTERS = 400
_BY_STATUS: Mapping[int, type[ClusterError]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ExpiredError,
}


class _Status(msgspec.Struct):
    """The part of a `Status` object that a person needs."""

    message: str = ""


def refusal(request: str, status: int, body: bytes, headers: Mapping[str, str]) -> ClusterError:
    """The exception for an HTTP answer of 400 or more; *request* is its verb and path.

    What stands before the API server (a proxy, a load balancer) answers with whatever it likes: a body that
    is no `Status` is left out of the message.
    """
    message = f"{request}: {status} {_phrase(status)}"
    try:
        told = msgspec.json.decode(body, type=_Status).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = ""
    if told:
        message += f": {shortened(told)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(message, _seconds(headers.get("Retry-After", "")))
    return _BY_STATUS.get(status, ClusterError)(message)


def shortened(text: str) -> str:
    """The text as one line that does not flood a log."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..."


@contextmanager
def translated(request: str) -> Iterator[None]:
    """Turns what the client library raises into our own; a cancellation passes."""
    try:
        yield
    except ConfigException as error:
        raise UnavailableError(
            f"{request}: the credentials can't be read: {shortened(str(error))}"
        ) from error
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:  # TimeoutError is an OSError
        told = shortened(str(error)) or type(error).__name__
        raise UnavailableError(f"{request}: {told}") from error
    except msgspec.DecodeError as error:
        raise UnavailableError(f"{request}: the answer is not what an API server sends: {error}") from error


@contextmanager
def rendered_by_chart(what: str) -> Iterator[None]:
    """Says what to do where an object is missing that only the chart creates."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(
            f"{what} is missing: it comes with the Helm chart, so install or upgrade the release ({error})"
        ) from error


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _seconds(retry_after: str) -> float | None:
    """The header's seconds; its other form, a date, is not used by API servers."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
