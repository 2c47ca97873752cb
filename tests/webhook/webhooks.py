"""The webhook as the product builds it, on profiles that a test gives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.rightsizing.constraints import LimitRangeRule, Quota
from app.runtime.scheduling import scheduling_policy
from app.settings.environment import Settings, read_settings
from app.webhook.constraint_index import Autoscaler, ConstraintIndex, ConstraintObject
from app.webhook.decisions import AdmissionState
from app.webhook.endpoint import PodMutator
from app.webhook.metrics import AdmissionMetrics
from app.webhook.need_index import NeedIndex
from app.webhook.prepared import PreparedDecisions
from app.webhook.sizing import PodSizer
from tests.webhook.profiles import synced_catalogue

MAX_REVIEW_BYTES = 3 * 1024 * 1024
# Each is given, so that no variable of the environment decides.
SETTINGS = read_settings(
    {
        "own_namespace": "profiling",
        "excluded_namespaces": "kube-system, kube-public",
        "profiling_namespace": "",
        "max_connections": 64,
        "max_review_bytes": MAX_REVIEW_BYTES,
        "scheduling_min_confidence": 0.5,
        "scheduling_deadband": 0.15,
        "scheduling_cpu_floor": "20m",
        "scheduling_cpu_ceiling": "16",
        "scheduling_cpu_limit_ratio": 0,
        "scheduling_memory_floor": "32Mi",
        "scheduling_memory_ceiling": "64Gi",
        "scheduling_memory_limit_ratio": 0,
    }
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A mutator and what it stands on."""

    mutator: PodMutator
    index: AnnotationIndex
    registry: CollectorRegistry

    def counted(self, result: str, reason: str = "") -> float:
        """How many reviews ended so."""
        labels = {"result": result, "reason": reason}
        return self.registry.get_sample_value("job_profiler_admission_requests_total", labels) or 0

    @property
    def resized(self) -> float:
        """How many Pods were given requests."""
        return self.registry.get_sample_value("job_profiler_pods_resized_total") or 0

    def not_resized(self, reason: str) -> float:
        """How many Pods asked for requests in vain."""
        labels = {"reason": reason}
        return self.registry.get_sample_value("job_profiler_pods_not_resized_total", labels) or 0


def known_from(
    catalogue: ProfileCatalogue,
    index: AnnotationIndex,
    settings: Settings = SETTINGS,
    sizer: PodSizer | None = None,
) -> AdmissionState:
    """What a webhook decides from."""
    return AdmissionState(index, PreparedDecisions(catalogue, index), settings.profiles_pods_of, sizer)


def webhook_on(
    catalogue: ProfileCatalogue, settings: Settings = SETTINGS, constraints: ConstraintIndex | None = None
) -> Webhook:
    """The webhook that answers from *catalogue*; it sets requests where there are *constraints*."""
    registry = CollectorRegistry()
    index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
    sizer = None
    if constraints:
        sizer = PodSizer(NeedIndex(catalogue, index), constraints, scheduling_policy(settings))
    mutator = PodMutator(
        known_from(catalogue, index, settings, sizer),
        max_review_bytes=settings.max_review_bytes,
        metrics=AdmissionMetrics(registry),
    )
    return Webhook(mutator, index, registry)


def webhook_with(*manifests: Mapping[str, Any]) -> Webhook:
    """The webhook that answers from these profiles, all of them listed."""
    return webhook_on(synced_catalogue(*manifests))


def sizing_webhook(
    *manifests: Mapping[str, Any],
    constraints: ConstraintIndex | None = None,
    settings: Settings = SETTINGS,
) -> Webhook:
    """The same with requests: under *constraints*, else where emojivoto and `shop` ask and demand nothing."""
    catalogue = synced_catalogue(*manifests, with_containers=True)
    return webhook_on(catalogue, settings, constraints or demanding())


def demanding(
    asking: Iterable[str] = ("emojivoto", "shop"),
    *,
    limit_ranges: Iterable[ConstraintObject[tuple[LimitRangeRule, ...]]] = (),
    quotas: Iterable[ConstraintObject[Quota]] = (),
    autoscalers: Iterable[ConstraintObject[Autoscaler]] = (),
) -> ConstraintIndex:
    """What namespaces demand, all of it listed; those that are *asking* want requests from profiles."""
    index = ConstraintIndex()
    index.namespaces.replace([ConstraintObject(name, name, value=True) for name in asking])
    index.limit_ranges.replace(limit_ranges)
    index.quotas.replace(quotas)
    index.autoscalers.replace(autoscalers)
    return index
