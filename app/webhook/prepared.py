"""Decisions on every profiled workload's ordinary Pods, made once after a change and not with each Pod."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import MAX_ANNOTATIONS_BYTES, size_bytes
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity
from app.domain.workloads import Connection, Workload
from app.webhook.outcomes import Decision
from app.webhook.patching import Patch, build_patch

_OURS_BEGIN_WITH = "liqo.io/"
_MOST_BYTES_OF_A_CHARACTER = 4


@dataclass(frozen=True, slots=True)
class _Prepared:
    """For Pods without annotations, and for Pods with annotations of others; these may take `room_bytes`."""

    without_annotations: Decision
    beside_others: Decision
    room_bytes: int


class PreparedDecisions:
    """Workload to decisions, from the very annotations that *index* gives.

    They serve Pods that carry no key like ours yet, which is what templates give; another Pod needs a
    decision of its own.
    """

    def __init__(self, catalogue: ProfileCatalogue, index: AnnotationIndex) -> None:
        self._index = index
        self._prepared: dict[Workload, _Prepared] = {}
        catalogue.subscribe(self._changed)

    def fitting(self, workload: Workload, present: Mapping[str, str] | None) -> Decision | None:
        """The decision on a Pod of *workload* with the annotations *present*, where one is prepared."""
        profiled = self._index.profiled(workload)
        if profiled is None:
            return None
        prepared = self._prepared.get(profiled)
        if prepared is None:
            prepared = self._prepared[profiled] = self._prepare(profiled)
        if present is None:
            return prepared.without_annotations
        characters = 0
        for key, value in present.items():
            if key.startswith(_OURS_BEGIN_WITH):
                return None
            characters += len(key) + len(value)
        fits = characters * _MOST_BYTES_OF_A_CHARACTER <= prepared.room_bytes
        return prepared.beside_others if fits else None

    def _prepare(self, workload: Workload) -> _Prepared:
        wanted = self._index.annotations(workload)
        return _Prepared(
            Decision(Patch.of(build_patch(None, wanted))),
            Decision(Patch.of(build_patch({}, wanted))),
            MAX_ANNOTATIONS_BYTES - size_bytes(wanted),
        )

    def _changed(self, identity: Identity) -> None:
        subject = identity.subject
        ends = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
        for workload in ends:
            self._prepared.pop(workload, None)
