"""A Lease as a lock: claimed, renewed and released by its holder.

Another holder's Lease has expired if it has not changed for this candidate's duration, measured by this
process's monotonic clock, as in client-go. What the Lease states does not count: its times may come from a
wrong clock, and whoever may write it could state a duration of 68 years.
"""

import math
import time
from datetime import UTC, datetime

from app.errors import ConflictError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_missing_object
from app.kubernetes.list_options import Object

_RELEASE_ATTEMPTS = 2
_MOST_TRANSITIONS = 2**31 - 1  # the API server refuses a larger number


class LeaseLock:
    """One candidate's view of one Lease; `claimed_at` is the monotonic time of its last claim."""

    def __init__(
        self,
        client: ClusterClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_seconds: float,
    ) -> None:
        self._client = client
        self._path = paths.lease(namespace, name)
        self._title = f"Lease {namespace}/{name}"
        self._identity = identity
        self._duration_seconds = duration_seconds
        self._own: Object | None = None
        self._seen_spec: Object | None = None
        self._seen_at = -math.inf
        self.claimed_at = -math.inf

    async def try_to_hold(self) -> bool:
        """Claim or renew the Lease; False if another candidate holds it.

        Raises:
            ConflictError: another client wrote the Lease at the same time; the next try reads it first.
            ClusterError: the request failed; the Lease may be held or not.
        """
        lease, self._own = self._own or await self._read(), None
        if not self._may_claim(_spec(lease)):
            return False
        claimed_at = time.monotonic()
        spec = claim_spec(
            _spec(lease), self._identity, duration_seconds=self._duration_seconds, now=datetime.now(UTC)
        )
        self._own = await self._client.replace(self._path, lease | {"spec": spec})
        self.claimed_at = claimed_at
        return True

    async def release(self) -> None:
        """Release the Lease if it is held; it is read first, because the response to a claim may be lost."""
        self._own = None
        for _ in range(_RELEASE_ATTEMPTS):
            lease = await self._read()
            if _spec(lease).get("holderIdentity") != self._identity:
                return
            try:
                await self._client.replace(
                    self._path, lease | {"spec": release_spec(_spec(lease), now=datetime.now(UTC))}
                )
            except ConflictError:
                continue
            return

    async def _read(self) -> Object:
        with explain_missing_object(self._title):
            lease = await self._client.get(self._path)
        if _spec(lease) != self._seen_spec:
            self._seen_spec, self._seen_at = _spec(lease), time.monotonic()
        return lease

    def _may_claim(self, spec: Object) -> bool:
        """True if the Lease is free, held by this candidate, or unchanged for this candidate's duration."""
        if spec.get("holderIdentity") in (None, "", self._identity):
            return True
        return time.monotonic() - self._seen_at > self._duration_seconds


def claim_spec(spec: Object, identity: str, *, duration_seconds: float, now: datetime) -> Object:
    """The spec of a Lease that *identity* holds; other fields are kept."""
    claim = {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(duration_seconds),
        "renewTime": _micro_time(now),
    }
    if spec.get("holderIdentity") == identity:
        return spec | claim
    return spec | claim | {"acquireTime": _micro_time(now), "leaseTransitions": _next_transitions(spec)}


def release_spec(spec: Object, *, now: datetime) -> Object:
    """The spec of a released Lease."""
    return spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time(now)}


def _next_transitions(spec: Object) -> int:
    """The number of holders before the next one; it starts again after the largest, and after garbage."""
    transitions = spec.get("leaseTransitions")
    if not isinstance(transitions, int) or not 0 <= transitions < _MOST_TRANSITIONS:
        return 0
    return transitions + 1


def _spec(lease: Object) -> Object:
    """The spec; empty if the Lease has none, which happens before it is first held."""
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
