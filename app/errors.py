"""The exceptions that cross packages, one class per decision of a caller.

ProfilerError
├── SettingsError        invalid settings, all reported at once: exit code 2, before anything starts
├── HistoryFileError     a recorded history can't be read: exit code 2
├── ReviewError          the request body is not an AdmissionReview: HTTP 4xx, never a stack trace
├── SourceError          a usage source failed or gave an incomplete answer: profiles stay unchanged
│   ├── NoNamespacesError  no namespace is in scope: no query was sent, and no source failed
│   ├── ThrottledError   the source limits the rate of queries: send no more of them
│   ├── SeveralClustersError  series of several clusters can't be separated: a setting is missing
│   ├── TooLargeError    the answer is larger than the source allows: send smaller queries
│   └── RefusedQueryError  the source works, but not for this query: other namespaces or steps may succeed
└── ClusterError         the API server rejected the request or is unreachable
    ├── NotFoundError    the object does not exist
    ├── ConflictError    the object was changed concurrently: read it again, then decide
    ├── ForbiddenError   a permission is missing: report which one, never retry fast
    ├── InvalidError     the request is malformed (400)
    ├── ExpiredError     the resourceVersion is too old (410, or any error in a watch): relist
    └── UnavailableError retry later, after `retry_after_seconds` if the server sent it
"""

from collections.abc import Sequence


class ProfilerError(Exception):
    """Base class of all exceptions; the message is written for users."""


class SettingsError(ProfilerError):
    """One or more settings are invalid; `faults` has a message for each, with the remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class HistoryFileError(ProfilerError):
    """A file of recorded usage can't be read."""


class ReviewError(ProfilerError):
    """The request is not an AdmissionReview that can be answered; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SourceError(ProfilerError):
    """A usage source gave no complete answer; `reason` is a CamelCase word for status and metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NoNamespacesError(SourceError):
    """No namespace is in scope, so no query is sent."""


class ThrottledError(SourceError):
    """The source limits the rate of queries: fewer of them may succeed."""


class SeveralClustersError(SourceError):
    """The source has series of several clusters, and no setting says which one is profiled."""


class TooLargeError(SourceError):
    """The answer is too large, or not complete in time if `timed_out`: a smaller query may succeed."""

    def __init__(self, reason: str, message: str, *, timed_out: bool = False) -> None:
        super().__init__(reason, message)
        self.timed_out = timed_out


class RefusedQueryError(SourceError):
    """The source can't evaluate the query, or its response is not usable, perhaps because of a few series."""


class ClusterError(ProfilerError):
    """The API server rejected the request or is unreachable."""


class NotFoundError(ClusterError):
    """The object (or its kind) does not exist."""


class ConflictError(ClusterError):
    """The object changed since it was read, or another manager owns a field."""


class ForbiddenError(ClusterError):
    """The account lacks a permission (401 or 403)."""


class InvalidError(ClusterError):
    """The API server can't read the request (400); a retry would not help."""


class ExpiredError(ClusterError):
    """A list or watch can't continue from its resourceVersion: relist."""


class UnavailableError(ClusterError):
    """Time-out, refused connection, 429 or 5xx: a retry may succeed."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
