"""Names of profiles: the contract's sha1 formula, and a separated name where that formula is ambiguous."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload

_PREFIXES = {
    ProfileKind.CPU: "cpuprofile-",
    ProfileKind.MEMORY: "memprofile-",
    ProfileKind.CONNECTION: "connprofile-",
}


def _sha1hex(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def contract_name(identity: Identity) -> str | None:
    """The contract's name; None for an identity for which the formula is ambiguous.

    sha1hex(job+namespace) for Deployments; sha1hex(source+destination+namespace) for connections between
    two Deployments of one namespace.
    """
    kind, subject = identity.kind, identity.subject
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
    """The name from the `/`-separated identity with kinds, which is unique to the identity."""
    kind, subject = identity.kind, identity.subject
    ends: tuple[Workload, ...] = (
        (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    )
    return _PREFIXES[kind] + _sha1hex("/".join(f"{end.kind}/{end.namespace}/{end.name}" for end in ends))


def is_name_of(identity: Identity, name: str) -> bool:
    """True if the rules can give *name* to *identity*: any other object with this identity is a copy."""
    return name in (contract_name(identity), separated_name(identity))


def is_newcomer_name(identity: Identity, name: str) -> bool:
    """True if *name* is the separated one although there is a contract name: that was taken at the time."""
    return contract_name(identity) not in (None, name)


def _possible_names(identity: Identity, stored: str | None) -> Iterator[str]:
    if stored:
        yield stored
    if contract := contract_name(identity):
        yield contract
    yield separated_name(identity)


def allocate_names(
    identities: Iterable[Identity], stored: Mapping[Identity, str], taken: Iterable[str]
) -> dict[Identity, str]:
    """A name for each identity: the stored one, else the contract's, else the separated one.

    *taken* are the names of all objects, including objects without an identity: a profile never overwrites
    another object. New identities get names in sorted order, so that every leader allocates the same ones. An
    identity gets no name if both its names are taken.
    """
    names: dict[Identity, str] = {}
    used = set(taken)
    for identity in sorted(set(identities)):
        current = stored.get(identity)
        free = (name for name in _possible_names(identity, current) if name == current or name not in used)
        name = next(free, None)
        if name is not None:
            names[identity] = name
            used.add(name)
    return names
