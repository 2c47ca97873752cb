"""`job-profiler status` shows the status ConfigMap of an older release; see `making_stored`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.fake_api_server import FakeApiServer, answers
from tests.public_surface import commands, making_stored
from tests.public_surface.making_stored import CONFIG_MAPS, STORED

LEASE = "/apis/coordination.k8s.io/v1/namespaces/profiling/leases/job-profiler"
SPEC = {
    "holderIdentity": "profiler-1",
    "leaseDurationSeconds": 15,
    "renewTime": "2026-03-04T12:00:00.000000Z",
}


def stored() -> dict[str, Any]:
    config_map: dict[str, Any] = yaml.safe_load((STORED / "status.yaml").read_text())
    return config_map


async def shown(directory: Path, *arguments: str) -> str:
    async with FakeApiServer() as server:
        server.on("GET", f"{CONFIG_MAPS}/job-profiler-status", answers(stored()))
        server.on("GET", LEASE, answers({"spec": SPEC}))
        command = ("status", "--kubeconfig", server.kubeconfig(directory), *arguments)
        done = await asyncio.to_thread(commands.run, directory, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_command_prints_it_as_it_stands_there(tmp_path: Path) -> None:
    """The JSON output has both documents, the probe's under `probe`, and the Lease under `lease`."""
    data = stored()["data"]

    document = json.loads(await shown(tmp_path, "--output=json"))
    assert document == json.loads(data["status.json"]) | {
        "probe": json.loads(data["probe.json"]),
        "lease": SPEC,
    }
    assert sorted(set(commands.paths_of("", document))) == [
        ".lease.holderIdentity",
        ".lease.leaseDurationSeconds",
        ".lease.renewTime",
        ".namespacesWithUnattributedPods[]",
        ".pastPodsAttributedBy",
        ".probe.message",
        ".probe.reasons[]",
        ".probe.since",
        ".probe.state",
        ".profiles.connection",
        ".profiles.cpu",
        ".profiles.memory",
        ".signals[].message",
        ".signals[].reason",
        ".signals[].signal",
        ".signals[].since",
        ".signals[].state",
        ".workloadsWithoutProfile.shop/new",
        ".workloadsWithoutProfileTotal",
    ]


async def test_the_command_shows_it(tmp_path: Path) -> None:
    """The output has the expired leader, the probe, counts, signals, and workloads without a profile."""
    text = " ".join((await shown(tmp_path)).split())

    expected = (
        "none (profiler-1 last renewed its Lease",
        "NotTrusted (since 2026-03-04T11:30:00Z): API servers do not accept the webhook's certificate",
        "2 cpu, 1 memory, 1 connection",
        "connections Absent 2026-03-04T11:00:00Z NoMesh",
        "1 workloads without a profile",
        "shop/new TooFewSamples: fewer than 12 of 5 minutes each",
        "Namespaces with Pods that match no workload: legacy",
    )
    assert [line for line in expected if line not in text] == []


def test_the_report_is_still_written_so() -> None:
    """The reports have the keys that an older release of the command reads, with the same contents.

    Messages of signals are sentences for people, which may change.
    """
    written = making_stored.status_map()["data"]
    for document, text in stored()["data"].items():
        older, newer = json.loads(text), json.loads(written[document])
        for signal in (*older.get("signals", ()), *newer.get("signals", ())):
            assert isinstance(signal.pop("message"), str)
        assert {key: newer[key] for key in older} == older
