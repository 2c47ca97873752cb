"""The main use case with the image: both Pods run in it, on a real API server and a real Prometheus."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import emojivoto, emojivoto_prometheus, running, work_directory
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.image.build import IMAGE, mounted
from tests.image.buildah import Buildah
from tests.image.container import Container, as_pod
from tests.webhook.profiles import WEB_ANNOTATIONS, WEB_CPU

__all__ = ["emojivoto", "emojivoto_prometheus", "work_directory"]

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(900),
    pytest.mark.cluster,
    pytest.mark.chart,
    pytest.mark.prometheus,
]

STARTS = 3
SLOWEST_SECONDS = 1.0
PROGRAM = "/opt/job-profiler"


@pytest.fixture(scope="module")
def release(
    container: Container,
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """A release of which both Pods run in the image, with a mounted service account as in a cluster."""
    installed = Release(
        helm4,
        control_plane,
        kubectl,
        "profiling-image",
        work_directory,
        program=partial(_program, container, work_directory),
    )
    with running(installed, installed.values(emojivoto_prometheus.url)):
        yield installed


def test_profiles_are_learnt_and_pods_annotated(release: Release, emojivoto: str) -> None:
    """14 profiles as in the end-to-end tests, `web` needs 0.021 cores, and its new Pod names its profiles."""
    profiles = wait_until(lambda: found if len(found := release.profiles()) == 14 else {}, 90, "14 profiles")
    release.kubectl.apply(deployment("web", emojivoto))
    [pod] = pods_of(release.kubectl, "web", emojivoto, 1)

    assert profiles[WEB_CPU]["spec"]["cpuProfiling"]["value"] == "0.021"
    assert our_annotations(pod) == WEB_ANNOTATIONS
    assert all(process.is_running for process in release.processes.values())


@pytest.fixture
def compiled(buildah: Buildah) -> Iterator[Container]:
    """The image with bytecode of every module, as it was installed before."""
    name = buildah.create(IMAGE)
    buildah.run("run", "--user=0", name, "--", "python", "-m", "compileall", "-q", PROGRAM)
    yield Container(mounted(buildah, name), buildah.config_of(IMAGE))
    buildah.run("rm", name)


def test_it_starts_as_fast_as_with_all_bytecode(
    release: Release,
    container: Container,
    compiled: Container,
    work_directory: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The webhook's time from its start to /readyz, beside the same image with every module compiled.

    The shortest of three starts each, in turns: other load on the machine only adds. One second is allowed.
    """
    release.processes["webhook"].stop()
    seconds: dict[str, list[float]] = {"image": [], "compiled": []}
    for number in range(1, STARTS + 1):
        for name, variant in (("image", container), ("compiled", compiled)):
            release.program = partial(_program, variant, work_directory)
            seconds[name].append(_seconds_to_ready(release, number))
    least = {name: min(values) for name, values in seconds.items()}
    with capsys.disabled():
        print(f"\nwebhook ready after {least['image']:.2f} s, all compiled {least['compiled']:.2f} s")

    assert least["image"] < least["compiled"] + SLOWEST_SECONDS


def _program(
    container: Container, directory: Path, environment: Mapping[str, str], arguments: Sequence[str]
) -> list[str]:
    return as_pod(container, environment, arguments, directory)


def _seconds_to_ready(release: Release, number: int) -> float:
    """Starts another webhook, waits for its /readyz, and stops it."""
    replica = release.replica("webhook", number, {})
    started = time.monotonic()
    replica.start()
    seconds = time.monotonic() - started
    replica.stop()
    return seconds
