"""Makes the files of `stored/` with the program: `python -m tests.public_surface.making_stored`.

Nothing is random, so the files are reproducible. They stand for objects that an older release stored in a
cluster: make them again only after an intended change of a format, with code that reads the older one.

Check-point: three days and 100 steps of 5 minutes, starting at day 20,000 (2024-10-04).

    Pod             workload              container  CPU cores                        memory
    shop/web-1      Deployment shop/web   app        0.25                             256 MiB
    shop/web-2      Deployment shop/web   app        0.5; 2.0 on day 2, step 150      256 MiB; 300 MiB there
    shop/web-1      Deployment shop/web   proxy      0.01                             32 MiB
    shop/batch-a    Job shop/batch        main       1.0 on day 1, steps 1 to 24      64 MiB
    shop/batch-b    Job shop/batch        main       1.0 on day 2, steps 1 to 24      64 MiB
    bank/db-0       StatefulSet bank/db   db         0.125; none on day 3, 1 to 12    1 GiB; none there

web-2's app was throttled in half of its periods on day 3, steps 10 to 19; db was OOM-killed on day 4,
step 50. web sends db 2 requests per second, 128 bytes per second out and 512 back. db sends web 1/16 request
per second in the first 144 of the last 288 steps; its bytes are unknown, and it is not scraped in the last
100 steps. The selected namespaces are bank and shop; kube-system is excluded.

History: three days from the same midnight. web-1 uses 0.2 cores, 0.4 from 08:00 to 16:00, and 200 MB; it
requests 0.5 cores and 512 MiB. redis has no workload, uses 0.05 cores and 50 MB, and requests nothing. web
sends db 3 requests per second and gets 2.75 responses per second.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tests.command_line.status_signals import SIGNALS
from tests.kubernetes.fake_api_server import FakeApiServer, answers
from tests.public_surface.application import (
    Basis,
    CheckpointMaps,
    ChosenRule,
    Connection,
    ConnectionHistory,
    ConnectionProfile,
    ConnectionSamples,
    ContainerNeed,
    ContainerSamples,
    Identity,
    KeyRange,
    LearnedState,
    NamespaceSelection,
    PodContainer,
    Pressure,
    PressureSamples,
    PressureSignal,
    ProfileKind,
    RecordedContainer,
    RecordedEdge,
    Resource,
    ResourceProfile,
    RiskLevel,
    SlotNeed,
    StatedRisk,
    StepRange,
    UsageHistory,
    Workload,
    build_report,
    encode,
    open_cluster,
    stale_condition,
    to_manifest,
    to_status,
    write_history_file,
)

STORED = Path(__file__).parent / "stored"
DAY, STEPS_PER_DAY, MIB = 20_000, 288, 2**20
MIDNIGHT = DAY * STEPS_PER_DAY
PAST = StepRange(MIDNIGHT + 1, MIDNIGHT + 3 * STEPS_PER_DAY + 100)
WEB, BATCH, DB = (
    Workload("shop", "web"),
    Workload("shop", "batch", "Job"),
    Workload("bank", "db", "StatefulSet"),
)
WORKLOADS = {
    ("shop", "web-1"): WEB,
    ("shop", "web-2"): WEB,
    ("shop", "batch-a"): BATCH,
    ("shop", "batch-b"): BATCH,
    ("bank", "db-0"): DB,
}
CONTAINERS = (
    PodContainer("shop", "web-1", "app"),
    PodContainer("shop", "web-2", "app"),
    PodContainer("shop", "web-1", "proxy"),
    PodContainer("shop", "batch-a", "main"),
    PodContainer("shop", "batch-b", "main"),
    PodContainer("bank", "db-0", "db"),
)
PROFILED = NamespaceSelection(frozenset({"bank", "shop"}), frozenset({"kube-system"}))
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONFIG_MAPS = "/api/v1/namespaces/profiling/configmaps"
Floats = NDArray[np.float64]


def column(day: int, step: int) -> int:
    """The index of a step of a day in the history; both are counted from 1."""
    return (day - 1) * STEPS_PER_DAY + step - 1


def checkpoint_bytes() -> bytes:
    """The check-point of all keys, encoded as in a cycle."""
    history = UsageHistory(timeslots=4, retained_days=15)
    learned = LearnedState(history.state, ConnectionHistory())
    for resource, values in ((Resource.CPU, _cpu()), (Resource.MEMORY, _memory())):
        history.fold(ContainerSamples(resource, PAST, CONTAINERS, values), _attribute)
    for samples in (_throttling(), _kill()):
        history.fold_pressure(samples, _attribute)
    learned.connections.fold(_connections())
    learned.usage.together.keep(())  # that release did not know which containers are in one Pod
    return encode(learned.shard(KeyRange(), PROFILED))


def _attribute(namespace: str, pod: str) -> Workload | None:
    return WORKLOADS.get((namespace, pod))


def _cpu() -> Floats:
    values = np.repeat(np.array([[0.25], [0.5], [0.01], [1.0], [1.0], [0.125]]), len(PAST), axis=1)
    values[1, column(2, 150)] = 2.0
    return _clear_idle_steps(values)


def _memory() -> Floats:
    values = np.repeat(np.array([[256], [256], [32], [64], [64], [1024]]) * float(MIB), len(PAST), axis=1)
    values[1, column(2, 150)] = 300 * MIB
    return _clear_idle_steps(values)


def _clear_idle_steps(values: Floats) -> Floats:
    for row, day in ((3, 1), (4, 2)):
        values[row, : column(day, 1)] = values[row, column(day, 25) :] = np.nan
    values[5, column(3, 1) : column(3, 13)] = np.nan
    return values


def _throttling() -> PressureSamples:
    steps = np.arange(10, 20) + MIDNIGHT + 2 * STEPS_PER_DAY
    rows, shares = np.ones(10, dtype=np.int64), np.full(10, 0.5)
    return PressureSamples(Pressure.CPU_THROTTLING, PAST, CONTAINERS, rows, steps, shares)


def _kill() -> PressureSamples:
    step = np.array([MIDNIGHT + 3 * STEPS_PER_DAY + 50])
    return PressureSamples(Pressure.OOM_KILLED, PAST, CONTAINERS, np.array([5]), step, np.ones(1))


def _connections() -> ConnectionSamples:
    last_day = StepRange(PAST.last - STEPS_PER_DAY + 1, PAST.last)
    requests = np.repeat([[2.0], [1 / 16]], STEPS_PER_DAY, axis=1)
    requests[1, 144:] = np.nan
    scraped = np.ones((2, STEPS_PER_DAY), dtype=np.bool_)
    scraped[1, -100:] = False
    request_bytes = np.repeat([[128.0], [np.nan]], STEPS_PER_DAY, axis=1)
    return ConnectionSamples(
        last_day,
        (Connection(WEB, DB), Connection(DB, WEB)),
        requests,
        requests,
        (WEB, DB),
        scraped,
        request_bytes=request_bytes,
        response_bytes=request_bytes * 4,
    )


async def checkpoint_config_map(data: bytes, directory: Path) -> dict[str, Any]:
    """The ConfigMap that the program sends to the API server to store *data*."""
    async with FakeApiServer() as server:
        owner = {"metadata": {"name": "job-profiler-status", "uid": "5d9f9a36-0000-4000-8000-000000000001"}}
        server.on("GET", f"{CONFIG_MAPS}/job-profiler-status", answers(owner))
        stored = {"metadata": {"name": "stored", "resourceVersion": "1"}}
        server.on("POST", CONFIG_MAPS, answers(stored))
        async with open_cluster(server.kubeconfig(directory)) as client:
            await CheckpointMaps(client, "profiling").write(f"{KeyRange().first:012x}", data, None)
        (created,) = server.received("POST")
        manifest: dict[str, Any] = created.json
    return manifest


def write_history(path: Path) -> None:
    """Writes the history file."""
    steps = np.arange(1, 3 * STEPS_PER_DAY + 1)
    times = (MIDNIGHT + steps) * 300
    of_day = (steps - 1) % STEPS_PER_DAY
    cores = np.where((of_day >= 96) & (of_day < 192), 0.4, 0.2)
    ones = np.ones(len(times))
    write_history_file(
        path,
        [
            RecordedContainer(
                "shop/web-1/app", times, cores, ones * 200e6, "Deployment/shop/web", 0.5, 512.0 * MIB
            ),
            RecordedContainer("redis", times, ones * 0.05, ones * 50e6),
        ],
        [RecordedEdge("shop/web>shop/db", times, ones * 3, ones * 2.75)],
    )


def status_map() -> dict[str, Any]:
    """The status ConfigMap with the reports of the sources and of the self-probe."""
    report = build_report(
        SIGNALS,
        {"shop/new": "TooFewSamples: fewer than 12 of 5 minutes each"},
        profiles=[
            Identity(ProfileKind.CPU, WEB),
            Identity(ProfileKind.CPU, DB),
            Identity(ProfileKind.MEMORY, WEB),
            Identity(ProfileKind.CONNECTION, Connection(WEB, DB)),
        ],
        unattributed_namespaces=["legacy"],
        past_owner_source="names",
    )
    probe = {
        "state": "Failing",
        "reasons": ["NotTrusted"],
        "message": "API servers do not accept the webhook's certificate",
        "since": "2026-03-04T11:30:00Z",
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "job-profiler-status", "namespace": "profiling"},
        "data": {"status.json": json.dumps(report), "probe.json": json.dumps(probe)},
    }


def profiles() -> dict[str, dict[str, Any]]:
    """One object of each kind, with status and condition, by the kind's short name."""
    basis = Basis(NOON - timedelta(days=14), NOON, 4032, 0.9, 0.87)
    rule = ChosenRule(days=14, measure=0.986, short_past=0.0)
    cpu = ResourceProfile(
        WEB,
        Resource.CPU,
        "0.350",
        basis,
        (SlotNeed("00:00", "06:00", "0.300", 1008), SlotNeed("06:00", "12:00", "0.350", 1008)),
        (ContainerNeed("app", "0.300", 4032, "", rule), ContainerNeed("proxy", "0.050", 4032, "MeshProxy")),
        (PressureSignal("app", Pressure.CPU_THROTTLING, NOON - timedelta(hours=1), 0.2),),
        StatedRisk(RiskLevel.NORMAL, 0.01, 0.05),
    )
    memory = ResourceProfile(
        DB,
        Resource.MEMORY,
        "1073741824",
        basis,
        containers=(ContainerNeed("db", "1073741824", 4032),),
        signals=(PressureSignal("db", Pressure.OOM_KILLED, NOON - timedelta(days=1), 0.1),),
        risk=StatedRisk(RiskLevel.LOW, 0.02),
    )
    connection = ConnectionProfile(Connection(WEB, DB), "240.0000", "120.0", "120.0", basis, "128.0", "512.0")
    profiles_by_kind: dict[str, tuple[ResourceProfile | ConnectionProfile, str, bool]] = {
        "cpu": (cpu, "cpuprofile-0000000000000000000000000000000000000001", False),
        "memory": (memory, "memprofile-0000000000000000000000000000000000000002", True),
        "connection": (connection, "connprofile-0000000000000000000000000000000000000003", False),
    }
    return {
        kind: to_manifest(profile, name=name, namespace="profiling", updated_at=NOON - timedelta(hours=2))
        | {
            "status": to_status(profile, refreshed_at=NOON)
            | {"conditions": [stale_condition(stale=stale, now="2026-03-04T12:00:00Z")]}
        }
        for kind, (profile, name, stale) in profiles_by_kind.items()
    }


def main() -> None:
    """Writes all files."""
    STORED.mkdir(exist_ok=True)
    with TemporaryDirectory() as directory:
        config_map = asyncio.run(checkpoint_config_map(checkpoint_bytes(), Path(directory)))
    documents = {"checkpoint": config_map, "status": status_map()}
    documents |= {f"{kind}-profile": manifest for kind, manifest in profiles().items()}
    for name, document in documents.items():
        (STORED / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False, width=110))
    write_history(STORED / "history.npz")


if __name__ == "__main__":
    main()
