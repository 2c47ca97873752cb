"""Faults that a user has to correct, and the Events on their objects in one leader's term."""

from datetime import timedelta

from app.domain.workloads import NAMESPACE, Workload
from app.profiler.event_recorder import MAX_EVENTS_PER_MINUTE
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.workload_event import EventReason
from tests.profiler.scenario import NOON, RecordingEvents

WEB, SHOP = Workload("shop", "web"), Workload("shop", "shop", NAMESPACE)
WRONG, OTHER = "VerticalPodAutoscaler web: wrong", "VerticalPodAutoscaler web: other"


class Term:
    """An announcer of one kind of fault, which hears of all faults once a minute."""

    def __init__(self) -> None:
        self.events, self.now = RecordingEvents(), NOON
        self.announcer = FaultAnnouncer(self.events, EventReason.LIMIT_BELOW_NEED)
        self.uids = {WEB: "uid-web"}
        self.dropped = 0

    async def hears(self, faults: dict[Workload, str], minutes: float = 1) -> list[tuple[str, str]]:
        """The object and the message of each new Event."""
        before = len(self.events.recorded)
        self.now += timedelta(minutes=minutes)
        self.dropped = await self.announcer.announce(faults, self.uids, self.now)
        return [(event.workload.name, event.message) for event in self.events.recorded[before:]]


async def test_a_fault_is_announced_once() -> None:
    """Again if it is another one, and after it had gone; the other object's fault is not repeated with it."""
    term = Term()

    assert await term.hears({WEB: WRONG, SHOP: WRONG}) == [("shop", WRONG), ("web", WRONG)]
    assert await term.hears({WEB: WRONG, SHOP: WRONG}) == []
    assert await term.hears({WEB: OTHER, SHOP: WRONG}) == [("web", OTHER)]
    assert await term.hears({SHOP: WRONG}) == []
    assert await term.hears({WEB: OTHER, SHOP: WRONG}) == [("web", OTHER)]


async def test_faults_beyond_the_rate_come_later() -> None:
    """Of 50 faults, 20 are announced in each of the first two minutes, and 10 in the third; each once.

    30 and 10 are beyond the rate. Half a minute after the first 20 there are none.
    """
    term = Term()
    workloads = [Workload("shop", f"w-{number:02}") for number in range(50)]
    term.uids = dict.fromkeys(workloads, "uid")
    faults = dict.fromkeys(workloads, WRONG)

    counts = []
    for minutes in (1, 0.5, 0.5, 1, 1):
        emitted = await term.hears(faults, minutes)
        counts.append((len(emitted), term.dropped))

    assert MAX_EVENTS_PER_MINUTE == 20
    assert counts == [(20, 30), (0, 30), (20, 10), (10, 0), (0, 0)]
    assert {event.workload for event in term.events.recorded} == set(workloads)


async def test_a_fault_that_changes_while_it_is_late() -> None:
    """After the Event on web there are 19 left in its minute, for 20 others: web's new text is the 21st."""
    term = Term()
    workloads = [Workload("shop", f"w-{number:02}") for number in range(20)]
    await term.hears({WEB: WRONG})
    term.uids |= dict.fromkeys(workloads, "uid")
    faults = {**dict.fromkeys(workloads, WRONG), WEB: OTHER}

    assert len(await term.hears(faults, 0.5)) == 19
    assert await term.hears(faults) == [("w-19", WRONG), ("web", OTHER)]


async def test_a_workload_without_an_object() -> None:
    """An Event needs its UID: the fault is announced when the object is known."""
    term = Term()
    term.uids = {}

    assert await term.hears({WEB: WRONG}) == []
    term.uids = {WEB: "uid-web"}
    assert await term.hears({WEB: WRONG}) == [("web", WRONG)]
    assert [event.uid for event in term.events.recorded] == ["uid-web"]
