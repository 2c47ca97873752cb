"""Profiles of an older release are read correctly; `making_stored` states their content."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from tests.public_surface import making_stored, settled
from tests.public_surface.application import ProfileKind, StoredProfile, from_manifest
from tests.public_surface.making_stored import NOON, STORED

WEB, DB = ("Deployment", "shop", "web"), ("StatefulSet", "bank", "db")
TIMES = (NOON - timedelta(hours=2), NOON, NOON)


def stored(kind: str) -> dict[str, Any]:
    profile: dict[str, Any] = yaml.safe_load((STORED / f"{kind}-profile.yaml").read_text())
    return profile


def read(kind: str) -> StoredProfile:
    profile = from_manifest(ProfileKind(kind), stored(kind), with_containers=True)
    assert profile is not None
    return profile


def without_sentences(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object without the texts for people."""
    status = {key: value for key, value in manifest["status"].items() if key != "explanation"}
    status["conditions"] = [condition | {"message": ""} for condition in status["conditions"]]
    return manifest | {"status": status}


def test_a_cpu_profile_comes_out() -> None:
    """The CPU profile is 0.350 cores: 0.300 of app and 0.050 of the mesh proxy."""
    profile = read("cpu")

    name = "cpuprofile-0000000000000000000000000000000000000001"
    assert settled.identity(profile) == (name, "cpu", (WEB,))
    assert settled.judged(profile) == ("0.350", False, 0.87, {"app": "0.300", "proxy": "0.050"})
    assert settled.times(profile) == TIMES


def test_a_memory_profile_that_is_stale_comes_out() -> None:
    """The memory profile is 1 GiB for the one container of a StatefulSet; its condition is Stale."""
    profile = read("memory")

    name = "memprofile-0000000000000000000000000000000000000002"
    assert settled.identity(profile) == (name, "memory", (DB,))
    assert settled.judged(profile) == ("1073741824", True, 0.87, {"db": "1073741824"})
    assert settled.times(profile) == TIMES


def test_a_connection_profile_comes_out() -> None:
    """The connection is from a Deployment to a StatefulSet, with 240 requests and responses per minute."""
    profile = read("connection")

    name = "connprofile-0000000000000000000000000000000000000003"
    assert settled.identity(profile) == (name, "connection", (WEB, DB))
    assert settled.judged(profile) == ("240.0000", False, 0.87, {})
    assert settled.times(profile) == TIMES


@pytest.mark.parametrize("kind", ["cpu", "memory", "connection"])
def test_the_same_profile_is_still_written_so(kind: str) -> None:
    """Metadata, spec and status are unchanged, but for texts for people and what was added since.

    Added were labels of the workload (of a connection, of its source), the need as a quantity, and a
    connection's protocol.
    """
    written, before = without_sentences(making_stored.profiles()[kind]), without_sentences(stored(kind))
    workload = DB if kind == "memory" else WEB
    before["metadata"]["labels"] = {
        f"job-profiler.liqo.io/{label}": text
        for label, text in zip(("kind", "namespace", "workload"), workload, strict=True)
    }
    before["status"] |= {
        "cpu": {"need": "350m"},
        "memory": {"need": "1Gi"},
        "connection": {"protocol": "http"},
    }[kind]

    assert written == before
