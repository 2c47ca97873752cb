"""Names of profiles: the contract's sha1 formula, and what stands in where two identities would share one."""

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
    """The contract's name, or None for an identity that the formula can't tell apart from others.

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
    """The name from the `/`-separated identity, kinds included: no two identities share it."""
    kind, subject = identity.kind, identity.subject
    ends: tuple[Workload, ...] = (
        (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    )
    return _PREFIXES[kind] + _sha1hex("/".join(f"{end.kind}/{end.namespace}/{end.name}" for end in ends))


def _candidates(identity: Identity, known: str | None) -> Iterator[str]:
    if known:
        yield known
    if contract := contract_name(identity):
        yield contract
    yield separated_name(identity)


def allocate_names(
    identities: Iterable[Identity], stored: Mapping[Identity, str], taken: Iterable[str]
) -> dict[Identity, str]:
    """A name for each identity: the stored one, else the contract's, else the separated one.

    *taken* are all names that exist, those of objects without an identity too: a profile never overwrites
    what belongs to somebody else. Among newcomers the identities' own order decides, so that every leader
    decides alike. An identity both of whose names are taken gets none.
    """
    names: dict[Identity, str] = {}
    used = set(taken)
    for identity in sorted(set(identities)):
        known = stored.get(identity)
        free = (name for name in _candidates(identity, known) if name == known or name not in used)
        name = next(free, None)
        if name is not None:
            names[identity] = name
            used.add(name)
    return names
