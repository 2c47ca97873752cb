"""The probes of the kubelet and the metrics of Prometheus over plain HTTP."""

import time
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from app.runtime.health import create_health
from app.runtime.serving import process_registry
from app.webhook.metrics import AdmissionMetrics
from tests.http_server.background_listener import BackgroundListener


async def get(
    path: str,
    registry: CollectorRegistry | None = None,
    method: str = "GET",
    **checks: Callable[[], str | None],
) -> httpx.Response:
    app = create_health(checks, registry or CollectorRegistry())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://health") as client:
        return await client.request(method, path)


async def test_it_is_ready_when_every_check_passes() -> None:
    """The status is 200."""
    answer = await get("/readyz", webhook=lambda: None, profiler=lambda: None)

    assert (answer.status_code, answer.json()) == (200, {"waiting_for": {}})


async def test_it_names_what_is_waited_for() -> None:
    """The status is 503, with the reason of each failed check and of no other."""
    answer = await get("/readyz", webhook=lambda: "there is no certificate yet", profiler=lambda: None)

    assert answer.status_code == 503
    assert answer.json() == {"waiting_for": {"webhook": "there is no certificate yet"}}


async def test_checks_are_made_anew_each_time() -> None:
    """A process that becomes ready, or is about to stop, reports that at once."""
    reasons = iter(["not yet", None, "the process is stopping"])

    def check() -> str | None:
        return next(reasons)

    assert [(await get("/readyz", webhook=check)).status_code for _ in range(3)] == [503, 200, 503]


async def test_it_is_alive_though_it_is_not_ready() -> None:
    """A restart would not help a process that waits for a certificate."""
    assert (await get("/livez", webhook=lambda: "no certificate")).status_code == 200


def test_a_process_whose_event_loop_is_blocked_is_not_alive() -> None:
    """While the loop is blocked for 1 s, a probe with a time-out of 0.3 s fails; afterwards it succeeds."""
    with BackgroundListener(create_health({}, CollectorRegistry())) as listener:
        url = f"http://127.0.0.1:{listener.port}/livez"
        listener.call(lambda: time.sleep(1))
        with pytest.raises(httpx.TimeoutException):
            httpx.get(url, timeout=0.3, trust_env=False)

        assert httpx.get(url, timeout=5, trust_env=False).text == "ok\n"


async def test_metrics_are_what_prometheus_reads() -> None:
    """The metrics of admission and of the process, in a format that the library's parser reads."""
    registry = process_registry()
    AdmissionMetrics(registry).count_refusal(400)
    answer = await get("/metrics", registry)
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    refused = [
        sample.value
        for sample in families["job_profiler_admission_requests"].samples
        if sample.labels == {"result": "error", "reason": "not_a_review"}
    ]

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "job_profiler_admission_duration_seconds" in families
    assert "process_resident_memory_bytes" in families
    assert refused == [1]


async def test_nothing_else_is_served() -> None:
    """No documentation pages, and no path that accepts POST."""
    assert [(await get(path)).status_code for path in ("/", "/docs", "/openapi.json", "/mutate")] == [404] * 4
    assert (await get("/readyz", method="POST")).status_code == 405


async def test_faults_are_named_and_do_not_make_it_unready() -> None:
    """A watch of one namespace fails: the body names it, and the status is 200 all the same."""
    faults = {"watch of pods of namespace gone": "403 Forbidden"}
    app = create_health({"profiler": lambda: None}, CollectorRegistry(), lambda: faults)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://health") as client:
        answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"waiting_for": {}, "faults": faults})
