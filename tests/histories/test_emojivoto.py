"""The emojivoto history matches its description, and the demo's file is generated from it."""

import re
from pathlib import Path

import numpy as np
import pytest

import app
from app.domain.pod_names import PodNames
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import StepRange
from app.sources.recorded import RecordedHistory, read_recorded_history
from tests.histories.emojivoto.description import DEPLOYMENTS, NAMESPACE
from tests.histories.emojivoto.metrics import write_past
from tests.histories.emojivoto.recording import DEMO_END, write_recording
from tests.sources.collecting import only, usage

DEMO_FILE = Path(app.__file__).parent / "demo" / "emojivoto.npz"
POD_NAME = re.compile(r"[a-z-]+-[456789bcdf]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}")
LAST_STEP = DEMO_END // 300


@pytest.fixture(scope="module")
def demo() -> RecordedHistory:
    return read_recorded_history(DEMO_FILE)


def test_regenerating_the_demo_gives_the_same_bytes(tmp_path: Path) -> None:
    """The packaged file equals the output of `python -m tests.histories.emojivoto --npz`."""
    write_recording(tmp_path / "again.npz")

    assert (tmp_path / "again.npz").read_bytes() == DEMO_FILE.read_bytes()


def test_the_demo_is_small() -> None:
    """The file, part of every installation, is smaller than 150 kB."""
    assert DEMO_FILE.stat().st_size < 150_000


def test_pod_names_are_real_ones() -> None:
    """Hashes and suffixes use Kubernetes' alphabet, and the Deployment's name follows from the Pod's name."""
    for deployment in DEPLOYMENTS.values():
        for pod in (*deployment.pods, *deployment.older_pods):
            assert POD_NAME.fullmatch(pod)
            assert PodNames().workload(NAMESPACE, pod) == Workload(NAMESPACE, deployment.name)


async def test_the_demo_covers_three_days(demo: RecordedHistory) -> None:
    """864 steps up to its end, of four Deployments: two Pods of web before its roll-out and two after."""
    assert (demo.first_step, demo.last_step) == (LAST_STEP - 863, LAST_STEP)
    owners = (await demo.pod_owners(StepRange(LAST_STEP, LAST_STEP))).workloads
    assert sorted(owner.name for owner in owners.values()) == [
        "emoji",
        "vote-bot",
        "voting",
        "web",
        "web",
        "web",
        "web",
    ]


async def test_the_demo_has_a_daily_rhythm(demo: RecordedHistory) -> None:
    """web-svc uses about three times as much at 16:00 as at 04:00: (1 + 0.5) / (1 - 0.5)."""
    steps_per_hour = 12
    last_day = StepRange(LAST_STEP - 287, LAST_STEP)
    samples = await usage(demo.container_samples(Resource.CPU, last_day))
    rows = [row for row, series in enumerate(samples.containers) if series.container == "web-svc"]
    by_hour = samples.values[rows].mean(axis=0).reshape(24, steps_per_hour).mean(axis=1)

    assert by_hour.argmax() in {14, 15, 16, 17}
    assert by_hour.argmin() in {2, 3, 4, 5}
    assert by_hour.max() / by_hour.min() == pytest.approx(3, rel=0.1)


async def test_rollout_in_the_demo(demo: RecordedHistory) -> None:
    """Two days before the end the older Pods stop, and the newer ones start in the next step: no overlap.

    The init containers of the newer Pods have samples in their first step only.
    """
    rollout = LAST_STEP - 2 * 288
    samples = await usage(demo.container_samples(Resource.MEMORY, StepRange(demo.first_step, demo.last_step)))
    seen = {
        (series.pod, series.container): np.flatnonzero(np.isfinite(values)) + demo.first_step
        for series, values in zip(samples.containers, samples.values, strict=True)
    }
    for pod in DEPLOYMENTS["web"].older_pods:
        assert (seen[pod, "web-svc"][0], seen[pod, "web-svc"][-1]) == (demo.first_step, rollout)
        assert (pod, "linkerd-init") not in seen
    for pod in DEPLOYMENTS["web"].pods:
        assert (seen[pod, "linkerd-proxy"][0], seen[pod, "linkerd-proxy"][-1]) == (rollout + 1, LAST_STEP)
        assert seen[pod, "linkerd-init"].tolist() == [rollout + 1]


async def test_a_constant_recording(tmp_path: Path) -> None:
    """Constant samples equal the description: web-svc 0.016 cores, web → voting 1.0 and 0.9 per second."""
    write_recording(tmp_path / "constant.npz", flavour="constant")
    recorded = read_recorded_history(tmp_path / "constant.npz")
    steps = StepRange(LAST_STEP - 9, LAST_STEP)

    cpu = await usage(recorded.container_samples(Resource.CPU, steps))
    connections = await only(recorded.connection_samples(steps))

    web = [row for row, series in enumerate(cpu.containers) if series.container == "web-svc"]
    np.testing.assert_allclose(cpu.values[web], np.full((2, 10), 0.016), rtol=1e-6)
    assert connections is not None
    [voting] = [row for row, edge in enumerate(connections.edges) if edge.destination.name == "voting"]
    np.testing.assert_allclose(connections.requests[voting], 1.0, rtol=1e-6)
    np.testing.assert_allclose(connections.responses[voting], 0.9, rtol=1e-6)


def test_the_openmetrics_past_is_the_same_each_time(tmp_path: Path) -> None:
    """Two files of the same arguments are equal, end with `# EOF`, and contain web-api."""
    paths = [tmp_path / name for name in ("first", "second")]
    for path in paths:
        write_past(path, end=DEMO_END, days=0.1, scrape_seconds=60, flavour="rhythm")

    text = paths[0].read_text()
    assert text == paths[1].read_text()
    assert text.endswith("\n# EOF\n")
    assert "# TYPE container_cpu_usage_seconds counter\n" in text
    assert 'pod="web-api-7b9c4f6d-x4mzq"' in text
