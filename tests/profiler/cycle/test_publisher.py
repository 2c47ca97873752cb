"""Writes of profiles: rate limit, the largest change first, and Retry-After."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.domain.profiles import Basis, ConnectionProfile, Profile, ProfileKind, Resource, ResourceProfile
from app.domain.workloads import Connection, Workload
from app.errors import ClusterError, ConflictError, ForbiddenError, InvalidError, UnavailableError
from app.profiler.cycle.plan_aging import AgingPolicy
from app.profiler.cycle.publisher import Publisher
from app.profiler.in_memory import InMemoryProfiles
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import RateLimiter

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)


class TimedStore(InMemoryProfiles):
    """A store that records the time of each attempt, on a clock that only `sleep` advances."""

    def __init__(self) -> None:
        super().__init__("profiling")
        self.now = 0.0
        self.tries: list[tuple[str, float]] = []
        self.readable = frozenset(ProfileKind)
        self.fault: Callable[[str, int], ClusterError | None] = lambda _name, _try: None

    async def sleep(self, seconds: float) -> None:
        """The sleep of the rate limiter."""
        self.now += seconds

    def pace(self, per_second: float) -> RateLimiter:
        """A rate limiter on this clock."""
        return RateLimiter(per_second, clock=lambda: self.now, sleep=self.sleep)

    @property
    def known_kinds(self) -> frozenset[ProfileKind]:
        """The kinds that a test sets."""
        return self.readable

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Record the attempt, then write or raise `fault`."""
        name = str(write.profile.identity.subject)
        self.tries.append((name, round(self.now, 3)))
        if error := self.fault(name, sum(tried == name for tried, _ in self.tries)):
            raise error
        await super().write(write, now)


def needs(**values: str) -> list[Profile]:
    return [
        ResourceProfile(Workload("shop", name), Resource.CPU, value, BASIS) for name, value in values.items()
    ]


def publisher(store: TimedStore, per_second: float = 1.0) -> Publisher:
    return Publisher(store, AgingPolicy(), 1000, store.pace(per_second))


async def test_writes_keep_to_the_rate() -> None:
    """Two per second: five new profiles take two seconds."""
    store = TimedStore()

    await publisher(store, 2.0).publish(needs(a="1.000", b="1.000", c="1.000", d="1.000", e="1.000"), NOON)

    assert [at for _, at in store.tries] == [0.0, 0.5, 1.0, 1.5, 2.0]


async def test_the_largest_change_comes_first() -> None:
    """New, ten times as much, twice as much, half, a tenth more; an equal value is not written."""
    store = TimedStore()
    before = needs(tenth="1.000", double="0.010", equal="4.000", tenfold="0.001", half="8.000")
    await publisher(store).publish(before, NOON)
    store.tries.clear()
    after = needs(
        tenth="1.100", double="0.020", equal="4.000", tenfold="0.010", half="4.000", newcomer="0.001"
    )

    published = await publisher(store).publish(after, NOON)

    names = [name for name, _ in store.tries]
    assert names == [f"shop/{name}" for name in ("newcomer", "tenfold", "double", "half", "tenth")]
    assert len(published.written) == 5


async def test_retry_after_pauses_all_writes() -> None:
    """After a 429 with `Retry-After: 7` no write for seven seconds, then that one again and the rest."""
    store = TimedStore()
    store.fault = lambda name, tried: (
        UnavailableError("429 Too Many Requests", 7.0) if (name, tried) == ("shop/a", 1) else None
    )

    published = await publisher(store).publish(needs(a="1.000", b="1.000"), NOON)

    assert store.tries[0] == ("shop/a", 0.0)
    assert all(at >= 7 for _, at in store.tries[1:])
    assert sorted(name for name, _ in store.tries) == ["shop/a", "shop/a", "shop/b"]
    assert (len(published.written), published.failed) == (2, 0)


async def test_a_conflict_is_retried() -> None:
    """Another client changed the object at the same moment: the second attempt succeeds."""
    store = TimedStore()
    store.fault = lambda _name, tried: ConflictError("changed") if tried == 1 else None

    published = await publisher(store).publish(needs(a="1.000"), NOON)

    assert (len(store.tries), published.failed) == (2, 0)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ConflictError("changed"), 3),
        (UnavailableError("429", 1.0), 3),
        (UnavailableError("refused"), 1),
        (ForbiddenError("no"), 1),
    ],
    ids=["conflict", "throttled", "away", "forbidden"],
)
async def test_a_failed_write_is_left_to_the_next_cycle(error: ClusterError, tries: int) -> None:
    """After three attempts, or at once if a retry would not help, the failure is logged."""
    store = TimedStore()
    store.fault = lambda _name, _try: error

    with capture_logs() as log:
        published = await publisher(store).publish(needs(a="1.000"), NOON)

    assert (len(store.tries), published.failed, published.stored_identities) == (tries, 1, set())
    assert [line["event"] for line in log] == ["profile_not_written"]
    store.fault = lambda _name, _try: None
    assert len((await publisher(store).publish(needs(a="1.000"), NOON)).written) == 1


@pytest.mark.parametrize(
    "known", [frozenset(ProfileKind), frozenset({ProfileKind.MEMORY})], ids=["all", "memory"]
)
async def test_a_kind_that_can_not_be_read_is_neither_written_nor_removed(
    known: frozenset[ProfileKind],
) -> None:
    """Two CPU profiles are stored, whose samples ended 60 days ago: one has new usage, as has a new workload.

    The first is changed, the second created and the other stored one removed. If CPU profiles can't be read,
    nothing is written, marked or removed of what was known of them before.
    """
    store = TimedStore()
    past = replace(BASIS, window_end=NOON - timedelta(days=60))
    stored = [replace(profile, basis=past) for profile in needs(old="1.000", older="1.000")]
    await publisher(store).publish(stored, NOON - timedelta(days=60))
    before = dict(store.manifests)
    store.readable = known

    result = await publisher(store).publish(needs(old="2.000", new="1.000"), NOON)
    removed = await publisher(store).apply_aging({}, lambda _identity: True, NOON)

    if ProfileKind.CPU in known:
        assert (len(result.written), [str(profile.subject) for profile in removed]) == (2, ["shop/older"])
    else:
        assert (result.written, removed, store.manifests) == ([], [], before)


async def test_unchanged_profiles_are_not_written() -> None:
    """A thousand unchanged profiles: no attempt and no pause."""
    store = TimedStore()
    many = needs(**{f"app-{number}": "0.100" for number in range(1000)})
    await publisher(store, 1000.0).publish(many, NOON)
    store.tries.clear()
    began = store.now

    await publisher(store, 1.0).publish(many, NOON)

    assert (store.tries, store.now) == ([], began)


def edges(namespace: str, count: int, rate: str = "1.00") -> list[Profile]:
    """Connections of one client to so many servers of its namespace."""
    client = Workload(namespace, "client")
    return [
        ConnectionProfile(
            Connection(client, Workload(namespace, f"s{number:04d}")), rate, rate, "0.00", BASIS
        )
        for number in range(count)
    ]


def first_try(store: TimedStore, begins: str) -> int:
    """The number of attempts before the first one of an object of *begins*."""
    return next(number for number, (name, _) in enumerate(store.tries) if name.startswith(begins))


async def test_refused_writes_delay_no_other() -> None:
    """3,000 connections of `evil` are refused, at 50 a second a minute each cycle.

    CPU is written before them. The new connection of `shop` waits for one of them. In the cycles of an hour,
    150 s apart, each is tried at 0, 150, 450 (300 s), 1,050 (600 s) and 2,250 s (1,200 s): 5 times, not 25.
    A change of CPU is always the first write.
    """
    store = TimedStore()
    store.fault = lambda name, _try: InvalidError("422") if name.startswith("evil/") else None
    publishing = Publisher(store, AgingPolicy(), 10_000, store.pace(50.0))
    flood = edges("evil", 3000)

    await publishing.publish([*flood, *edges("shop", 1), *needs(web="0.100")], NOON)

    assert store.tries[0][0] == "shop/web"
    assert first_try(store, "shop/client") <= 10  # eight writes at a time
    attempts = []
    for cycle in range(1, 25):
        store.tries.clear()
        value = f"{0.1 * 2**cycle:.3f}"
        published = await publishing.publish(
            [*flood, *needs(web=value)], NOON + timedelta(seconds=150 * cycle)
        )
        assert store.tries[0][0] == "shop/web"
        assert (len(published.written), published.refused) == (1, 3000)
        attempts.append(len(store.tries) - 1)
    assert [cycle for cycle, tries in enumerate(attempts, 1) if tries] == [1, 3, 7, 15]
    assert {tries for tries in attempts if tries} == {3000}


async def test_changed_connections_of_a_flood_leave_time_for_the_next_cycle() -> None:
    """At most 100 writes a cycle: of 1,000 new connections of `evil`, 98 are written beside two of `shop`."""
    store = TimedStore()
    publishing = Publisher(store, AgingPolicy(), 10_000, store.pace(50.0), max_writes=100)
    profiles = [*edges("evil", 1000), *edges("shop", 1), *needs(web="0.100")]

    published = await publishing.publish(profiles, NOON)

    assert published.postponed == 902
    assert sorted(name for name, _ in store.tries if name.startswith("shop/")) == [
        "shop/client → shop/s0000",
        "shop/web",
    ]
    assert len(store.tries) == 100
    published = await publishing.publish(profiles, NOON)
    assert (len(published.written), published.postponed) == (100, 802)


async def test_cpu_and_memory_are_written_however_many_there_are() -> None:
    """Five needs at a limit of three writes a cycle; the connection waits."""
    store = TimedStore()
    publishing = Publisher(store, AgingPolicy(), 1000, store.pace(50.0), max_writes=3)
    values = dict.fromkeys("abcde", "0.100")

    published = await publishing.publish([*edges("shop", 1), *needs(**values)], NOON)

    assert (len(published.written), published.postponed) == (5, 1)


async def test_a_stored_flood_makes_room_for_others() -> None:
    """100 connections of `evil` fill the store of 100: 40 of them go when `shop` has 40 CPU profiles."""
    store = TimedStore()
    publishing = Publisher(store, AgingPolicy(), 100, store.pace(1000.0))
    await publishing.publish(edges("evil", 100), NOON)

    with capture_logs() as log:
        published = await publishing.publish(needs(**{f"w{n}": "0.100" for n in range(40)}), NOON)

    assert (len(published.written), published.evicted) == (40, 40)
    tenants = Counter(profile.tenant for profile in store.catalogue)
    assert tenants == {"evil": 60, "shop": 40}
    assert [line for line in log if line["event"] == "profiles_evicted"] == [
        {"event": "profiles_evicted", "log_level": "warning", "profiles": 40, "namespaces": ["evil"]}
    ]
