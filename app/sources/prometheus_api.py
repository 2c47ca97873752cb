"""Range queries over HTTP: time-outs, tries, limits, and httpx's errors turned into our own.

A body is decoded as it comes, a query has a limit of time over all, and few run at once, so that one process
with many questions stays a polite client with bounded memory.
"""

import asyncio
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Self

import httpx
import structlog

from app.errors import SourceError, TooLargeError
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.answers import AnswerReader, refusal
from app.sources.credentials import PrometheusCredentials
from app.sources.http_clients import HttpClients
from app.sources.query_observer import QueryCosts, QueryObserver
from app.sources.query_result import QueryResult
from app.sources.retention import retention_seconds

MAX_ANSWER_BYTES = 512 * 1024 * 1024
CONCURRENT_QUERIES = 4

_ENDPOINT = "api/v1/query_range"
_MAX_REFUSAL_BYTES = 64 * 1024
_RETRIED_STATUSES = frozenset({429, 502, 503})
# Whole answers from raw samples, or none: what Thanos would else leave out. Others do not know these.
_WHOLE = {"dedup": "true", "partial_response": "false", "max_source_resolution": "0s", "stats": "true"}
# How servers say that a query is too much for them.
_LATE = re.compile(r"time(d )?-?out|deadline", re.IGNORECASE)
_TOO_LARGE = re.compile(
    rf"too (many|large|long)|exceed|limit|can(no|')t select more|{_LATE.pattern}", re.IGNORECASE
)
_STATUSES_OF_SIZE = frozenset({400, 422, 500, 503})
# How they say that they could not reach something behind them, which a smaller question can't either.
_LOST = re.compile(
    r"\bdial\b|\bi/o time-?out|\bconnect(ion)? time(d )?-?out|handshake time-?out|reset reason", re.IGNORECASE
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a query is tried, and the pauses between; *chance* gives numbers in [0, 1)."""

    tries: int = 3
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def pause_after(self, tried: int, wanted_seconds: float) -> float:
        """Twice as long each time, by half more or less at random; longer where the server wants it."""
        own = self.pause_seconds * 2.0 ** (tried - 1) * (0.5 + self.chance())
        return min(max(own, wanted_seconds), self.longest_pause_seconds)


class _TransientError(Exception):
    """A fault that another try may not meet."""

    def __init__(self, error: SourceError, wanted_seconds: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.wanted_seconds = error, wanted_seconds


class PrometheusApi:
    """A client of one Prometheus-compatible server; *observer* hears what its queries cost."""

    def __init__(  # noqa: PLR0913 - transport and pace are the seams to the world
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        access: PrometheusCredentials | None = None,
        concurrency: int = CONCURRENT_QUERIES,
        observer: QueryObserver | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: RetryPolicy | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        url, credentials = _without_credentials(base_url)
        self.url = str(url).rstrip("/")
        self.observer = observer or QueryCosts()
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._pace = pace or RetryPolicy()
        self._slots = asyncio.Semaphore(concurrency)
        # To pack an answer costs Prometheus as much as to work it out: only far networks are worth that.
        self._headers = {} if url.scheme == "https" else {"Accept-Encoding": "identity"}
        self._clients = HttpClients(
            access or PrometheusCredentials(), credentials, timeout_seconds, transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._clients.close()

    async def retention_seconds(self) -> float | None:
        """How far back the server remembers, None where it does not tell."""
        return await retention_seconds(self._clients, self.url)

    async def query_range(
        self,
        query: str,
        labels: Sequence[str],
        steps: StepRange,
        optional: Collection[str] = (),
        *,
        signal: str = "",
    ) -> QueryResult:
        """What *query* gives at every step; series may lack the *optional* ones of the *labels*.

        Raises:
            TooLargeError: a smaller question may be answered.
            SourceError: after the last try, or at once where another try would not help.
        """
        form = _WHOLE | {
            "query": query,
            "start": str(steps.start_seconds),
            "end": str(steps.end_seconds),
            "step": str(STEP_SECONDS),
            "timeout": f"{self._timeout_seconds:g}",
        }
        tried = 1
        while True:
            try:
                return await self._ask(form, AnswerReader(labels, steps, optional), signal)
            except SourceError:
                self.observer.failed(signal)
                raise
            except _TransientError as fault:
                if tried == self._pace.tries:
                    self.observer.failed(signal)
                    raise fault.error from fault
                pause_seconds = self._pace.pause_after(tried, fault.wanted_seconds)
                log.debug(
                    "prometheus_query_repeated", fault=str(fault), pause_seconds=round(pause_seconds, 1)
                )
            self.observer.retried(signal)
            tried += 1
            await self._pace.sleep(pause_seconds)

    async def _ask(self, form: dict[str, str], reader: AnswerReader, signal: str) -> QueryResult:
        async with self._slots:
            started = perf_counter()
            with self._own_errors():
                async with asyncio.timeout(self._timeout_seconds), self._clients.current() as client:
                    url = f"{self.url}/{_ENDPOINT}"
                    async with client.stream("POST", url, data=form, headers=self._headers) as response:
                        if not response.is_success:
                            raise await self._refusal(response)
                        received_bytes = await self._read(response, reader)
            series = await asyncio.to_thread(reader.finish)
            self.observer.answered(
                signal,
                seconds=perf_counter() - started,
                received_bytes=received_bytes,
                samples=series.loaded_samples or len(series.samples),
            )
            return series

    async def _read(self, response: httpx.Response, reader: AnswerReader) -> int:
        received_bytes = 0
        async for chunk in response.aiter_bytes():
            received_bytes += len(chunk)
            if received_bytes > self._max_answer_bytes:
                limit = f"{self._max_answer_bytes // 2**20} MiB"
                raise TooLargeError("AnswerTooLarge", f"the answer of {self.url} is larger than {limit}")
            if reader.feed(chunk):
                await asyncio.to_thread(reader.digest)
        return received_bytes

    async def _refusal(self, response: httpx.Response) -> Exception:
        """Whether to ask again, for less, or not at all."""
        status, body = response.status_code, bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MAX_REFUSAL_BYTES:
                break
        text = refusal(status, body)
        is_size = status in _STATUSES_OF_SIZE and _TOO_LARGE.search(text) and not _LOST.search(text)
        if status in {413, 504} or is_size:
            return TooLargeError("HTTPError", text, is_late=status == 504 or bool(_LATE.search(text)))
        error = SourceError("HTTPError", text)
        return (
            _TransientError(error, _retry_after_seconds(response)) if status in _RETRIED_STATUSES else error
        )

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _TransientError(SourceError("TimedOut", self._late)) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TooLargeError("TimedOut", self._late, is_late=True) from error
        except httpx.DecodingError as error:
            raise SourceError(
                "MalformedAnswer", f"the answer of {self.url} can't be unpacked: {error}"
            ) from error
        # A host's name may be too long; a server may refuse our certificate after the handshake.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ssl.SSLError) as error:
            message = f"{self.url} can't be reached: {str(error) or type(error).__name__}"
            raise _TransientError(SourceError("Unreachable", message)) from error

    @property
    def _late(self) -> str:
        return f"{self.url} gave no whole answer within {self._timeout_seconds:g} s"


def _without_credentials(base_url: str) -> tuple[httpx.URL, tuple[str, str] | None]:
    """The URL that may be shown, and the user and password that must not be."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise SourceError("InvalidURL", f"the URL of Prometheus is not valid: {error}") from error
    credentials = (url.username, url.password) if url.userinfo else None
    return url.copy_with(userinfo=b""), credentials


def _retry_after_seconds(response: httpx.Response) -> float:
    """Zero where the server names no time, or names it as a date."""
    wanted = response.headers.get("retry-after", "")
    return float(wanted) if wanted.isascii() and wanted.isdigit() else 0.0
