"""Every exception of the profiler, one class per decision that a caller takes.

ProfilerError
├── SettingsError        wrong settings, all of them at once: exit code 2, before anything starts
├── HistoryFileError     a recorded history can't be read: exit code 2
├── ReviewError          a request body is not an AdmissionReview: an HTTP 4xx, never a stack trace
├── SourceError          a source of usage failed or answered in part: profiles stay as they are
│   ├── NoNamespacesError  nothing is in scope: nothing was asked, and no source is at fault
│   └── TooLargeError    more was asked for than the source gives at once: ask for less
└── ClusterError         the API server refused or could not be reached
    ├── NotFoundError    the object is not there
    ├── ConflictError    somebody else was faster: read again, then decide
    ├── ForbiddenError   a right is missing: say which, never retry fast
    ├── InvalidError     the request itself can't be read (400): what was asked for is wrong
    ├── ExpiredError     a resourceVersion is too old (410, or any error in a watch): list again
    └── UnavailableError try again later, after `retry_after_seconds` where the server named it
"""

from collections.abc import Sequence


class ProfilerError(Exception):
    """Base of all; its text is fit for a person to read."""


class SettingsError(ProfilerError):
    """One or more settings are wrong; `faults` names each, with what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class HistoryFileError(ProfilerError):
    """A file of recorded usage can't be read."""


class ReviewError(ProfilerError):
    """A request is not an AdmissionReview that can be answered; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SourceError(ProfilerError):
    """A source of usage gave no complete answer; `reason` is a CamelCase word for status and metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NoNamespacesError(SourceError):
    """No namespace is in scope, so that there is nothing to ask."""


class TooLargeError(SourceError):
    """The source refuses so large an answer, or `is_late` with it: a smaller question may be answered."""

    def __init__(self, reason: str, message: str, *, is_late: bool = False) -> None:
        super().__init__(reason, message)
        self.is_late = is_late


class ClusterError(ProfilerError):
    """The API server refused, or could not be reached."""


class NotFoundError(ClusterError):
    """The object (or its kind) is not there."""


class ConflictError(ClusterError):
    """The object changed since it was read, or another manager owns a field."""


class ForbiddenError(ClusterError):
    """The account lacks a right (401 or 403)."""


class InvalidError(ClusterError):
    """The API server can't read the request (400); the same again would not help."""


class ExpiredError(ClusterError):
    """A list or watch can't go on from its resourceVersion: list again."""


class UnavailableError(ClusterError):
    """Time-out, refused connection, 429 or 5xx: worth another try."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
