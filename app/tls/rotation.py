"""Plan of the CA rotation: the next writes, given what is stored and published.

Pure: the time and the source of private keys and serial numbers are arguments.

A rotation may be interrupted anywhere without failing an admission, because each step waits for the previous
ones:

1. A new CA is stored beside the older ones.
2. The CA bundle is published: the new CA, and each older CA with certificates that may still be served.
3. The bundle is read back, and stays published for longer than API servers take to load it.
4. Only then the new CA signs. Until then the CA that issued the served certificate renews it, so that the
   served certificate never expires.
5. An older CA is removed once all certificates that it signed have expired: the served and the replaced ones.

The only state in memory is how long each CA has been seen in the bundle; a process that starts waits again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from cryptography import x509

from app.tls.issuing import (
    AUTHORITY_LIFETIME,
    SERVING_LIFETIME,
    KeySource,
    issue_authority,
    issue_serving_certificate,
)
from app.tls.key_pairs import KeyPair, certificate_of, concatenate, parse_certificates, split, to_pem
from app.tls.renewal import (
    authority_renewal_reason,
    is_issued_by,
    is_valid_at,
    renewal_due,
    serving_renewal_reason,
)


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Names and lifetimes of certificates, and the time in which all API servers load a new bundle."""

    names: tuple[str, ...]
    serving_lifetime: timedelta = SERVING_LIFETIME
    authority_lifetime: timedelta = AUTHORITY_LIFETIME
    trust_lag_seconds: float = 10


@dataclass(frozen=True, slots=True)
class ObservedCertificates:
    """The contents of Secrets and webhook configuration, and how long each CA has been seen published.

    `authorities` holds all stored CAs, newest first. `replaced` are formerly served certificates, as PEM.
    `bundle` is None if it could not be read: then no CA counts as published.
    """

    authorities: KeyPair | None
    serving: KeyPair | None
    replaced: bytes
    bundle: bytes | None
    published_seconds: Mapping[x509.Certificate, float]


@dataclass(frozen=True, slots=True)
class StoreAuthorities:
    """Write *pair*, which holds all CAs, to their Secret."""

    pair: KeyPair
    reason: str


@dataclass(frozen=True, slots=True)
class PublishBundle:
    """Write *pem* to the `caBundle` of the webhook configuration."""

    pem: bytes


@dataclass(frozen=True, slots=True)
class StoreServing:
    """Write *pair*, to be served, and the certificates that it *replaced* to the serving Secret."""

    pair: KeyPair
    replaced: bytes
    reason: str


RotationStep = StoreAuthorities | PublishBundle | StoreServing


class RotationPlan(NamedTuple):
    """The steps that are due, and the seconds until the next step is due (infinite if none is).

    Each step is safe even if the others fail.
    """

    steps: list[RotationStep]
    seconds_until_due: float


def plan(
    observed: ObservedCertificates, policy: RotationPolicy, now: datetime, keys: KeySource
) -> RotationPlan:
    """The plan for the *observed* state; *keys* is used only if a certificate is issued."""
    state = _RotationState(observed, policy, now, keys)
    steps = (state.authorities_step(), state.bundle_step(), state.serving_step())
    return RotationPlan([step for step in steps if step], state.seconds_until_due())


class _RotationState:
    """The newest CA unless it is due for renewal, and the older CAs that are still needed."""

    def __init__(
        self, observed: ObservedCertificates, policy: RotationPolicy, now: datetime, keys: KeySource
    ) -> None:
        self._observed, self._policy, self._now, self._keys = observed, policy, now, keys
        self._stored = split(observed.authorities) if observed.authorities else []
        self._published = parse_certificates(observed.bundle or b"")
        newest = self._stored[0] if self._stored else None
        self._renewal_reason = authority_renewal_reason(newest, now)
        self._current = None if self._renewal_reason else newest  # None: a new CA is due
        self._current_certificate = certificate_of(self._current)
        self._served = certificate_of(observed.serving)
        self._in_use = self._certificates_in_use()
        self._needed = [
            pair
            for pair in self._stored
            if pair == self._current or self._is_needed(_first_certificate(pair))
        ]

    def authorities_step(self) -> StoreAuthorities | None:
        """The step that adds a due CA, or else removes CAs that are not needed; None if nothing changes."""
        if self._renewal_reason:
            new = issue_authority(self._keys, self._now, self._policy.authority_lifetime)
            return StoreAuthorities(concatenate([new, *self._needed]), self._renewal_reason)
        if self._needed != self._stored:
            return StoreAuthorities(concatenate(self._needed), "all certificates of an older CA have expired")
        return None

    def bundle_step(self) -> PublishBundle | None:
        """The step that publishes all needed CAs, also those only in the bundle; never an empty bundle."""
        stored = [_first_certificate(pair) for pair in self._needed]
        others = [
            authority
            for authority in self._published
            if authority not in stored and self._is_needed(authority)
        ]
        valid = [authority for authority in (*stored, *others) if authority.not_valid_after_utc > self._now]
        pem = to_pem(valid)
        if not pem or self._observed.bundle in {None, pem}:
            return None
        return PublishBundle(pem)

    def serving_step(self) -> StoreServing | None:
        """The step that stores a new serving certificate; None if none is due or no CA may sign it."""
        serving, signer = self._observed.serving, self._signer()
        if signer is None:
            return None
        policy = self._policy
        reason = serving_renewal_reason(serving, signer, policy.names, self._now)
        if reason is None:
            return None
        pair = issue_serving_certificate(self._keys, signer, policy.names, self._now, policy.serving_lifetime)
        return StoreServing(pair, to_pem(self._in_use), reason)

    def seconds_until_due(self) -> float:
        """The seconds until a certificate is due for renewal, or the current CA may sign."""
        current = self._current_certificate
        waits = [
            (renewal_due(certificate) - self._now).total_seconds()
            for certificate in (current, self._served)
            if certificate
        ]
        if current and current in self._observed.published_seconds:
            waits.append(self._policy.trust_lag_seconds - self._observed.published_seconds[current])
        return min((seconds for seconds in waits if seconds > 0), default=inf)

    def _certificates_in_use(self) -> list[x509.Certificate]:
        """The unexpired certificates that replicas may serve: the stored one and those that it replaced.

        Without a stored serving certificate, assume that every older CA still has one in use: replicas may
        serve one that is no longer stored. The CA certificates then stand in for it, so all CAs are kept.
        """
        authorities = [*map(_first_certificate, self._stored), *self._published]
        older = [authority for authority in authorities if authority != self._current_certificate]
        replaced = parse_certificates(self._observed.replaced)
        in_use = dict.fromkeys([*([self._served] if self._served else older), *replaced])
        return [certificate for certificate in in_use if certificate.not_valid_after_utc > self._now]

    def _is_needed(self, authority: x509.Certificate) -> bool:
        """True if *authority* signed a certificate that is in use."""
        return any(is_issued_by(certificate, authority) for certificate in self._in_use)

    def _signer(self) -> KeyPair | None:
        """The current CA when all API servers trust it; until then the CA that signed the served certificate.

        In a first installation nothing is served and no other CA is published: the current CA signs at once.
        """
        current = self._current_certificate
        published_seconds = self._observed.published_seconds.get(current, -1) if current else -1
        if published_seconds >= self._policy.trust_lag_seconds:
            return self._current
        if self._served:
            return next((pair for pair in self._needed if self._can_renew(self._served, pair)), None)
        is_first = self._observed.bundle is not None and all(
            authority == current for authority in self._published
        )
        return self._current if is_first else None

    def _can_renew(self, served: x509.Certificate, pair: KeyPair) -> bool:
        authority = _first_certificate(pair)
        return (
            bool(pair.private_key) and is_valid_at(authority, self._now) and is_issued_by(served, authority)
        )


def _first_certificate(pair: KeyPair) -> x509.Certificate:
    return parse_certificates(pair.certificate)[0]
