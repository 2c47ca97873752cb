"""The webhook role: annotation index, certificate and listener, all kept up to date by watches."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.self_probe import ReplicaFaults
from app.http_server.listener import Listener
from app.http_server.open_connections import ConnectionLimits
from app.http_server.protocol import ClientPolicy
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector
from app.periodic import wait_synced
from app.runtime.free_memory import release_free_memory
from app.runtime.health_metrics import HealthMetrics
from app.runtime.scheduling import scheduling_policy
from app.runtime.watches.ca_bundle import CaBundleWatch
from app.runtime.watches.constraints import constraint_watches
from app.runtime.watches.scheduling_labels import SchedulingLabelWatches
from app.runtime.watches.serving_certificate import ServingCertificateSink
from app.settings.environment import Settings
from app.tls.client_authorities import follow_client_authorities
from app.tls.key_pairs import certificate_of
from app.tls.self_dial import SelfDial
from app.tls.serving import open_serving_context
from app.webhook.application import Webhook
from app.webhook.constraint_index import ConstraintIndex
from app.webhook.decisions import AdmissionState
from app.webhook.endpoint import PodMutator
from app.webhook.metrics import AdmissionMetrics
from app.webhook.need_index import NeedIndex
from app.webhook.pod_sizer import PodSizer
from app.webhook.prepared import PreparedDecisions

log = structlog.get_logger(__name__)


class WebhookRole:
    """Serves admission reviews over TLS.

    With *constraints*, which it keeps in sync by watches, it also sets requests.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: ProfileCatalogue,
        registry: CollectorRegistry,
        constraints: ConstraintIndex | None = None,
    ) -> None:
        self._settings = settings
        self._constraints = constraints
        self.have_profiles_settled: Callable[[], bool] = lambda: catalogue.is_synced
        self.read_faults: Callable[[], Mapping[str, str]] = dict
        self.serving = open_serving_context(settings.client_ca_file, settings.client_names)
        self.index = AnnotationIndex(catalogue, max_connections=settings.max_connections)
        state = AdmissionState(
            self.index,
            PreparedDecisions(catalogue, self.index),
            settings.namespaces.covers,
            self._sizer(catalogue),
            lambda: ReplicaFaults(socket.gethostname(), self.read_faults()),
        )
        self._mutator = PodMutator(
            state, max_review_bytes=settings.max_review_bytes, metrics=AdmissionMetrics(registry)
        )
        self.listener = Listener(
            Webhook(self._mutator),
            settings.bind_address,
            settings.webhook_port,
            self.serving.context,
            ClientPolicy(
                names=settings.client_names,
                limits=ConnectionLimits(
                    settings.max_client_connections, settings.max_client_connections_per_address
                ),
            ),
        )
        self._constraint_watches: dict[str, Reflector[Any]] = {}
        self.self_dial = SelfDial(self.serving, lambda: self.listener.own_address)

    def unready_reason(self) -> str | None:
        """The reason why this replica is not ready for reviews; None if it is ready.

        A kind of profile or a watch of constraints that fails delays it for a minute at most: the annotations
        of that kind stay as they are, and Pods of that namespace are not sized. Without any list of profiles
        it is never ready.
        """
        if not self.have_profiles_settled():
            return "waiting for the initial list of profiles"
        if self._constraints and not (self._constraints.is_synced or self._have_constraints_settled()):
            return "waiting for the initial lists of LimitRanges, ResourceQuotas and autoscalers"
        if self.serving.loaded is None:
            return "there is no serving certificate yet: the profiler or cert-manager issues it"
        if not self.listener.started:
            return "waiting for the listener to start"
        return self.self_dial.reason

    def _have_constraints_settled(self) -> bool:
        watches = self._constraint_watches.values()
        return bool(watches) and all(watch.has_settled for watch in watches)

    def tasks(self, client: ClusterClient, health: HealthMetrics) -> dict[str, Coroutine[Any, Any, None]]:
        """The tasks by name, except for the watch of profiles; registers their metrics in *health*."""
        selection = ListOptions(
            paths.secrets(self._settings.own_namespace),
            field_selector=f"metadata.name={self._settings.tls_secret}",
        )
        trust = CaBundleWatch(client, self._settings.webhook_configuration, self.self_dial)
        watches: dict[str, Reflector[Any]] = {
            "watch of the serving certificate": Reflector(
                client, selection, ServingCertificateSink(self.serving)
            ),
            "watch of the caBundle": trust.watch,
        }
        if self._constraints:
            self._constraint_watches = constraint_watches(client, self._constraints)
            watches |= self._constraint_watches
        else:
            watches |= self._label_watches(client)
        health.certificates["leaf"] = lambda: certificate_of(self.serving.loaded)
        health.bundle_matches = lambda: trust.matches
        health.watches.append(watches.values)
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "webhook": self.listener.run_until_cancelled(),
            "self-dial": self.self_dial.run(),
            "garbage collection": self._freeze_garbage_collector(),
            "memory": release_free_memory(),
        }
        if file := self._settings.client_ca_file:
            tasks["client authorities"] = follow_client_authorities(file, self.serving)
        return tasks | {name: watch.run() for name, watch in watches.items()}

    def _label_watches(self, client: ClusterClient) -> dict[str, Reflector[Any]]:
        """The watches for namespaces that ask for requests in vain: each is logged once."""

        def warn(namespace: str) -> None:
            if self._settings.namespaces.covers(namespace):
                log.warning("scheduling_is_off", namespace=namespace, setting="OPERATING_MODE")

        labels = SchedulingLabelWatches(client, self._settings.profiling_namespace, warn)
        return labels.by_task

    async def _freeze_garbage_collector(self) -> None:
        """Exclude the listed objects from garbage collection: a full collection would delay reviews."""
        await wait_synced(self.have_profiles_settled)
        gc.collect()
        gc.freeze()
        await asyncio.Event().wait()

    def _sizer(self, catalogue: ProfileCatalogue) -> PodSizer | None:
        if self._constraints is None:
            return None
        return PodSizer(
            NeedIndex(catalogue, self.index), self._constraints, scheduling_policy(self._settings)
        )

    async def drain(self) -> None:
        """Keep serving until the replica is removed from the Service; each response closes its connection."""
        self._mutator.is_draining = True
        await asyncio.sleep(self._settings.shutdown_delay)
