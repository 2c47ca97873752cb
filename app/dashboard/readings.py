"""Readings that requests share: each part is read again only after a while, and once for all who wait."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

from app.dashboard.curves import UsageCurve
from app.dashboard.facts import NO_USAGE, ClusterHealth, Edges, Facts, Fault, Needs, UsageNow
from app.dashboard.workload import PlannedPatch
from app.decisions.figures import Manifest
from app.domain.profiles import Resource
from app.domain.untyped import mapping_in, text_in
from app.domain.workloads import Workload
from app.errors import ForbiddenError, NotFoundError, ProfilerError, UnavailableError

T = TypeVar("T")
Curves = Mapping[Resource, UsageCurve]
MAX_AGE_SECONDS = 15.0
# Queries on usage cost a Prometheus more than lists cost an API server.
_USAGE_AGE_SECONDS, _CURVE_AGE_SECONDS = 60.0, 300.0
_RETRY_SECONDS = 5.0
_MOST_KEPT = 64  # the curves of a workload have 0.3 MB
_USAGE_PATIENCE_SECONDS = 0.7
# A page with facts of the last minutes waits no longer than this for newer ones.
_REFRESH_PATIENCE_SECONDS = 0.5
_USABLE_SECONDS = 300.0
_CURVE_PATIENCE_SECONDS = 10.0
_AWAITED_CURVE = Fault(
    "Usage curve", "Prometheus has not answered yet.", "Reload this page in a while.", True
)


class FactSource(Protocol):
    """Where a page reads its parts: a cluster, or a file. Each method raises ProfilerError."""

    @property
    def name(self) -> str:
        """The cluster or the file, for a title."""

    async def needs(self) -> Needs:
        """The figures of all workloads."""

    async def edges(self) -> Edges:
        """The edges of all workloads."""

    async def health(self) -> ClusterHealth:
        """The health of sources and webhook."""

    async def usage(self, known: Collection[Workload]) -> UsageNow:
        """The usage of all workloads now; runs of a group count for the group, if it is *known*."""

    async def curves(self, containers: Mapping[Workload, Sequence[str]]) -> Mapping[Workload, Curves]:
        """The usage over the last days of the *containers* of workloads of one namespace."""

    async def patch(self, workload: Workload, profiles: Mapping[Resource, Manifest], /) -> PlannedPatch:
        """The patch of one workload, from its stored *profiles*."""


class Advice(NamedTuple):
    """What to do about a fault, which may be a minor one."""

    remedy: str = ""
    is_minor: bool = False


Advise = Callable[[ProfilerError], Advice]
NO_ADVICE = Advice()


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was read last, and the fault if the last attempt failed; `is_awaited` while one is under way."""

    value: T | None = None
    fault: Fault | None = None
    at: datetime | None = None
    is_awaited: bool = False


class SharedReading(Generic[T]):
    """One part; a fault keeps the last value. *clock* is in seconds and never steps back."""

    def __init__(
        self,
        subject: str,
        read: Callable[[], Awaitable[T]],
        clock: Callable[[], float],
        max_age_seconds: float = MAX_AGE_SECONDS,
        advise: Advise = lambda _: NO_ADVICE,
    ) -> None:
        self._subject, self._read, self._clock, self._max_age = subject, read, clock, max_age_seconds
        self._advise = advise
        self._last: Reading[T] = Reading()
        self._due = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def get(self, patience_seconds: float | None = None) -> Reading[T]:
        """The value, read again if it is old; after the patience, the last one.

        A value of the last minutes is enough for a page: a cluster of thousands of workloads takes seconds.
        """
        if self._task is None and self._clock() >= self._due:
            self._task = asyncio.create_task(self._refresh())
        task = self._task
        if task is None:
            return self._last
        if self._last.value is not None and self._clock() < self._due + _USABLE_SECONDS:
            patience_seconds = min(patience_seconds or inf, _REFRESH_PATIENCE_SECONDS)
        await asyncio.wait({task}, timeout=patience_seconds)
        if not task.done():
            return replace(self._last, is_awaited=True)
        task.result()
        return self._last

    async def _refresh(self) -> None:
        try:
            value = await self._read()
        except ProfilerError as error:
            fault = Fault(self._subject, str(error), *self._advise(error))
            fault = replace(fault, shown_at=self._last.at)
            self._last, self._due = replace(self._last, fault=fault), self._clock() + _RETRY_SECONDS
        else:
            self._last = Reading(value, at=datetime.now(UTC))
            self._due = self._clock() + self._max_age
        finally:
            self._task = None


def of_cluster(error: ProfilerError) -> Advice:
    """What a person does if a part of a cluster can't be read; the error's own message often says it."""
    match error:
        case ForbiddenError():
            return Advice(
                "Ask for the right to read it: the chart's ClusterRole for users has all that is needed."
            )
        case NotFoundError():
            return Advice("Install the job profiler, or name its namespace with --own-namespace.")
        case UnavailableError():
            return Advice("Check the cluster with kubectl get namespaces, and reload this page.")
        case _:
            return Advice()


def of_prometheus(_: ProfilerError) -> Advice:
    """What a person does if usage can't be read, which no other part of a page needs."""
    return Advice(
        "All else is from stored profiles. --prometheus-url names a server, and job-profiler doctor checks"
        " what it has.",
        is_minor=True,
    )


class Readings:
    """All parts of one *source*, shared by the requests."""

    def __init__(
        self, source: FactSource, clock: Callable[[], float], max_age_seconds: float = MAX_AGE_SECONDS
    ) -> None:
        self.source, self._clock, self._max_age = source, clock, max_age_seconds
        self._needs = self._shared("Profiles", source.needs, of_cluster)
        self._edges = self._shared("Connections", source.edges, of_cluster)
        self._health = self._shared("Health", source.health, of_cluster)
        self._usage = SharedReading("Usage", self._usage_now, clock, _USAGE_AGE_SECONDS, of_prometheus)
        self._curves: OrderedDict[Hashable, SharedReading[Curves]] = OrderedDict()
        self._patches: OrderedDict[Hashable, SharedReading[PlannedPatch]] = OrderedDict()

    async def facts(
        self,
        *,
        edges: bool = False,
        health: bool = False,
        usage: bool = True,
        patience_seconds: float | None = _USAGE_PATIENCE_SECONDS,
    ) -> Facts:
        """The needs, and the other parts that a page shows. The usage is awaited with patience only."""
        needs, edge, state, used = await asyncio.gather(
            self._needs.get(),
            _maybe(self._edges, wanted=edges),
            _maybe(self._health, wanted=health),
            _maybe(self._usage, wanted=usage, patience_seconds=patience_seconds),
        )
        faults = (needs.fault, edge.fault, state.fault, used.fault)
        return Facts(
            self.source.name,
            needs.at,
            needs.value,
            edge.value,
            state.value,
            used.value or NO_USAGE,
            used.is_awaited,
            [fault for fault in faults if fault],
        )

    async def _usage_now(self) -> UsageNow:
        needs = (await self._needs.get()).value
        return await self.source.usage(needs.figures.keys() if needs else ())

    async def curves(
        self,
        workload: Workload,
        containers: Sequence[str],
        patience_seconds: float = _CURVE_PATIENCE_SECONDS,
    ) -> Reading[Curves]:
        """The usage of *workload* over the last days; a fault after the patience, and the reading goes on."""

        async def read() -> Curves:
            return (await self.source.curves({workload: containers}))[workload]

        reading = _kept(
            self._curves,
            (workload, *containers),
            lambda: SharedReading("Usage curve", read, self._clock, _CURVE_AGE_SECONDS, of_prometheus),
        )
        found = await reading.get(patience_seconds)
        return replace(found, fault=_AWAITED_CURVE) if found.is_awaited else found

    async def patch(self, workload: Workload, profiles: Mapping[Resource, Manifest]) -> Reading[PlannedPatch]:
        """The patch of *workload* from its *profiles*, which is read anew as soon as one of them changes."""
        versions = (
            text_in(mapping_in(one.get("metadata")).get("resourceVersion")) for one in profiles.values()
        )
        reading = _kept(
            self._patches,
            (workload, *versions),
            lambda: self._shared("Patch", lambda: self.source.patch(workload, profiles), of_cluster),
        )
        return await reading.get()

    def _shared(self, subject: str, read: Callable[[], Awaitable[T]], advise: Advise) -> SharedReading[T]:
        return SharedReading(subject, read, self._clock, self._max_age, advise)


async def _maybe(
    reading: SharedReading[T], *, wanted: bool, patience_seconds: float | None = None
) -> Reading[T]:
    return await reading.get(patience_seconds) if wanted else Reading()


def _kept(
    readings: "OrderedDict[Hashable, SharedReading[T]]",
    key: Hashable,
    make: Callable[[], SharedReading[T]],
) -> SharedReading[T]:
    """The reading of *key*; only those asked for last are kept."""
    if key not in readings:
        readings[key] = make()
        while len(readings) > _MOST_KEPT:
            readings.popitem(last=False)
    readings.move_to_end(key)
    return readings[key]
