"""The part of a profile's status on its workload and its past: request, limit, replicas and changes."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any

from app.domain.annotations import profile_labels
from app.domain.profiles import ResourceProfile
from app.domain.quantities import need_quantity
from app.domain.stored_state import NO_STATE_PARTS, StateParts, StoredState
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.value_history import ValueChange, from_items, pack, to_items
from app.domain.workloads import Connection, Workload

_LABELLED, _UNLABELLED = StoredState(has_labels=True), StoredState()


def state_fields(profile: ResourceProfile, history: Sequence[ValueChange]) -> dict[str, Any]:
    """The fields of the status; what is not known is absent."""
    fields: dict[str, Any] = {"need": need_quantity(profile.resource, profile.value)}
    if state := profile.workload_state:
        texts = {"request": state.amounts.request, "limit": state.amounts.limit}
        fields |= {name: text for name, text in texts.items() if text}
        replicas = {"ready": state.ready_replicas, "desired": state.desired_replicas}
        if known := {name: count for name, count in replicas.items() if count is not None}:
            fields["replicas"] = known
    if history:
        fields["history"] = to_items(history)
    return fields


def container_amounts(profile: ResourceProfile) -> dict[str, dict[str, str]]:
    """The request and the limit of each container that has any."""
    amounts = profile.workload_state.amounts.containers if profile.workload_state else ()
    return {
        container.name: {
            name: text for name, text in (("request", container.request), ("limit", container.limit)) if text
        }
        for container in amounts
    }


def read_state(
    metadata: Mapping[str, Any],
    status: Mapping[str, Any],
    subject: Workload | Connection,
    *,
    parts: StateParts = NO_STATE_PARTS,
) -> StoredState:
    """The state in a stored object; a field that is not of the schema's type counts as absent.

    It has only those of the optional *parts* that are asked for.
    """
    workload = subject.source if isinstance(subject, Connection) else subject
    labels = mapping_in(metadata.get("labels"))
    has_labels = profile_labels(workload).items() <= labels.items()
    if isinstance(subject, Connection):
        return _LABELLED if has_labels else _UNLABELLED  # shared, since most profiles are of connections
    desired = mapping_in(status.get("replicas")).get("desired")
    containers = list(map(mapping_in, list_in(status.get("containers"))))
    signals = map(mapping_in, list_in(status.get("signals")))
    return StoredState(
        pack(from_items(status.get("history"))),
        intern(text_in(mapping_in(status.get("risk")).get("level"))),
        _shared(tuple(text_in(container.get("name")) for container in containers)),
        tuple(intern(text_in(container.get("value"))) for container in containers),
        _shared(tuple(text_in(container.get("request")) for container in containers if parts.requests)),
        max((_share(signal.get("raisedBy")) for signal in signals), default=0.0),
        intern(text_in(status.get("request"))),
        intern(text_in(status.get("limit"))),
        desired if isinstance(desired, int) else None,
        is_complete="need" in status,
        has_labels=has_labels,
        at_risks=tuple(map(_at_risks, containers)) if parts.risks else (),
    )


def _at_risks(container: Mapping[str, Any]) -> tuple[str, str]:
    """The needs at low and at high risk; the value where an older release stored no other."""
    values, value = mapping_in(container.get("values")), text_in(container.get("value"))
    return text_in(values.get("low")) or value, text_in(values.get("high")) or value


@lru_cache(maxsize=20_000)
def _shared(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The *texts* as one object for all profiles with the same."""
    return tuple(map(intern, texts))


def _share(value: object) -> float:
    try:
        return float(text_in(value) or 0)
    except ValueError:
        return 0.0
