"""The difference between this process's clock and the API server's, from the `Date` of its responses.

Certificates, Events and the ages of profiles depend on the clocks of several machines. A difference is only
stated: the time of a response is not trusted for anything.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import structlog

log = structlog.get_logger(__name__)

TOLERATED_SECONDS = 60.0
_SECONDS_BETWEEN_LOOKS = 60.0


class ServerClock:
    """Compares the clocks at most once a minute; logs when they begin to differ, and when they agree again.

    `ahead_seconds` is the lead of this process's clock, to the second; None before the first response.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.ahead_seconds: float | None = None
        self._wall, self._monotonic = wall, monotonic
        self._looked_at: float | None = None
        self._differs = False

    @property
    def differs(self) -> bool:
        """True if the clocks differ by more than a minute."""
        return self._differs

    def observe(self, date: str | None) -> None:
        """Compare with the `Date` header of a response that was just received; nothing if it is no date."""
        moment = self._monotonic()
        if not date or (self._looked_at is not None and moment - self._looked_at < _SECONDS_BETWEEN_LOOKS):
            return
        try:
            server_seconds = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        self._looked_at, self.ahead_seconds = moment, float(round(self._wall() - server_seconds))
        differs = abs(self.ahead_seconds) > TOLERATED_SECONDS
        if differs and not self._differs:
            log.warning("clocks_differ", ahead_of_api_server_seconds=self.ahead_seconds)
        elif self._differs and not differs:
            log.info("clocks_agree", ahead_of_api_server_seconds=self.ahead_seconds)
        self._differs = differs
