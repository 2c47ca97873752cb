"""A secret that is not mounted yet: the source fails, which is reported once; the process keeps running."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CyclePolicy, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, NOON, RecordingSink, in_scope
from tests.tls.issued import issue_authority

AUTHORITY = issue_authority(datetime.now(UTC)).certificate.decode()


@pytest.mark.parametrize("field", ["bearer_token_file", "ca_file"])
async def test_a_secret_that_is_mounted_late(field: str, tmp_path: Path) -> None:
    """Three cycles without the secret report each signal once; the next cycle publishes all profiles."""
    file, sink, profiles = tmp_path / "secret", RecordingSink(), InMemoryProfiles("profiling")
    source = PrometheusSource(
        "http://prometheus.test:9090",
        scope=Scope(excluded=("kube-system",)),
        credentials=PrometheusCredentials(**{field: str(file)}),
        transport=EmojivotoPrometheus().transport,
    )
    lister = FixedSnapshot(ClusterSnapshot(workloads=DEPLOYMENTS))
    policy = CyclePolicy(EstimationPolicy(), history_days=1, timeslots=4)
    cycle = ProfilingCycle(source, ClusterPorts(lister, profiles, sink), policy, in_scope)

    async with source:
        with capture_logs() as log:
            for minutes in (0, 5, 10):
                await cycle.run_once(NOON + timedelta(minutes=minutes))
        assert {(signal["state"], signal["reason"]) for signal in sink.signals.values()} == {
            ("Failing", "UnusableCredentials")
        }
        assert str(file) in sink.signals["cpu"]["message"]
        assert [line["event"] for line in log if line["log_level"] == "warning"] == ["signal_changed"] * 3
        put(file, "token" if field == "bearer_token_file" else AUTHORITY)
        await cycle.run_once(NOON + timedelta(minutes=15))

    assert {signal["state"] for signal in sink.signals.values()} == {"Ok"}
    assert len(profiles.manifests) == 4 + 4 + 3


def put(file: Path, text: str) -> None:
    """Writes the file, as a kubelet does when it mounts the secret."""
    file.write_text(text)
