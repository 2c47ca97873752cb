"""Maps failures of requests to exceptions of `app.errors`; no other module does."""

import os
import ssl
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
from app.kubernetes.error_text import UNDECODABLE, CredentialsError, shorten
from app.proxies import without_credentials

_BY_STATUS: Mapping[int, type[ClusterError]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ExpiredError,
}


class _Status(msgspec.Struct):
    """The part of a `Status` object that error texts show."""

    kind: str
    message: str = ""


def status_message(body: bytes) -> str | None:
    """The message of a `Status` object, for an error text; None if the body is none."""
    try:
        status = msgspec.json.decode(body, type=_Status)
    except UNDECODABLE:
        return None
    return shorten(status.message) if status.kind == "Status" else None


def error_from_response(request: str, status: int, body: bytes, headers: Mapping[str, str]) -> ClusterError:
    """The exception for an HTTP status of 300 or more; *request* is its verb and path.

    A proxy or load balancer in front of the API server may respond with any body: a body that is not a
    `Status` object is left out of the text.
    """
    message = f"{request}: {status} {_phrase(status)}"
    if target := headers.get("Location", "") if status < HTTPStatus.BAD_REQUEST else "":
        shown = shorten(without_credentials(target.partition("?")[0]))
        return ClusterError(f"{message}: redirects to {shown}, which is not followed: check the server's URL")
    if details := status_message(body):
        message += f": {details}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(message, _seconds(headers.get("Retry-After", "")))
    return _BY_STATUS.get(status, ClusterError)(message)


@contextmanager
def map_exceptions(request: str) -> Iterator[None]:
    """Turns exceptions of the client library into exceptions of `app.errors`; a cancellation passes."""
    try:
        yield
    except CredentialsError as error:
        raise UnavailableError(f"{request}: the credentials can't be read: {shorten(str(error))}") from error
    except UNDECODABLE as error:
        raise UnavailableError(f"{request}: the response can't be decoded: {error}") from error
    # TimeoutError is an OSError. ValueError: a host name or header with impossible characters.
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        details = _unreached(error) or shorten(str(error)) or type(error).__name__
        raise UnavailableError(f"{request}: {details}") from error


def _unreached(error: Exception) -> str:
    """The host, the port and the reason if *error* is that of a connection; empty for another error."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return ""
    host = f"[{error.host}]" if ":" in error.host else error.host
    server = f"{host}:{error.port}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {server} is not trusted: {shorten(_cause(error.certificate_error))}"
    return f"can't connect to {server}: {shorten(_cause(error.os_error))}"


def _cause(error: Exception) -> str:
    """The reason in words. Those of asyncio repeat the address; numbers below 1 are not of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else str(error)
    if isinstance(error, OSError):
        number = error.errno or 0
        return os.strerror(number) if number > 0 else error.strerror or str(error)
    return str(error)


@contextmanager
def explain_missing_object(title: str) -> Iterator[None]:
    """Adds advice to a NotFoundError for *title*, an object that only the chart creates."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(
            f"{title} is missing: it comes with the Helm chart, so install or upgrade the release ({error})"
        ) from error


@contextmanager
def explain_malformed_object(title: str) -> Iterator[None]:
    """Turns each error in reading the fields of an object into an UnavailableError: they have other types
    than the API's, and may have the right ones at the next attempt.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        fault = shorten(f"{type(error).__name__}: {error}")
        raise UnavailableError(f"{title} has fields of other types than the API's ({fault})") from error


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _seconds(retry_after: str) -> float | None:
    """The seconds of a `Retry-After` header; API servers do not send its other form, a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
