"""Each kind of profile fails alone: readiness, the kinds that are known, and what a cycle writes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.errors import UnavailableError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.profiler.cycle.cycle import CycleReport
from app.profiler.in_memory import FixedSnapshot
from app.profiler.ports import ClusterPorts
from app.runtime.adapters import ClusterProfiles
from app.runtime.watches import profiles as profile_watches
from app.runtime.watches.faults import watch_faults
from app.runtime.watches.profiles import ProfileWatches
from tests.kubernetes.fake_api_server import Answer, FakeApiServer, answers, listed, refuses, sends
from tests.kubernetes.polling import until
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import RecordingSink, Scenario

HOME = "profiling"
PATH = {kind: paths.profiles(KINDS[kind].plural, HOME) for kind in ProfileKind}
UNREADABLE = [
    pytest.param(refuses(403, "no"), id="forbidden"),
    pytest.param(refuses(404, "no"), id="no-crd"),
    pytest.param(refuses(500, "no"), id="failing"),
    pytest.param(sends(b"<html>"), id="garbled"),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_watches, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr("app.periodic.Backoff.next_pause", lambda _self: 0.02)


def serve(server: FakeApiServer, *kinds: ProfileKind) -> None:
    """Empty lists of *kinds*, and watches without events."""
    for kind in kinds:
        server.on("GET", PATH[kind], listed())
        server.on("WATCH", PATH[kind], server.streams(then_hangs=True))


@asynccontextmanager
async def watching(client: ClusterClient) -> AsyncIterator[ProfileWatches]:
    watches = ProfileWatches(client, HOME, ProfileCatalogue())
    tasks = [asyncio.create_task(reflector.run()) for reflector in watches.reflectors]
    try:
        yield watches
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize("kind", ProfileKind)
async def test_the_others_go_on_after_a_while(
    server: FakeApiServer, patient_client: ClusterClient, kind: ProfileKind, answer: Answer
) -> None:
    """Not before the time of grace (0.3 s here): at an installation the CRDs come one after the other.

    The kind is named. When it can be listed, it is known without a restart.
    """
    serve(server, *ProfileKind)
    server.on("GET", PATH[kind], answer)

    async with watching(patient_client) as watches:
        await until(lambda: len(watches.catalogue.listed_kinds) == 2)
        assert not watches.have_settled()
        await until(watches.have_settled)
        assert list(watch_faults(watches.reflectors)) == [
            f"watch of {KINDS[kind].plural} of namespace {HOME}"
        ]
        assert watches.catalogue.listed_kinds == set(ProfileKind) - {kind}

        serve(server, kind)
        await until(lambda: watches.catalogue.is_synced and not watch_faults(watches.reflectors))


async def test_without_any_kind_there_is_no_end_of_waiting(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """All three are forbidden: long after the time of grace the process is not ready, and names all three."""
    for path in PATH.values():
        server.on("GET", path, refuses(403, "no"))

    async with watching(patient_client) as watches:
        await until(lambda: all(map(watches.is_failing, ProfileKind)))
        assert not watches.have_settled()
        assert len(watch_faults(watches.reflectors)) == 3
        store = ClusterProfiles(
            patient_client, HOME, watches.catalogue, is_failing=watches.is_failing, sync_seconds=0.2
        )
        with pytest.raises(UnavailableError, match="not listed yet"):
            await store.stored()


async def test_a_kind_is_known_while_its_lists_succeed(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """Its watch is refused, so that it is listed again and again: a fault, but the profiles are known.

    Once the lists are refused too, it is unknown after the time of grace.
    """
    serve(server, *ProfileKind)
    server.on("WATCH", PATH[ProfileKind.CPU], refuses(403, "no"))

    async with watching(patient_client) as watches:
        store = ClusterProfiles(patient_client, HOME, watches.catalogue, is_failing=watches.is_failing)
        await until(lambda: watches.catalogue.is_synced)
        await asyncio.sleep(0.5)
        assert len(watch_faults(watches.reflectors)) == 1
        assert store.known_kinds == set(ProfileKind)

        server.on("GET", PATH[ProfileKind.CPU], refuses(403, "no"))
        await until(lambda: store.known_kinds == {ProfileKind.MEMORY, ProfileKind.CONNECTION})
        assert watches.have_settled()


def written(server: FakeApiServer) -> set[str]:
    """The plurals of the written objects."""
    return {request.path.split("/")[6] for request in server.received("PATCH")}


async def test_cycles_write_the_kinds_that_are_known(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """Memory profiles can't be listed: 4 CPU and 3 connection profiles are written, and none of memory.

    Their number is unknown in the report, and no workload is said to have too few samples. When they can be
    listed, the next cycle writes the 4 of them.
    """
    serve(server, *ProfileKind)
    server.on("GET", PATH[ProfileKind.MEMORY], refuses(500, "etcd is ill"))
    sink = RecordingSink()

    async with watching(patient_client) as watches:
        store = ClusterProfiles(patient_client, HOME, watches.catalogue, is_failing=watches.is_failing)
        leader = Scenario(EmojivotoPrometheus(), cluster=ClusterPorts(FixedSnapshot(), store, sink))
        accept_writes(server)

        first: CycleReport = await leader.cycle()
        assert written(server) == {"cpuprofiles", "connectionprofiles"}
        assert sink.reports[-1]["profiles"] == {"cpu": 4, "memory": None, "connection": 3}
        assert first.reasons == {}

        serve(server, ProfileKind.MEMORY)
        await until(lambda: ProfileKind.MEMORY in store.known_kinds)
        second: CycleReport = await leader.cycle(minutes=5)
        assert "memoryprofiles" in written(server)
        assert second.written >= 4


def accept_writes(server: FakeApiServer) -> None:
    """Answer each apply of an object or its status."""
    fallback: Any = server._scripts
    accepted = answers({"metadata": {"name": "x"}})

    class Scripts(dict[tuple[str, str], list[Answer]]):
        def get(self, key: tuple[str, str], default: Any = None) -> Any:
            return super().get(key, [accepted] if key[0] == "PATCH" else default)

    server._scripts = Scripts(fallback)
