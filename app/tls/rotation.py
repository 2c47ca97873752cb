"""What has to be written next, told from what is stored and published now; pure but for randomness.

A rotation never fails an admission, wherever it is interrupted, because each write waits for those before it:

1. A new authority is stored beside the older ones.
2. The bundle is published: the new authority, and each older one whose certificates may still be served.
3. It is read back, and in force for longer than API servers take to learn of it.
4. Only then the new authority signs. Until then the issuer of what is served renews it, so it never expires.
5. An older authority goes when every certificate of it has expired: the served one, and all it replaced.

Nothing of this is remembered but how long a bundle was seen in force; who does not know it waits once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from cryptography import x509

from app.tls.issuing import AUTHORITY_LIFETIME, SERVING_LIFETIME, issue_authority, issue_serving_certificate
from app.tls.key_pairs import KeyPair, certificate_of, joined, parse_certificates, pem_of, separated
from app.tls.renewal import (
    authority_renewal_reason,
    is_issued_by,
    is_valid_at,
    renewal_due,
    serving_renewal_reason,
)


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """What is issued, and how long API servers may take to learn of a new bundle."""

    names: tuple[str, ...]
    serving_lifetime: timedelta = SERVING_LIFETIME
    authority_lifetime: timedelta = AUTHORITY_LIFETIME
    trust_lag_seconds: float = 10


@dataclass(frozen=True, slots=True)
class ObservedCertificates:
    """What Secrets and webhook configuration hold, and for how long each certificate was seen in force.

    `bundle` is None where it could not be read: then nothing is known to be in force.
    """

    authorities: KeyPair | None
    serving: KeyPair | None
    replaced: bytes
    bundle: bytes | None
    in_force_seconds: Mapping[x509.Certificate, float]


@dataclass(frozen=True, slots=True)
class StoreAuthorities:
    """Put *pair*, all authorities together, into their Secret."""

    pair: KeyPair
    reason: str


@dataclass(frozen=True, slots=True)
class PublishBundle:
    """Tell the API servers to trust *pem*."""

    pem: bytes


@dataclass(frozen=True, slots=True)
class StoreServing:
    """Have *pair* served, and remember what it *replaced*."""

    pair: KeyPair
    replaced: bytes
    reason: str


RotationStep = StoreAuthorities | PublishBundle | StoreServing


class RotationPlan(NamedTuple):
    """What can be written now, and the seconds until time alone brings more; infinite where it does not.

    Each step is safe whether or not the others take place.
    """

    steps: list[RotationStep]
    seconds_until_due: float


def plan(observed: ObservedCertificates, terms: RotationPolicy, now: datetime) -> RotationPlan:
    """What follows from *observed*."""
    situation = _Situation(observed, terms, now)
    steps = (situation.store_authorities(), situation.publish_bundle(), situation.store_serving())
    return RotationPlan([step for step in steps if step], situation.seconds_until_due())


class _Situation:
    """What *observed* means: which authority is the current one, and which of the older ones still count."""

    def __init__(self, observed: ObservedCertificates, terms: RotationPolicy, now: datetime) -> None:
        self._observed, self._terms, self._now = observed, terms, now
        self._stored = separated(observed.authorities) if observed.authorities else []
        self._published = parse_certificates(observed.bundle or b"")
        newest = self._stored[0] if self._stored else None
        self._renewal_reason = authority_renewal_reason(newest, now)
        self._current = None if self._renewal_reason else newest
        self._current_certificate = certificate_of(self._current)
        self._served = certificate_of(observed.serving)
        self._in_use = self._certificates_in_use()
        self._kept = [pair for pair in self._stored if pair == self._current or self._counts(_only(pair))]

    def store_authorities(self) -> StoreAuthorities | None:
        """A new authority before those that still count, or only these."""
        if self._renewal_reason:
            fresh = issue_authority(self._now, self._terms.authority_lifetime)
            return StoreAuthorities(joined([fresh, *self._kept]), self._renewal_reason)
        if self._kept != self._stored:
            return StoreAuthorities(joined(self._kept), "the certificates of an older one have expired")
        return None

    def publish_bundle(self) -> PublishBundle | None:
        """Every authority that counts, those included that only the bundle knows; never nothing at all."""
        known = [_only(pair) for pair in self._kept]
        others = [found for found in self._published if found not in known and self._counts(found)]
        pem = pem_of([found for found in (*known, *others) if found.not_valid_after_utc > self._now])
        if not pem or self._observed.bundle in {None, pem}:
            return None
        return PublishBundle(pem)

    def store_serving(self) -> StoreServing | None:
        """A new serving certificate, where one is due and somebody may sign it."""
        serving, signer = self._observed.serving, self._signer()
        if signer is None:
            return None
        reason = serving_renewal_reason(serving, signer, self._terms.names, self._now)
        if reason is None:
            return None
        issued = issue_serving_certificate(signer, self._terms.names, self._now, self._terms.serving_lifetime)
        return StoreServing(issued, pem_of(self._in_use), reason)

    def seconds_until_due(self) -> float:
        """Until a certificate is to be renewed, or the current authority may sign."""
        current = self._current_certificate
        waits = [(renewal_due(each) - self._now).total_seconds() for each in (current, self._served) if each]
        if current and current in self._observed.in_force_seconds:
            waits.append(self._terms.trust_lag_seconds - self._observed.in_force_seconds[current])
        return min((seconds for seconds in waits if seconds > 0), default=inf)

    def _certificates_in_use(self) -> list[x509.Certificate]:
        """What replicas may serve: what is stored, and what that replaced, until it expires.

        Where the Secret holds none, replicas may go on with one that nobody knows any more: each authority
        but the current one, which stays anyway, stands for its own.
        """
        authorities = [*map(_only, self._stored), *self._published]
        others = [found for found in authorities if found != self._current_certificate]
        replaced = parse_certificates(self._observed.replaced)
        used = dict.fromkeys([*([self._served] if self._served else others), *replaced])
        return [certificate for certificate in used if certificate.not_valid_after_utc > self._now]

    def _counts(self, authority: x509.Certificate) -> bool:
        return any(is_issued_by(certificate, authority) for certificate in self._in_use)

    def _signer(self) -> KeyPair | None:
        """The current authority once every API server trusts it; before that, who signed what is served.

        Where nothing is served and nothing else is trusted, as in a first installation, nothing can break.
        """
        current = self._current_certificate
        in_force = self._observed.in_force_seconds.get(current, -1) if current else -1
        if in_force >= self._terms.trust_lag_seconds:
            return self._current
        if self._served:
            return next((pair for pair in self._kept if self._may_renew(self._served, pair)), None)
        is_first = self._observed.bundle is not None and all(found == current for found in self._published)
        return self._current if is_first else None

    def _may_renew(self, served: x509.Certificate, pair: KeyPair) -> bool:
        authority = _only(pair)
        return (
            bool(pair.private_key) and is_valid_at(authority, self._now) and is_issued_by(served, authority)
        )


def _only(pair: KeyPair) -> x509.Certificate:
    return parse_certificates(pair.certificate)[0]
