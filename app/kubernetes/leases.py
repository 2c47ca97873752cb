"""A Lease as a lock: who holds it, how it is claimed, renewed and freed.

Whether another holder's time has run out is told by our own monotonic clock since we last saw the Lease
change; the times written in it may come from a clock that is wrong.
"""

import math
import time
from datetime import UTC, datetime

from app.errors import ConflictError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.list_options import Object

_RELEASE_ATTEMPTS = 2


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
        """Claim or renew the Lease; False where another candidate holds it.

        Raises:
            ConflictError: somebody wrote the Lease at the same moment; the next try reads it first.
            ClusterError: the API server did not say; the Lease may be ours or not.
        """
        lease, self._own = self._own or await self._read(), None
        if not self._may_claim(_spec(lease)):
            return False
        claimed_at = time.monotonic()
        spec = claimed(
            _spec(lease), self._identity, duration_seconds=self._duration_seconds, now=datetime.now(UTC)
        )
        self._own = await self._client.replace(self._path, lease | {"spec": spec})
        self.claimed_at = claimed_at
        return True

    async def release(self) -> None:
        """Free the Lease, if it is ours; it is read first, since a claim may stand whose answer was lost."""
        self._own = None
        for _ in range(_RELEASE_ATTEMPTS):
            lease = await self._read()
            if _spec(lease).get("holderIdentity") != self._identity:
                return
            try:
                await self._client.replace(
                    self._path, lease | {"spec": freed(_spec(lease), now=datetime.now(UTC))}
                )
            except ConflictError:
                continue
            return

    async def _read(self) -> Object:
        with rendered_by_chart(self._title):
            lease = await self._client.get(self._path)
        if _spec(lease) != self._seen_spec:
            self._seen_spec, self._seen_at = _spec(lease), time.monotonic()
        return lease

    def _may_claim(self, spec: Object) -> bool:
        """The holder's own duration counts, which may not be ours while a release is rolled out."""
        if spec.get("holderIdentity") in {None, "", self._identity}:
            return True
        duration_seconds = spec.get("leaseDurationSeconds") or self._duration_seconds
        return time.monotonic() - self._seen_at > duration_seconds


def claimed(spec: Object, identity: str, *, duration_seconds: float, now: datetime) -> Object:
    """The spec once *identity* holds the Lease; fields of others stay."""
    claim = {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(duration_seconds),
        "renewTime": _micro_time(now),
    }
    if spec.get("holderIdentity") == identity:
        return spec | claim
    transitions = spec["leaseTransitions"] + 1 if "leaseTransitions" in spec else 0
    return spec | claim | {"acquireTime": _micro_time(now), "leaseTransitions": transitions}


def freed(spec: Object, *, now: datetime) -> Object:
    """The spec once its holder gave the Lease up."""
    return spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time(now)}


def _spec(lease: Object) -> Object:
    """A Lease that nobody ever held may have none."""
    spec: Object = lease.get("spec") or {}
    return spec


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
