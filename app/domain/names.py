"""Names of profiles: the contract's sha1 formula, and what stands in where two identities would share one."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from app.domain.profiles import Identity
from app.domain.workloads import Connection, Workload

_PREFIXES = {"cpu": "cpuprofile-", "memory": "memprofile-", "connection": "connprofile-"}


def _sha1hex(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def contract_name(identity: Identity) -> str | None:
    """The contract's name, or None for an identity that the formula can't tell apart from others.

    sha1hex(job+namespace) for Deployments; sha1hex(source+destination+namespace) for connections between
    two Deployments of one namespace.
    """
    kind, subject = identity
    if isinstance(subject, Connection):
        ends = (subject.source, subject.destination)
        if any(end.kind != "Deployment" or end.namespace != subject.source.namespace for end in ends):
            return None
        return _PREFIXES[kind] + _sha1hex(
            subject.source.name + subject.destination.name + subject.source.namespace
        )
    if subject.kind != "Deployment":
        return None
    return _PREFIXES[kind] + _sha1hex(subject.name + subject.namespace)


def separated_name(identity: Identity) -> str:
    """The name from the `/`-separated identity, kinds included: no two identities share it."""
    kind, subject = identity
    ends: tuple[Workload, ...] = (
        (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    )
    return _PREFIXES[kind] + _sha1hex("/".join(f"{end.kind}/{end.namespace}/{end.name}" for end in ends))


def allocate_names(identities: Iterable[Identity], stored: Mapping[Identity, str]) -> dict[Identity, str]:
    """A name for each identity: the stored one, else the contract's, else the separated one.

    A name that belongs to another identity is never given out; among newcomers the order decides, and it
    is the identities' own order, so that every leader decides alike.
    """
    names = dict(stored)
    taken = set(stored.values())
    formulas: tuple[Callable[[Identity], str | None], ...] = (contract_name, separated_name)
    for identity in sorted(set(identities) - set(stored)):
        candidates = (formula(identity) for formula in formulas)
        name = next((name for name in candidates if name is not None and name not in taken), None)
        if name is not None:
            names[identity] = name
            taken.add(name)
    return names
