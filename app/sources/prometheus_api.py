"""Range queries over HTTP: time-outs, retries, limits, and the translation of httpx's errors.

A response is decoded while it is received, every query has a time-out, few run at once, and all of them
share one budget of memory: a process with many queries has bounded memory, and so has its load on the server.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx
import structlog

from app.errors import NoNamespacesError, RefusedQueryError, SourceError, ThrottledError, TooLargeError
from app.history.samples import STEP_SECONDS, StepRange
from app.proxies import Proxy
from app.sources.answers import AnswerReader, error_message
from app.sources.credentials import PrometheusCredentials
from app.sources.http_clients import HttpClients
from app.sources.label_values import label_values
from app.sources.memory_budget import MemoryBudget, NoRoomError, Reservation
from app.sources.query_observer import QueryCosts, QueryObserver
from app.sources.query_result import QueryResult
from app.sources.response_body import ACCEPTED, decoded_chunks
from app.sources.retention import retention_seconds
from app.sources.retry_policy import RetryPolicy
from app.sources.row_limit import RowLimit

MAX_RESPONSE_BYTES = 512 * 1024 * 1024
CONCURRENT_QUERIES = 4

_ENDPOINT = "api/v1/query_range"
_MAX_ERROR_BYTES = 64 * 1024
_RETRIED_STATUSES = frozenset({429, 502, 503})
# Proxies that allow only reading refuse POST with these, some as if the path did not exist, or with a page
# for people, which Prometheus never sends; 403 may be a refusal of the credentials, too.
_REFUSED_METHOD_STATUSES = frozenset({403, 404, 405, 501})
_STATUSES_OF_PAGES = frozenset({200, 400})
_OTHER_METHOD = {"POST": "GET", "GET": "POST"}
_LONG_QUERY_CHARACTERS = 7_000  # proxies accept 8 KiB of a request's first line
_TOO_LONG_STATUSES = frozenset({414, 431})
# Thanos would leave out unavailable stores, and downsample; `stats` makes Prometheus report the loaded
# samples. Servers ignore parameters that they do not know.
_COMPLETE_RESULT = {
    "dedup": "true",
    "partial_response": "false",
    "max_source_resolution": "0s",
    "stats": "true",
}
# A query that every server answers, whatever its series are.
_NO_SERIES, _PROBE = "vector(1)", "probe"
# Error texts of servers for a query that is too large for them.
_TIMED_OUT = re.compile(r"time(d )?-?out|deadline", re.IGNORECASE)
_TOO_LARGE = re.compile(
    rf"too (many|large|long)|exceed|limit|can(no|')t select more|{_TIMED_OUT.pattern}", re.IGNORECASE
)
_TOO_LARGE_STATUSES = frozenset({400, 422, 500, 503})
# Statuses of an error while a query is evaluated, which may be due to a few series.
_REFUSED_STATUSES = frozenset({400, 422, 500})
# Error texts for an unreachable server behind the server: a smaller query would fail too.
_UNREACHABLE = re.compile(
    r"\bdial\b|\bi/o time-?out|\bconnect(ion)? time(d )?-?out|handshake time-?out|reset reason", re.IGNORECASE
)

_IS_A_LOGIN = (
    "set the URL of Prometheus to the server that answers queries, or credentials if that is a login page"
)
_SHOWN_CHARACTERS = 200

log = structlog.get_logger(__name__)


class _TransientError(Exception):
    """An error that a retry may avoid."""

    def __init__(self, error: SourceError, retry_after_seconds: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.retry_after_seconds = error, retry_after_seconds


class PrometheusApi:
    """A client of one Prometheus-compatible server; *observer* records the costs of its queries.

    *route* is the way to the server: a proxy, or the transport through another server, which is more willing
    to pass on GET requests. Queries may be long, and are posted; through another server, only those that are.
    """

    def __init__(  # noqa: PLR0913 - transport and retry policy are the seams to the world
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        credentials: PrometheusCredentials | None = None,
        concurrency: int = CONCURRENT_QUERIES,
        observer: QueryObserver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        retry_policy: RetryPolicy | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        route: Proxy | httpx.AsyncBaseTransport | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        url, url_credentials = _split_credentials(base_url)
        self.url = str(url).rstrip("/")
        self.observer = observer or QueryCosts()
        self._timeout_seconds = timeout_seconds
        self._max_response_bytes = max_response_bytes
        self._retry_policy = retry_policy or RetryPolicy()
        self._slots = asyncio.Semaphore(concurrency)
        self._budget = budget or MemoryBudget(concurrency)
        # Compression costs Prometheus as much as the query itself: worth it only across distant networks.
        self._headers = {"Accept-Encoding": ACCEPTED if url.scheme == "https" else "identity"}
        self._proxy = route if isinstance(route, Proxy) else None
        forwarded = route if isinstance(route, httpx.AsyncBaseTransport) else None
        self._method = "GET" if forwarded else "POST"
        self._posts_long = forwarded is not None  # until POST is refused where GET is not
        self._clients = HttpClients(
            credentials or PrometheusCredentials(),
            url_credentials,
            timeout_seconds,
            forwarded or transport,
            self._proxy,
            is_https=url.scheme == "https",
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._clients.close()

    async def retention_seconds(self) -> float | None:
        """The retention time of the server; None if unknown."""
        return await retention_seconds(self._clients, self.url)

    async def label_values(self, label: str, selector: str, steps: StepRange) -> list[str] | None:
        """The values of *label* among the selected series; None if they are unknown."""
        return await label_values(self._clients, self.url, label, selector, steps)

    async def query_range(  # noqa: PLR0913 - the query, the form of its result, and its limits
        self,
        query: str,
        labels: Sequence[str],
        steps: StepRange,
        optional: Collection[str] = (),
        *,
        signal: str = "",
        limit: RowLimit | None = None,
        is_aggregated: bool = True,
    ) -> QueryResult:
        """The result of *query* at every step; series may lack only *optional* labels.

        Series over *limit* are dropped and counted. Unless the query *is_aggregated*, several series may have
        one key: the largest sample of each step counts.

        Raises:
            TooLargeError: a smaller query may succeed.
            RefusedQueryError: a query on other namespaces or steps may succeed.
            SourceError: after the last try, or at once if a retry would fail too.
        """
        form, tries = self._form(query, steps), 1
        reader = partial(AnswerReader, labels, steps, optional, limit, is_aggregated=is_aggregated)
        while True:
            try:
                return await self._send(form, reader, signal)
            except SourceError:
                self.observer.record_failure(signal)
                raise
            except _TransientError as fault:
                if tries == self._retry_policy.tries:
                    self.observer.record_failure(signal)
                    raise fault.error from fault
                pause_seconds = self._retry_policy.pause_after(tries, fault.retry_after_seconds)
                log.debug(
                    "prometheus_query_repeated", fault=str(fault), pause_seconds=round(pause_seconds, 1)
                )
            self.observer.record_retry(signal)
            tries += 1
            await self._retry_policy.sleep(pause_seconds)

    async def narrowed(self, error: SourceError, steps: StepRange) -> SourceError:
        """The *error* of a query; a RefusedQueryError if the server answers a query that reads no series.

        A store or a querier that ends on the series of one namespace, and a proxy that rejects their names,
        fail for some queries only. A server that throttles is not asked for more.
        """
        is_of_query = isinstance(error, RefusedQueryError | TooLargeError | NoNamespacesError)
        if is_of_query or isinstance(error, ThrottledError):
            return error
        end = StepRange(steps.last, steps.last)
        try:
            await self._send(self._form(_NO_SERIES, end), partial(AnswerReader, (), end, (), None), _PROBE)
        except (SourceError, _TransientError):
            return error
        return RefusedQueryError(error.reason, str(error))

    def _form(self, query: str, steps: StepRange) -> dict[str, str]:
        return _COMPLETE_RESULT | {
            "query": query,
            "start": str(steps.start_seconds),
            "end": str(steps.end_seconds),
            "step": str(STEP_SECONDS),
            "timeout": f"{self._timeout_seconds:g}",
        }

    async def _send(
        self, form: dict[str, str], build_reader: Callable[[Callable[[int], None]], AnswerReader], signal: str
    ) -> QueryResult:
        """The result; where other answers take the memory, the query is sent again once they are dropped."""
        try:
            return await self._send_once(form, build_reader, signal)
        except NoRoomError as error:
            fault = error.with_traceback(None)  # whose frames have the body
        waits_until = perf_counter() + self._timeout_seconds
        async with self._budget.turn:
            while await self._budget.wait_for(fault.pool_bytes, waits_until - perf_counter()):
                try:
                    return await self._send_once(form, build_reader, signal)
                except NoRoomError as error:
                    fault = error.with_traceback(None)
        raise fault

    async def _send_once(
        self, form: dict[str, str], build_reader: Callable[[Callable[[int], None]], AnswerReader], signal: str
    ) -> QueryResult:
        reservation = Reservation(self._budget)
        reader = build_reader(reservation.resize)
        try:
            result = await self._receive(form, reader, signal)
            reservation.keep_for(result, reader.kept_bytes)
        except BaseException:
            reservation.release()
            raise
        return result

    async def _receive(self, form: dict[str, str], reader: AnswerReader, signal: str) -> QueryResult:
        async with self._slots:
            started = perf_counter()
            with self._translate_errors():
                async with (
                    asyncio.timeout(self._timeout_seconds),
                    self._clients.current() as client,
                    self._respond(client, form) as response,
                ):
                    received_bytes = await self._read(response, reader)
            result = await asyncio.to_thread(reader.finish)
            self.observer.record_result(
                signal,
                seconds=perf_counter() - started,
                received_bytes=received_bytes,
                samples=result.loaded_samples or len(result.samples),
            )
            return result

    @asynccontextmanager
    async def _respond(
        self, client: httpx.AsyncClient, form: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The successful response; if one method is refused, to the other, which is used from then on.

        Where GET is preferred, a query that is long for a URL is posted.
        """
        refusals: dict[str, Exception] = {}
        is_too_long = False
        is_long = self._posts_long and len(urlencode(form)) > _LONG_QUERY_CHARACTERS
        first = "POST" if is_long else self._method
        for method in (first, _OTHER_METHOD[first]):
            async with self._request(client, method, form) as response:
                too_long = method == "GET" and response.status_code in _TOO_LONG_STATUSES
                if too_long or _is_refused_method(response):
                    refusals[method] = await self._error_of(response)
                    is_too_long |= too_long
                    continue
                self._method = self._method if is_long else method
                self._posts_long &= "POST" not in refusals
                if not response.is_success:
                    raise await self._error_of(response)
                yield response
                return
        raise _too_long_error(refusals) if is_too_long else refusals["POST"]

    def _request(
        self, client: httpx.AsyncClient, method: str, form: dict[str, str]
    ) -> AbstractAsyncContextManager[httpx.Response]:
        url = f"{self.url}/{_ENDPOINT}"
        if method == "POST":
            return client.stream("POST", url, data=form, headers=self._headers)
        return client.stream("GET", url, params=form, headers=self._headers)

    async def _read(self, response: httpx.Response, reader: AnswerReader) -> int:
        received_bytes = 0
        async for chunk in decoded_chunks(response):
            received_bytes += len(chunk)
            if received_bytes > self._max_response_bytes:
                limit = f"{self._max_response_bytes // 2**20} MiB"
                raise TooLargeError("AnswerTooLarge", f"the response of {self.url} is larger than {limit}")
            if reader.feed(chunk):
                await asyncio.to_thread(reader.decode_rows)
        return received_bytes

    async def _error_of(self, response: httpx.Response) -> Exception:
        """The error class decides whether the query is retried, made smaller, or given up."""
        status, body = response.status_code, bytearray()
        if response.is_success:
            return SourceError(
                "MalformedAnswer", f"{self.url} answered with a page for people: {_IS_A_LOGIN}"
            )
        if response.has_redirect_location:
            return SourceError("HTTPError", self._redirect_message(response))
        with suppress(SourceError):  # the status says more than a body that can't be read
            async for chunk in decoded_chunks(response):
                body += chunk
                if len(body) > _MAX_ERROR_BYTES:
                    break
        text = error_message(status, body)
        is_too_large = (
            status in _TOO_LARGE_STATUSES and _TOO_LARGE.search(text) and not _UNREACHABLE.search(text)
        )
        if status in {413, 504} or is_too_large:
            return TooLargeError("HTTPError", text, timed_out=status == 504 or bool(_TIMED_OUT.search(text)))
        if status in _REFUSED_STATUSES:
            return RefusedQueryError("HTTPError", text)
        is_throttled = status == HTTPStatus.TOO_MANY_REQUESTS
        error = (ThrottledError if is_throttled else SourceError)("HTTPError", text)
        return (
            _TransientError(error, _retry_after_seconds(response)) if status in _RETRIED_STATUSES else error
        )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _TransientError(SourceError("TimedOut", self._time_out_message)) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TooLargeError("TimedOut", self._time_out_message, timed_out=True) from error
        # UnicodeError: a host name is too long. SSLError: a server refuses a certificate after the handshake.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ssl.SSLError) as error:
            through = f" through {self._proxy}" if self._proxy else ""
            message = f"{self.url} can't be reached{through}: {str(error) or type(error).__name__}"
            raise _TransientError(SourceError("Unreachable", message)) from error

    def _redirect_message(self, response: httpx.Response) -> str:
        """No redirect is followed: a POST could become a GET, and credentials could reach another server."""
        target = _target(response)
        return (
            f"{self.url} redirects to {target} ({response.status_code}), which is not followed: {_IS_A_LOGIN}"
        )

    @property
    def _time_out_message(self) -> str:
        return f"{self.url} sent no complete response within {self._timeout_seconds:g} s"


def _split_credentials(base_url: str) -> tuple[httpx.URL, tuple[str, str] | None]:
    """The URL without credentials, for logs and messages; and its user and password, if it has them."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise SourceError("InvalidURL", f"the URL of Prometheus is not valid: {error}") from error
    credentials = (url.username, url.password) if url.userinfo else None
    return url.copy_with(userinfo=b""), credentials


def _is_refused_method(response: httpx.Response) -> bool:
    is_page = response.headers.get("content-type", "").lower().startswith("text/html")
    return response.status_code in _REFUSED_METHOD_STATUSES or (
        is_page and response.status_code in _STATUSES_OF_PAGES
    )


def _target(response: httpx.Response) -> str:
    """The target of a redirect without its parameters."""
    url = response.url.join(response.headers["Location"])
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))[:_SHOWN_CHARACTERS]


def _too_long_error(refusals: Mapping[str, Exception]) -> SourceError:
    """The error for a query that is too long for the URL of a GET request, if POST is refused as well."""
    message = f"a query is too long for GET ({refusals['GET']}), and POST is refused ({refusals['POST']})"
    remedy = f"allow POST to /{_ENDPOINT} in the proxy before Prometheus, or longer URLs"
    return SourceError("HTTPError", f"{message}: {remedy}")


def _retry_after_seconds(response: httpx.Response) -> float:
    """The number of seconds in `Retry-After`; 0 if there is none, or a date."""
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0
