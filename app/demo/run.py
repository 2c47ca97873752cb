"""Starts the real server on the recorded past, posts the review of one Pod, applies the patch."""

import base64
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import httpx
import jsonpatch

from app.errors import ProfilerError
from app.runtime.standalone import Standalone, run_standalone
from app.settings.environment import Settings
from app.settings.types import Role
from app.sources.recorded import ReplayedHistory, read_recorded_history

_HERE = files("app.demo")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What came of it: the Pod that was posted, the patch of the answer, and the Pod with it applied."""

    server: Standalone
    patch: list[dict[str, Any]]
    pod: dict[str, Any]


def settings_of_demo() -> Settings:
    """Settings of its own: what stands in the environment is meant for a cluster."""
    webhook_port, health_port = _free_ports()
    return Settings.model_construct(
        role=Role.COMBINED,
        bind_address=_LOOPBACK,
        certificate_names=(_LOOPBACK,),
        webhook_port=webhook_port,
        health_port=health_port,
        shutdown_delay=0.0,
    )


@asynccontextmanager
async def demonstrate() -> AsyncIterator[Demonstration]:
    """Run the server until the context ends; entered with the annotated Pod.

    Raises:
        ProfilerError: the server was not ready in time, or did not answer as it should.
    """
    with as_file(_HERE / "emojivoto.npz") as path:
        history = ReplayedHistory(read_recorded_history(path), time.time)
    review = json.loads((_HERE / "web-pod-review.json").read_text())
    async with run_standalone(history, settings_of_demo()) as server:
        patch = await _post(server, review)
        pod = jsonpatch.apply_patch(review["request"]["object"], patch)
        yield Demonstration(server, patch, pod)


async def _post(server: Standalone, review: dict[str, Any]) -> list[dict[str, Any]]:
    """The patch of the server's answer, over HTTPS with its own authority as the only one trusted."""
    trust = ssl.create_default_context(cadata=server.authority_pem.decode())
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        answer = await client.post(f"{server.webhook_url}/mutate", json=review)
    response = answer.json().get("response", {})
    if answer.status_code != 200 or not response.get("patch"):
        raise ProfilerError(f"the webhook gave no patch: {answer.status_code} {answer.text[:200]}")
    patch: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"]))
    return patch


def _free_ports() -> tuple[int, int]:
    """Two ports that nothing listens on; both are held until the second is found, so they differ."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind((_LOOPBACK, 0))
        return first.getsockname()[1], second.getsockname()[1]
