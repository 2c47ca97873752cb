"""Health metrics: known values only, as of the scrape."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import ForbiddenError
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector
from app.kubernetes.server_clock import ServerClock
from app.runtime.health_metrics import HealthMetrics
from app.runtime.watches.faults import clock_fault
from app.tls.key_pairs import certificate_of
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.kubernetes.polling import Clock
from tests.tls.issued import issue_authority

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHORITY = certificate_of(issue_authority(NOON, timedelta(days=365)))


class UnusedSink:
    """A sink for watches that are not run."""

    def replace(self, _objects: object, /) -> None:
        """Fails: no watch runs."""
        raise AssertionError

    upsert = delete = replace


def scraped(registry: CollectorRegistry) -> dict[str, dict[tuple[str, ...], float]]:
    """The value by metric name and label values, as Prometheus would read it."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        family.name.removeprefix("job_profiler_"): {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in families
    }


def watch(client: ClusterClient, path: str, clock: Clock) -> Reflector[Object]:
    return Reflector(client, ListOptions(path), UnusedSink(), clock=clock)


def test_unknown_facts_have_no_sample() -> None:
    """Without a bundle (profiler) or a probe (follower) there is no sample, which would look like a fault."""
    registry = CollectorRegistry()
    HealthMetrics(registry)

    metrics = scraped(registry)

    assert metrics.pop("build_info").popitem()[1] == 1
    assert set(metrics) >= {
        "ca_bundle_match",
        "probe_success",
        "cert_expiry_timestamp_seconds",
        "cache_synced",
    }
    assert all(samples == {} for samples in metrics.values())


def test_the_expiry_of_certificates() -> None:
    """365 days after noon of 1 March 2026 is noon of 1 March 2027; a missing certificate has no sample."""
    registry = CollectorRegistry()
    health = HealthMetrics(registry)
    health.certificates["ca"] = lambda: AUTHORITY
    health.certificates["leaf"] = lambda: None

    expiry = scraped(registry)["cert_expiry_timestamp_seconds"]

    assert expiry == {("ca",): datetime(2027, 3, 1, 12, tzinfo=UTC).timestamp()}


@pytest.mark.parametrize(("fact", "samples"), [(True, {(): 1}), (False, {(): 0}), (None, {})])
def test_facts_are_one_zero_or_absent(fact: bool | None, samples: dict[tuple[str, ...], float]) -> None:  # noqa: FBT001 - the value of a metric
    """Trust in the certificate and success of the self-probe: true, false, or unknown to this process."""
    registry = CollectorRegistry()
    health = HealthMetrics(registry)
    health.bundle_matches = health.probe_succeeded = lambda: fact

    metrics = scraped(registry)

    assert (metrics["ca_bundle_match"], metrics["probe_success"]) == (samples, samples)


async def test_a_resource_is_as_fresh_as_its_oldest_watch(tmp_path: Path) -> None:
    """Pods are watched in two namespaces: the last events were 5 s and 60 s ago; the second is not listed.

    Secrets have no event yet. The leader's watches have samples while it leads.
    """
    registry, clock = CollectorRegistry(), Clock(1000)
    health = HealthMetrics(registry)
    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        paths = ("/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods", "/api/v1/namespaces/a/secrets")
        fresh, stale, silent = (watch(client, path, clock) for path in paths)
        fresh.is_synced, fresh.last_contact, stale.last_contact = True, 995, 940
        led: list[Reflector[Object]] = [fresh, stale]
        health.watches += [lambda: led, lambda: [silent]]

        metrics = scraped(registry)
        assert metrics["cache_synced"] == {("pods",): 0, ("secrets",): 0}
        last_events = metrics["cache_last_event_timestamp_seconds"]
        assert last_events == {("pods",): pytest.approx(time.time() - 60, abs=2)}
        stale.is_synced, stale.last_contact = True, 1000
        assert scraped(registry)["cache_synced"][("pods",)] == 1
        led.clear()
        assert scraped(registry)["cache_synced"] == {("secrets",): 0}


@pytest.mark.parametrize(
    ("ahead", "faults"),
    [
        (59, {}),
        (3600, {"clock": "3600 s ahead of the API server's: certificates and ages depend on both"}),
        (-90, {"clock": "90 s behind the API server's: certificates and ages depend on both"}),
    ],
)
def test_a_clock_that_differs_is_a_fault(ahead: float, faults: dict[str, str]) -> None:
    """Of the process's readiness, and, of the leader, also of its cycles and so of the status report."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    clock = ServerClock(wall=lambda: now.timestamp() + ahead)
    health = HealthMetrics(CollectorRegistry(), clock)
    assert health.faults() == {}  # not known before the first response

    clock.observe(format_datetime(now, usegmt=True))

    assert health.faults() == faults
    assert list(clock_fault("clock of the profiler", clock).values()) == list(faults.values())


async def test_a_failing_watch_is_named(tmp_path: Path) -> None:
    """Of Pods in two namespaces one watch fails; a Namespace is named by its field selector."""
    registry, clock = CollectorRegistry(), Clock(1000)
    health = HealthMetrics(registry)
    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        watches = [watch(client, f"/api/v1/namespaces/{name}/pods", clock) for name in ("a", "b")]
        by_name = ListOptions("/api/v1/namespaces", field_selector="metadata.name=b")
        watches.append(Reflector(client, by_name, UnusedSink(), clock=clock))
        watches[1].fault = ForbiddenError("403 Forbidden")
        health.watches.append(lambda: watches)

        failing = scraped(registry)["watch_failing"]

    assert failing == {("a", "pods"): 0, ("b", "pods"): 1, ("b", "namespaces"): 0}
    assert health.faults() == {"watch of pods of namespace b": "403 Forbidden"}
