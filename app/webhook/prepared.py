"""Decisions for ordinary Pods of profiled workloads, prepared once per change rather than per Pod."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import MAX_ANNOTATIONS_BYTES, size_bytes
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity
from app.domain.workloads import Connection, Workload
from app.webhook.outcomes import Decision
from app.webhook.patching import Patch, build_patch

_OUR_PREFIX = "liqo.io/"
_MAX_BYTES_PER_CHARACTER = 4  # UTF-8


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Decisions for Pods without annotations, and for Pods with up to `room_bytes` of other annotations."""

    without_annotations: Decision
    beside_others: Decision
    room_bytes: int


class PreparedDecisions:
    """Maps a workload to prepared decisions, from the annotations in *index*.

    They fit Pods without keys like ours, as created from templates; other Pods need individual decisions.
    """

    def __init__(self, catalogue: ProfileCatalogue, index: AnnotationIndex) -> None:
        self._index = index
        self._prepared: dict[Workload, _Prepared] = {}
        catalogue.subscribe(self._invalidate)

    def find(self, workload: Workload, present: Mapping[str, str] | None) -> Decision | None:
        """The prepared decision on a Pod of *workload* with the annotations *present*, or None."""
        prepared = self._prepared.get(workload) or self._of_profiled(workload)
        if prepared is None:
            return None
        if present is None:
            return prepared.without_annotations
        characters = 0
        for key, value in present.items():
            if key.startswith(_OUR_PREFIX):
                return None
            characters += len(key) + len(value)
        fits = characters * _MAX_BYTES_PER_CHARACTER <= prepared.room_bytes
        return prepared.beside_others if fits else None

    def _of_profiled(self, workload: Workload) -> _Prepared | None:
        """The decisions of the workload with the profiles that apply to *workload*, if there is one."""
        profiled = self._index.profiled(workload)
        if profiled is None:
            return None
        prepared = self._prepared.get(profiled)
        if prepared is None:
            prepared = self._prepared[profiled] = self._prepare(profiled)
        return prepared

    def _prepare(self, workload: Workload) -> _Prepared:
        wanted = self._index.annotations(workload)
        return _Prepared(
            Decision(Patch.of(build_patch(None, wanted))),
            Decision(Patch.of(build_patch({}, wanted))),
            MAX_ANNOTATIONS_BYTES - size_bytes(wanted),
        )

    def _invalidate(self, identity: Identity) -> None:
        subject = identity.subject
        ends = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
        for workload in ends:
            self._prepared.pop(workload, None)
