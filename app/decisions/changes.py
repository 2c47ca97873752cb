"""The last changes of a workload's values, from the history in the status of its profiles."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.decisions.figures import RESOURCES
from app.domain.custom_resources import from_manifest
from app.domain.profiles import Resource
from app.domain.quantities import amount_in
from app.domain.untyped import mapping_in, text_in
from app.domain.value_history import from_items
from app.domain.workloads import Workload, is_named


@dataclass(frozen=True, slots=True)
class NeedChange:
    """One change of a need, in cores or bytes; `words` is the reason as a sentence has it."""

    workload: Workload
    resource: Resource
    time: datetime
    old: Decimal
    new: Decimal
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class ChangeHistory:
    """The changes of the workloads of one name, newest first, and the present needs with their times."""

    changes: tuple[NeedChange, ...]
    present: tuple[tuple[Workload, Resource, Decimal, datetime | None], ...]


def read_changes(manifests: Iterable[Mapping[str, Any]], wanted: Workload) -> ChangeHistory:
    """The history in the CPU and memory profiles of *wanted*, whose kind may be empty.

    What people wrote that is no change is left out.
    """
    changes: list[NeedChange] = []
    present: list[tuple[Workload, Resource, Decimal, datetime | None]] = []
    for manifest in manifests:
        resource = RESOURCES.get(text_in(manifest.get("kind")))
        profile = from_manifest(resource.profile_kind, manifest) if resource else None
        if resource is None or profile is None or not isinstance(profile.subject, Workload):
            continue
        if not is_named(profile.subject, wanted):
            continue
        need = amount_in(profile.value)
        if need is not None:
            present.append((profile.subject, resource, need, profile.updated_at))
        changes += _changes(profile.subject, resource, mapping_in(manifest.get("status")).get("history"))
    changes.sort(key=lambda change: (change.time, change.workload, change.resource), reverse=True)
    return ChangeHistory(tuple(changes), tuple(present))


def _changes(workload: Workload, resource: Resource, history: object) -> Iterator[NeedChange]:
    for change in from_items(history):
        old, new = amount_in(change.old), amount_in(change.new)
        if old is not None and new is not None:
            yield NeedChange(workload, resource, change.time, old, new, change.reason, change.words)
