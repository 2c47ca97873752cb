"""The audit log of the API server: which account asked for what, and whether RBAC allowed it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_CREATED = 201


class AuditedRequest(NamedTuple):
    """One request of a service account.

    `resource` includes the subresource, and is empty for a URL that is no resource. `name` is also that of a
    list or watch by the field `metadata.name`, which RBAC authorizes as one of that object.
    """

    account: str
    namespace: str
    group: str
    resource: str
    name: str
    verb: str
    url: str
    is_allowed: bool


def audited_requests(log: Path, service_accounts_of: str) -> list[AuditedRequest]:
    """The requests so far of the service accounts of a namespace.

    An apply that creates its object is also a request to create: the API server asks RBAC for both verbs,
    and logs the first one.
    """
    prefix = f"system:serviceaccount:{service_accounts_of}:"
    found: list[AuditedRequest] = []
    for line in log.read_text().splitlines():
        event = json.loads(line)
        user = event["user"]["username"]
        if user.startswith(prefix):
            found += _requests(event, user.removeprefix(prefix))
    return found


def _requests(event: dict[str, Any], account: str) -> Iterator[AuditedRequest]:
    target, path = event.get("objectRef", {}), event["requestURI"].partition("?")[0]
    resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
    decision = event.get("annotations", {}).get("authorization.k8s.io/decision")
    request = AuditedRequest(
        account,
        target.get("namespace", ""),
        target.get("apiGroup", ""),
        resource,
        target.get("name", ""),
        event["verb"],
        path,
        is_allowed=decision == "allow",
    )
    yield request
    if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == _CREATED:
        yield request._replace(verb="create")
