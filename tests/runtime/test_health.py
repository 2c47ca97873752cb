"""The probes of the kubelet and the metrics of Prometheus over plain HTTP."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from app.runtime.health import HEALTH_CLIENTS, MetricsText, create_health
from app.runtime.serving import process_registry
from app.webhook.metrics import AdmissionMetrics
from tests.http_server.background_listener import BackgroundListener
from tests.kubernetes.polling import until


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


def test_metrics_are_rendered_in_a_tenth_of_the_time() -> None:
    """A rendering from 0 to 2 s is the answer up to 2 + 9 * 2 = 20 s, as the same object."""
    times = iter([0.0, 2.0, 3.0, 19.9, 20.0, 20.5])
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests", registry=registry)
    text = MetricsText(registry, lambda: next(times))

    first = text.read()
    requests.inc()
    assert text.read() is first
    assert text.read() is first
    assert b"requests_total 1.0" in text.read()


async def test_many_clients_of_the_metrics_get_few_connections() -> None:
    """Of 100 idle connections of one address 32 are kept: a response of 10 MB may wait on each of them."""
    health = create_health({}, CollectorRegistry())
    with BackgroundListener(health, policy=HEALTH_CLIENTS) as listener, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=10))
        await until(lambda: len(listener.connections) == 32)
