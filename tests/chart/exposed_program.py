"""The pages of metrics of the program: a leader, a follower and a webhook that have done some work."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest

from app.domain.pod_record import PodRecord
from app.kubernetes.self_probe.prober import Prober
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.backfill.plan import PodRepair
from app.profiler.cycle.cycle import CycleReport
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.cycle.signals import Health, Signal, SignalState
from app.profiler.profile_gauges import ProfileGauges
from app.runtime.health_metrics import HealthMetrics
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import read_settings
from app.webhook.metrics import AdmissionMetrics
from app.webhook.outcomes import Decision, SkipReason
from app.webhook.patching import NO_PATCH
from tests.cluster.exposed_metrics import Page
from tests.webhook.profiles import synced_catalogue

_NOW = datetime.now(UTC)


def profiler_page(profiles: Iterable[Mapping[str, Any]], *, is_leader: bool) -> Page:
    """The page of a profiler with these stored *profiles*."""
    registry = CollectorRegistry()
    health, cycles, backfill = HealthMetrics(registry), CycleMetrics(registry), BackfillMetrics(registry)
    prober = Prober(cast("Any", None), probe_policy(read_settings({})), cast("Any", None), registry)
    catalogue = synced_catalogue(*profiles, with_requests=True)
    ProfileGauges(catalogue, lambda: is_leader, registry, read_settings({}).max_workload_series)
    health.watches.append(lambda: [_watch("pods")])
    cycles.set_leader(is_leader=is_leader)
    if is_leader:
        health.certificates["ca"] = _certificate
        health.probe_succeeded = lambda: True
        cycles.count_finished(_report(), _NOW)
        backfill.count(PodRepair(cast("PodRecord", None), {}, was_missed=True))
        prober._duration.observe(0.02)
    return lambda _seconds: generate_latest(registry).decode()


def webhook_page() -> Page:
    """The page of a webhook."""
    registry = CollectorRegistry()
    health, admissions = HealthMetrics(registry), AdmissionMetrics(registry)
    health.watches.append(lambda: [_watch("cpuprofiles")])
    health.certificates["leaf"] = _certificate
    health.bundle_matches = lambda: True

    def page(_seconds: float) -> str:
        for reason in (None, SkipReason.NO_PROFILE):
            admissions.count(Decision(NO_PATCH, reason))
        admissions.observe(0.0004)
        return generate_latest(registry).decode()

    return page


def _certificate() -> Any:
    return SimpleNamespace(not_valid_after_utc=_NOW + timedelta(days=30))


def _watch(resource: str) -> Any:
    selection = SimpleNamespace(resource=resource, namespace="")
    return SimpleNamespace(selection=selection, is_synced=True, left_out=0, silent_seconds=3.0, fault=None)


def _report() -> CycleReport:
    return CycleReport(
        states=[SignalState(signal, Health.OK, "", "") for signal in Signal],
        identities=(),
        reasons={},
        failed_namespaces={},
        faults={},
        samples=100,
        dropped_edges={},
        forgotten_workloads=0,
        stored=5,
        left_out=0,
        evicted=0,
        written=5,
        failed_writes=0,
        postponed_writes=0,
        refused=0,
        events_dropped=0,
        checkpoints_written=1,
        newest_step_times={},
        lags_seconds={},
        seconds=1.5,
    )
