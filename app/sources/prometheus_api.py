"""Range queries over HTTP: time-outs, tries, limits, and httpx's errors turned into our own.

A body is read up to a limit, a query has a limit of time over all, and few run at once, so that one process
with many questions stays a polite client with bounded memory.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
import structlog

from app.errors import SourceError
from app.estimation.samples import STEP_SECONDS, StepRange
from app.sources.answers import Matrix, decode_matrix

MAX_ANSWER_BYTES = 512 * 1024 * 1024
CONCURRENT_QUERIES = 4

_ENDPOINT = "api/v1/query_range"
_RETRIED_REASONS = frozenset({"TimedOut", "Unreachable"})
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
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


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytearray
    retry_after_seconds: float


class PrometheusApi:
    """A client of one Prometheus-compatible server; counts what it does."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.queries = 0
        self.retries = 0
        self.received_bytes = 0
        url, credentials = _without_credentials(base_url)
        self.url = str(url).rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._pace = pace or Pace()
        self._slots = asyncio.Semaphore(CONCURRENT_QUERIES)
        timeout = httpx.Timeout(timeout_seconds)
        self._client = httpx.AsyncClient(auth=credentials, timeout=timeout, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def query_range(
        self, query: str, labels: Sequence[str], steps: StepRange, optional: Collection[str] = ()
    ) -> Matrix:
        """What *query* gives at every step; series may lack the *optional* ones of the *labels*.

        Raises:
            SourceError: after the last try, or at once where another try would not help.
        """
        form = {
            "query": query,
            "start": str(steps.start_seconds),
            "end": str(steps.end_seconds),
            "step": str(STEP_SECONDS),
        }
        self.queries += 1
        answer = await self._answer(form)
        return await asyncio.to_thread(decode_matrix, answer.status, answer.body, labels, steps, optional)

    async def _answer(self, form: dict[str, str]) -> _Answer:
        for tried in range(1, self._pace.tries):
            wanted_seconds = 0.0
            try:
                answer = await self._post(form)
            except SourceError as error:
                if error.reason not in _RETRIED_REASONS:
                    raise
                fault = str(error)
            else:
                if answer.status not in _RETRIED_STATUSES:
                    return answer
                fault, wanted_seconds = f"status {answer.status}", answer.retry_after_seconds
            pause_seconds = self._pace.pause_after(tried, wanted_seconds)
            log.debug("prometheus_query_repeated", fault=fault, pause_seconds=round(pause_seconds, 1))
            self.retries += 1
            await self._pace.sleep(pause_seconds)
        return await self._post(form)

    async def _post(self, form: dict[str, str]) -> _Answer:
        async with self._slots:
            with self._own_errors():
                async with (
                    asyncio.timeout(self._timeout_seconds),
                    self._client.stream("POST", f"{self.url}/{_ENDPOINT}", data=form) as response,
                ):
                    body = await self._read(response)
        return _Answer(response.status_code, body, _retry_after_seconds(response))

    async def _read(self, response: httpx.Response) -> bytearray:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            self.received_bytes += len(chunk)
            body += chunk
            if len(body) > self._max_answer_bytes:
                limit = f"{self._max_answer_bytes // 2**20} MiB"
                message = f"the answer of {self.url} is larger than {limit}: profile fewer namespaces"
                raise SourceError("AnswerTooLarge", message)
        return body

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TimeoutException, TimeoutError) as error:
            message = f"{self.url} gave no whole answer within {self._timeout_seconds:g} s"
            raise SourceError("TimedOut", message) from error
        except httpx.DecodingError as error:
            raise SourceError(
                "MalformedAnswer", f"the answer of {self.url} can't be unpacked: {error}"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # a host's name that is too long
            message = f"{self.url} can't be reached: {str(error) or type(error).__name__}"
            raise SourceError("Unreachable", message) from error


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
