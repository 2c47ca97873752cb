"""The webhook as the product builds it, with the profiles of a test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.rightsizing.constraints import LimitRangeRule, Quota
from app.rightsizing.governors import Governor
from app.runtime.scheduling import scheduling_policy
from app.settings.environment import Settings, read_settings
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from app.webhook.decisions import AdmissionState
from app.webhook.endpoint import PodMutator
from app.webhook.metrics import AdmissionMetrics
from app.webhook.need_index import NeedIndex
from app.webhook.pod_sizer import PodSizer
from app.webhook.prepared import PreparedDecisions
from tests.webhook.profiles import synced_catalogue

MAX_REVIEW_BYTES = 3 * 1024 * 1024
# Every setting is explicit, so that the environment has no influence.
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
    """A mutator, its index and its metrics."""

    mutator: PodMutator
    index: AnnotationIndex
    registry: CollectorRegistry

    def counted(self, result: str, reason: str = "") -> float:
        """The number of reviews with this result."""
        labels = {"result": result, "reason": reason}
        return self.registry.get_sample_value("job_profiler_admission_requests_total", labels) or 0

    @property
    def resized(self) -> float:
        """The number of resized Pods."""
        return self.registry.get_sample_value("job_profiler_pods_resized_total") or 0

    def not_resized(self, reason: str) -> float:
        """The number of Pods that stayed unchanged for *reason*."""
        labels = {"reason": reason}
        return self.registry.get_sample_value("job_profiler_pods_not_resized_total", labels) or 0


def state_from(
    catalogue: ProfileCatalogue,
    index: AnnotationIndex,
    settings: Settings = SETTINGS,
    sizer: PodSizer | None = None,
) -> AdmissionState:
    """The inputs of the webhook's decisions."""
    return AdmissionState(index, PreparedDecisions(catalogue, index), settings.namespaces.covers, sizer)


def webhook_on(
    catalogue: ProfileCatalogue, settings: Settings = SETTINGS, constraints: ConstraintIndex | None = None
) -> Webhook:
    """The webhook on *catalogue*; it sets requests if *constraints* are given."""
    registry = CollectorRegistry()
    index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
    sizer = None
    if constraints:
        sizer = PodSizer(NeedIndex(catalogue, index), constraints, scheduling_policy(settings))
    mutator = PodMutator(
        state_from(catalogue, index, settings, sizer),
        max_review_bytes=settings.max_review_bytes,
        metrics=AdmissionMetrics(registry),
    )
    return Webhook(mutator, index, registry)


def webhook_with(*manifests: Mapping[str, Any]) -> Webhook:
    """The webhook on these profiles, after all lists."""
    return webhook_on(synced_catalogue(*manifests))


def sizing_webhook(
    *manifests: Mapping[str, Any],
    constraints: ConstraintIndex | None = None,
    settings: Settings = SETTINGS,
) -> Webhook:
    """A webhook that sets requests; by default emojivoto and `shop` enable that, without constraints."""
    catalogue = synced_catalogue(*manifests, with_containers=True)
    return webhook_on(catalogue, settings, constraints or constraint_index())


def constraint_index(
    enabled: Iterable[str] = ("emojivoto", "shop"),
    *,
    limit_ranges: Iterable[ConstraintObject[tuple[LimitRangeRule, ...]]] = (),
    quotas: Iterable[ConstraintObject[Quota]] = (),
    horizontal: Iterable[ConstraintObject[Governor]] = (),
    vertical: Iterable[ConstraintObject[Governor]] = (),
) -> ConstraintIndex:
    """The constraints of namespaces after all lists; scheduling is on in *enabled* namespaces."""
    index = ConstraintIndex()
    index.namespaces.replace([ConstraintObject(name, name, value=True) for name in enabled])
    index.limit_ranges.replace(limit_ranges)
    index.quotas.replace(quotas)
    index.horizontal_autoscalers.replace(horizontal)
    index.vertical_autoscalers.replace(vertical)
    return index
