"""Writes of VerticalPodAutoscalers within a rate; one that is refused pauses its own object only."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime

import structlog

from app.errors import ClusterError, ConflictError, UnavailableError
from app.periodic import Backoff
from app.profiler.rate_limiter import RateLimiter
from app.profiler.refusals import Refusals

log = structlog.get_logger(__name__)


class PacedWrites:
    """The writes of one kind in a leader's term; *what* names it in the log."""

    def __init__(self, rate_limiter: RateLimiter, what: str) -> None:
        self._rate_limiter, self._what = rate_limiter, what
        self._refusals, self._backoff = Refusals(), Backoff()
        self._reasons: dict[str, str] = {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """The reason of each object whose last write was refused, by its name."""
        return self._reasons

    def is_paused(self, name: str, now: datetime) -> bool:
        """True while the object is not to be written."""
        return self._refusals.is_paused(name, now)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget the objects that are not to be written any more."""
        self._refusals.keep_only(names)
        self._reasons = {name: reason for name, reason in self._reasons.items() if name in names}

    async def send(self, name: str, write: Callable[[], Awaitable[None]], now: datetime) -> bool:
        """Await *write* when the rate allows it; True if it succeeded."""
        await self._rate_limiter.acquire()
        try:
            await write()
        except ConflictError as error:
            log.debug("vpa_not_written", vpa=name, part=self._what, error=str(error))
            return False
        except UnavailableError as error:
            self._rate_limiter.pause(error.retry_after_seconds or self._backoff.next_pause())
            log.warning("vpa_not_written", vpa=name, part=self._what, error=str(error))
            return False
        except ClusterError as error:
            self._refusals.add(name, now)
            self._reasons[name] = f"its {self._what} is refused: {error}"
            log.warning("vpa_not_written", vpa=name, part=self._what, error=str(error))
            return False
        self._backoff.reset()
        self._refusals.discard(name)
        self._reasons.pop(name, None)
        return True
