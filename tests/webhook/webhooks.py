"""The webhook as the product builds it, on profiles that a test gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.settings import Settings, read_settings
from app.webhook.metrics import AdmissionMetrics
from app.webhook.mutation import PodMutator
from tests.webhook.profiles import synced_catalogue

# Each is given, so that no variable of the environment decides.
SETTINGS = read_settings(
    {
        "own_namespace": "profiling",
        "excluded_namespaces": "kube-system, kube-public",
        "profiling_namespace": "",
        "max_connections": 64,
        "max_review_bytes": 3 * 1024 * 1024,
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


def webhook_on(catalogue: ProfileCatalogue, settings: Settings = SETTINGS) -> Webhook:
    """The webhook that answers from *catalogue*."""
    registry = CollectorRegistry()
    index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
    mutator = PodMutator(
        index,
        in_scope=settings.profiles_pods_of,
        max_review_bytes=settings.max_review_bytes,
        metrics=AdmissionMetrics(registry),
    )
    return Webhook(mutator, index, registry)


def webhook_with(*manifests: Mapping[str, Any]) -> Webhook:
    """The webhook that answers from these profiles, all of them listed."""
    return webhook_on(synced_catalogue(*manifests))
