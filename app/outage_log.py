"""Log lines of outages: the first failure, each change of the cause, and the recovery."""

from collections.abc import Callable, Mapping
from typing import Any


class OutageLog:
    """The log lines of one operation that is retried.

    *event* is logged as a warning with the error's text under *field*, unless the last failure had the same
    *cause* (by default its text); *recovery*, if set, is logged on the first success after a failure.
    """

    def __init__(  # noqa: PLR0913 - field and cause differ for one kind of outage only
        self,
        log: Any,
        event: str,
        *,
        recovery: str = "",
        field: str = "error",
        cause: Callable[[Exception], object] = str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        self._log, self._event, self._recovery = log, event, recovery
        self._field, self._cause, self._context = field, cause, dict(context or {})
        self._last_cause: object = None
        self.fault: str | None = None  # the text of the first failure with this cause, while it fails

    def failed(self, error: Exception) -> None:
        """Record a failed attempt."""
        cause = self._cause(error)
        if cause != self._last_cause:
            self._last_cause = cause
            self.fault = str(error) or "no response in time"
            self._log.warning(self._event, **self._context, **{self._field: self.fault})

    def succeeded(self) -> None:
        """Record a successful attempt."""
        if self._last_cause is not None and self._recovery:
            self._log.info(self._recovery, **self._context)
        self._last_cause = self.fault = None

    def faults(self, subject: str) -> dict[str, str]:
        """The fault of *subject*, the operation; empty if the last attempt succeeded."""
        return {subject: self.fault} if self.fault else {}


def contact_log(log: Any, subject: str) -> OutageLog:
    """The log of API server outages that affect *subject*; the cause is the exception's class."""
    return OutageLog(
        log,
        "contact_lost",
        recovery="contact_regained",
        field="reason",
        cause=type,
        context={"subject": subject},
    )
