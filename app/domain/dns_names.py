"""Names that Kubernetes accepts for namespaces and workloads (RFC 1123)."""

import re
from hashlib import sha1

from app.domain.workloads import Workload

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_LABEL, _MAX_SUBDOMAIN = 63, 253


def is_dns_label(name: str) -> bool:
    """True for a possible name of a namespace."""
    return len(name) <= _MAX_LABEL and _LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """True for a possible name of a workload."""
    return len(name) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(name) is not None


def has_possible_name(workload: Workload) -> bool:
    """True if an object with the namespace and name of *workload* can exist."""
    return is_dns_label(workload.namespace) and is_dns_subdomain(workload.name)


def shortened(name: str) -> str:
    """*name*, or its beginning and a hash of it, if it is longer than names of objects are."""
    if len(name) <= _MAX_SUBDOMAIN:
        return name
    digest = sha1(name.encode(), usedforsecurity=False).hexdigest()[:10]
    return f"{name[: _MAX_SUBDOMAIN - 11].rstrip('.-')}-{digest}"
