"""Whether something answers, told to the log when that changes and not with every attempt."""

import structlog

from app.errors import ClusterError

log = structlog.get_logger(__name__)


class OutageLog:
    """One line when contact to *subject* is lost or the reason's kind changes, and one when it is back."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._trouble: type[Exception] | None = None

    def lost(self, error: ClusterError | TimeoutError) -> None:
        """An attempt failed."""
        if self._trouble is not type(error):
            self._trouble = type(error)
            log.warning("contact_lost", subject=self._subject, reason=str(error) or "no answer in time")

    def regained(self) -> None:
        """An attempt succeeded."""
        if self._trouble is not None:
            self._trouble = None
            log.info("contact_regained", subject=self._subject)
