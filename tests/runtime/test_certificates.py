"""The leader's certificate loop, with an API server that stores writes."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from app.errors import SettingsError
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from app.runtime.certificates import certificate_keeper
from app.runtime.webhook_policies import rotation_policy
from app.settings.environment import read_settings
from app.tls.keeper import next_pause
from app.tls.key_pairs import certificate_of, key_pair_of, parse_certificates
from app.tls.renewal import is_issued_by
from tests.kubernetes.fake_api_server import Answer, FakeApiServer, answers, refuses
from tests.kubernetes.polling import until

SETTINGS = read_settings(
    {
        "certificate_names": "job-profiler.profiling.svc",
        "serving_certificate_lifetime": 10,
        "authority_lifetime": 30,
        "trust_lag": 0.2,
        "certificate_check_period": 0.1,
    }
)
CA_SECRET, TLS_SECRET = (paths.secret("profiling", name) for name in ("job-profiler-ca", "job-profiler-tls"))
CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")


class Objects:
    """The three objects as the chart renders them; each keeps its last write."""

    def __init__(self, server: FakeApiServer) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        for path in (CA_SECRET, TLS_SECRET):
            self.kept[path] = {"metadata": {"name": path.rsplit("/", 1)[1], "resourceVersion": "1"}}
            server.on("GET", path, self._reader(path))
            server.on("PUT", path, self._writer(path))
        self.kept[CONFIGURATION] = {
            "metadata": {"name": "job-profiler", "uid": "u1", "resourceVersion": "1"},
            "webhooks": [{"name": "pods.job-profiler.liqo.io", "clientConfig": {}}],
        }

    def serves_configuration(self, server: FakeApiServer) -> None:
        """Serve the webhook configuration from now on."""
        server.on("GET", CONFIGURATION, self._reader(CONFIGURATION))
        server.on("PATCH", CONFIGURATION, self._writer(CONFIGURATION))

    @property
    def bundle(self) -> bytes:
        """The published bundle."""
        (webhook,) = self.kept[CONFIGURATION]["webhooks"]
        return base64.b64decode(webhook["clientConfig"].get("caBundle", ""))

    def data(self, path: str) -> dict[str, bytes]:
        """The decoded data of a Secret."""
        return {key: base64.b64decode(value) for key, value in self.kept[path].get("data", {}).items()}

    def is_trusted(self) -> bool:
        """True if a certificate is served and its signer is in the bundle."""
        served = certificate_of(key_pair_of(self.data(TLS_SECRET)))
        return served is not None and any(is_issued_by(served, ca) for ca in parse_certificates(self.bundle))

    def _reader(self, path: str) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await answers(self.kept[path])(request)

        return answer

    def _writer(self, path: str) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.kept[path] = await request.json()
            return await answers(self.kept[path])(request)

        return answer


@asynccontextmanager
async def keeping(
    server: FakeApiServer, directory: Path, chance: Callable[[], float] = random.random
) -> AsyncIterator[None]:
    """Runs the loop, which must still run on exit."""
    async with open_cluster(server.kubeconfig(directory)) as client:
        keeper = certificate_keeper(client, SETTINGS)
        period_seconds = SETTINGS.certificate_check_period
        task = asyncio.create_task(keeper.run(period_seconds, chance=chance, retry_seconds=0.05))
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_an_installation_gets_its_certificates(tmp_path: Path) -> None:
    """Both Secrets are filled, and the bundle has the authority that signed the certificate.

    In three further periods all three objects are read and none is written.
    """
    async with FakeApiServer() as server:
        objects = Objects(server)
        objects.serves_configuration(server)
        async with keeping(server, tmp_path):
            await until(objects.is_trusted)
            looks = len(server.received("GET"))
            await server.wait_for("GET", looks + 9)

        writes = [(request.verb, request.path) for request in server.requests if request.verb != "GET"]

    assert writes == [("PUT", CA_SECRET), ("PATCH", CONFIGURATION), ("PUT", TLS_SECRET)]
    assert objects.data(CA_SECRET)["tls.crt"] == objects.bundle


async def test_a_missing_configuration_is_logged_once_and_waited_for(
    tmp_path: Path,
) -> None:
    """Three tries without a webhook configuration give one log line; once it exists, it gets the bundle."""
    async with FakeApiServer() as server:
        objects = Objects(server)
        server.on("GET", CONFIGURATION, refuses(404))
        with capture_logs() as logs:
            async with keeping(server, tmp_path):
                await until(lambda: [request.path for request in server.requests].count(CONFIGURATION) > 3)
                objects.serves_configuration(server)
                await until(objects.is_trusted)

    errors = [entry["error"] for entry in logs if entry["event"] == "certificates_not_kept"]
    assert len(errors) == 1
    assert errors[0].startswith(
        "MutatingWebhookConfiguration job-profiler is missing: it comes with the Helm"
    )


@pytest.mark.parametrize(
    ("due_seconds", "longest", "shortest"),
    [
        pytest.param(86_400, 60, 54, id="nothing-soon"),
        pytest.param(20, 20, 18, id="within-the-period"),
        pytest.param(0, 0.1, 0.09, id="at-once"),
    ],
)
def test_chance_takes_up_to_a_tenth_off_each_pause(
    due_seconds: float, longest: float, shortest: float
) -> None:
    """The longest pause is the period of a minute: chance 1 subtracts nothing, and 0 a tenth.

    For an action that is due in a day the pauses are 60, 54 or 57 s; if it is due in 20 s, 20, 18 or 19 s.
    """
    pauses = [next_pause(due_seconds, 60, chance) for chance in (1, 0, 0.5)]

    assert pauses == pytest.approx([longest, shortest, (longest + shortest) / 2])


async def test_each_pause_is_drawn_anew(tmp_path: Path) -> None:
    """Each run sends three GETs: from the first to the last of twelve there are at least three pauses."""
    drawn = []

    def chance() -> float:
        drawn.append(0.5)
        return drawn[-1]

    async with FakeApiServer() as server:
        objects = Objects(server)
        objects.serves_configuration(server)
        async with keeping(server, tmp_path, chance):
            await until(objects.is_trusted)
            looks, before = len(server.received("GET")), len(drawn)
            await server.wait_for("GET", looks + 12)

            assert len(drawn) >= before + 3


def test_a_lag_that_no_authority_survives_is_a_wrong_setting() -> None:
    """A third of an authority's life is left when its successor is published; the lag may be 3/4 of that.

    Of 30 s these are 7.5 s; 8 s are refused.
    """
    assert rotation_policy(SETTINGS.model_copy(update={"trust_lag": 7.5})).trust_lag_seconds == 7.5
    with pytest.raises(
        SettingsError, match=r"TRUST_LAG \(--trust-lag\) is 8: set it to at most a quarter of"
    ):
        rotation_policy(SETTINGS.model_copy(update={"trust_lag": 8}))
