"""What `job-profiler plan` says of the VerticalPodAutoscalers of a cluster."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from app.decisions.scaling_targets import Autoscalers
from app.decisions.templates import WorkloadObject
from app.decisions.vpa_notes import scaling_notes, vpa_notes
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ProfileKind
from app.kubernetes.list_options import Object
from app.kubernetes.workloads import WorkloadDecoder
from app.rightsizing.policy import SchedulingPolicy
from app.vpa.autoscaler import read_autoscaler
from app.vpa.keeping import ObjectsByTarget, by_target
from app.vpa.recommendation import target_facts, target_profiles


@dataclass(frozen=True, slots=True)
class PlannedAutoscalers:
    """The objects by target, HorizontalPodAutoscalers beside them, and what the recommender decides by."""

    objects: ObjectsByTarget
    horizontal: Autoscalers
    catalogue: ProfileCatalogue
    policy: SchedulingPolicy
    recommender: str

    def notes_on(self, found: WorkloadObject) -> tuple[str, ...]:
        """Sentences on each object that targets a workload."""
        targeting = self.objects.of_target.get(found.workload, ())
        if not targeting:
            return ()
        record = None
        with suppress(msgspec.ValidationError):
            record = WorkloadDecoder(found.workload.kind).decode(dict(found.manifest))
        profiles = target_profiles(self.catalogue, found.workload)
        facts = target_facts(profiles, record)
        horizontal = self.horizontal.get(found.workload, ())
        return tuple(
            f"VerticalPodAutoscaler {one.name}: {note}"
            for one in targeting
            for note in (
                *vpa_notes(one, facts, found.replicas, self.policy, self.recommender),
                *scaling_notes(one, facts, horizontal),
            )
        )


def planned_autoscalers(
    manifests: Iterable[Object],
    horizontal: Autoscalers,
    profiles: Mapping[ProfileKind, Iterable[Mapping[str, Any]]],
    policy: SchedulingPolicy,
    recommender: str,
) -> PlannedAutoscalers:
    """The VerticalPodAutoscalers in *manifests*, with those that scale the same targets and the profiles."""
    catalogue = ProfileCatalogue(with_risks=True)
    for kind, stored in profiles.items():
        catalogue.replace(kind, map(dict, stored))
    objects = by_target(map(read_autoscaler, manifests))
    return PlannedAutoscalers(objects, horizontal, catalogue, policy, recommender)
