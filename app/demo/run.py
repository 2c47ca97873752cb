"""Starts the server with recorded usage, sends it the review of one Pod, and applies the patch."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import httpx
import jsonpatch

from app.errors import ProfilerError
from app.http_server.binding import ALL_ADDRESSES, bind, loopback
from app.profiler.cycle.collector import cycle_time
from app.runtime.standalone import Standalone, run_standalone
from app.settings.environment import Settings
from app.settings.types import Role
from app.sources.recorded import RecordedHistory, read_recorded_history

_HERE = files("app.demo")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The running server, the JSON patch of its response, and the Pod with the patch applied.

    `recorded` is the usage that the profiles rest on.
    """

    server: Standalone
    recorded: RecordedHistory
    patch: list[dict[str, Any]]
    pod: dict[str, Any]


def demo_settings() -> Settings:
    """The settings of the demonstration; the environment is ignored, because it is meant for a cluster."""
    address = loopback(ALL_ADDRESSES)
    webhook_port, health_port = _free_ports(address)
    return Settings.model_construct(
        role=Role.COMBINED,
        bind_address=address,
        certificate_names=(address,),
        webhook_port=webhook_port,
        health_port=health_port,
        shutdown_delay=0.0,
    )


@asynccontextmanager
async def demonstrate() -> AsyncIterator[Demonstration]:
    """Runs the server until the context ends; yields the results.

    Raises:
        ProfilerError: the server was not ready in time, or returned no patch.
    """
    with as_file(_HERE / "emojivoto.npz") as path:
        recorded = read_recorded_history(path)
    review = json.loads((_HERE / "web-pod-review.json").read_text())
    now = cycle_time(recorded.last_step)
    async with run_standalone(recorded, demo_settings(), lambda: now) as server:
        patch = await _post(server, review)
        pod = jsonpatch.apply_patch(review["request"]["object"], patch)
        yield Demonstration(server, recorded, patch, pod)


async def _post(server: Standalone, review: dict[str, Any]) -> list[dict[str, Any]]:
    """Sends *review* over HTTPS, trusting only the server's own CA; returns the patch of the response."""
    trust = ssl.create_default_context(cadata=server.authority_pem.decode())
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        response = await client.post(f"{server.webhook_url}/mutate", json=review)
    answer = response.json().get("response", {})
    if response.status_code != 200 or not answer.get("patch"):
        raise ProfilerError(f"the webhook returned no patch: {response.status_code} {response.text[:200]}")
    patch: list[dict[str, Any]] = json.loads(base64.b64decode(answer["patch"]))
    return patch


def _free_ports(address: str) -> tuple[int, int]:
    """Two different free ports of *address*: both stay bound until the second is found."""
    sockets = [*bind(address, 0), *bind(address, 0)]
    first, second = (bound.getsockname()[1] for bound in sockets)
    for bound in sockets:
        bound.close()
    return first, second
