"""Changes of a published value over days, with one leader and with restarts."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from app.domain.pod_names import PodNames
from app.domain.profiles import Resource, ResourceProfile, RiskLevel
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, PodContainer, StepRange
from app.history.samples import ContainerSamples as Samples
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import PublishedValue
from app.recommendation.series_table import SPREAD_STEPS, SeriesTable
from tests.recommendation.builders import MIDNIGHT

ATTRIBUTE = PodNames().workload
WEB = Workload("emojivoto", "web")
NOON = STEPS_PER_DAY // 2
DAYS_BEFORE = 14


def pod(workload: Workload) -> str:
    return f"{workload.name}-6b6f9d7d5c-2x8qz"


@dataclass
class Cluster:
    """The recorded usage and the published values; they survive a change of the leader."""

    resource: Resource = Resource.CPU
    usage: list[Samples] = field(default_factory=list)
    published: dict[Workload, PublishedValue] = field(default_factory=dict)

    def uses(self, first: int, values: list[float], *names: tuple[Workload, str]) -> StepRange:
        """Record *values* from step *first* on for all *names* (by default web's container `c`)."""
        steps = StepRange(MIDNIGHT + first, MIDNIGHT + first + len(values) - 1)
        containers = tuple(PodContainer(of.namespace, pod(of), name) for of, name in names or [(WEB, "c")])
        table = np.tile(np.array(values), (len(containers), 1))
        self.usage.append(Samples(self.resource, steps, containers, table))
        return steps


class Leader:
    """One leader's term: it reads the usage so far and publishes."""

    def __init__(self, cluster: Cluster, *, risk: RiskLevel = RiskLevel.NORMAL) -> None:
        self._cluster, self._read = cluster, 0
        self._history = UsageHistory(timeslots=4, retained_days=29)
        self._recommender = Recommender(self._history.state)
        self._policy = EstimationPolicy(risk=risk)

    def cycle(self, step: int) -> list[ResourceProfile]:
        """Publish as of a step (counted from midnight), and return the built profiles."""
        for samples in self._cluster.usage[self._read :]:
            self._history.fold(samples, ATTRIBUTE)
        self._read = len(self._cluster.usage)
        published, newest = self._cluster.published, MIDNIGHT + step
        recommendations = self._recommender.recommend(
            self._cluster.resource, self._policy, newest_step=newest, find_published=published.get
        )
        for profile in recommendations.profiles:
            moved = PublishedValue(float(profile.value), newest * STEP_SECONDS + 60)
            published[profile.workload] = moved
        return recommendations.profiles

    def value(self, step: int) -> float:
        """The value of web after a cycle."""
        self.cycle(step)
        return self._cluster.published[WEB].value


def two_weeks(cluster: Cluster, value: float, *names: tuple[Workload, str]) -> None:
    """Two weeks of constant usage until midnight."""
    for day in range(-DAYS_BEFORE, 0):
        cluster.uses(day * STEPS_PER_DAY + 1, [value] * STEPS_PER_DAY, *names)


def test_an_unchanged_cycle_makes_no_profile() -> None:
    """Published at noon, and one step later with equal usage: no profile is built."""
    cluster, leader = Cluster(), None
    two_weeks(cluster, 0.1)
    cluster.uses(1, [0.1] * NOON)
    leader = Leader(cluster)
    assert [profile.value for profile in leader.cycle(NOON)] == ["0.101"]

    cluster.uses(NOON + 1, [0.1])

    assert leader.cycle(NOON + 1) == []


def test_a_due_profile_is_built_with_an_unchanged_value() -> None:
    """A due profile has the same value, newer samples, and the value of the newest choice.

    The only container has .102 / .101 of its choice, .1 * (1 + .5 / 15^3) = .100015: .101005, within the .01m
    that are not rounded up.
    """
    cluster = Cluster()
    two_weeks(cluster, 0.1)
    cluster.published[WEB] = PublishedValue(0.102, MIDNIGHT * STEP_SECONDS - 1, is_due=True)

    [profile] = Leader(cluster).cycle(NOON)

    assert (profile.value, profile.newest, profile.containers[0].value) == ("0.102", "0.101", "0.101")


def test_cpu_rises_within_the_day_once_today_has_outgrown_it() -> None:
    """0.1 for two weeks, and 0.4 from noon on: the value rises once 0.3 too few have cost two days of it.

    37 * 0.3 * the share of the day is 0.2 at 1.8 % of it, half an hour. Of all days since, today weighs 2
    times its share of 24 hours, beside 1 + 1/2 + ... + 1/14 = 3.25: at noon 24 %, of which a 24th part is
    above after half an hour, 1 %; the value is exceeded for 2.7 % of the time or less by then, so it rises an
    hour later.
    """
    cluster, leader = Cluster(), None
    two_weeks(cluster, 0.1)
    cluster.uses(1, [0.1] * NOON)
    leader = Leader(cluster)
    leader.cycle(NOON)
    values = []
    for step in range(NOON + 1, STEPS_PER_DAY + 1):
        cluster.uses(step, [0.4])
        values.append(leader.value(step))

    assert max(values[:6]) < 0.1 * 1.05
    assert values[23] > 0.35
    assert values[-1] >= 0.4 / 1.05
    assert values == sorted(values)


def test_memory_rises_with_the_first_sample_that_does_not_fit() -> None:
    """Constant 100 MB of two weeks needs 107 MB: a sample of 106 MB changes nothing, one of 150 MB does.

    The width of such days is .1 / 14 = .00714, which is nothing at 7 %; there the wide part of the spread
    costs as much as a step up: e^x = 5.5 * .225 * e^(-2 x) at x = .071.
    """
    cluster = Cluster(Resource.MEMORY)
    two_weeks(cluster, 1e8)
    cluster.uses(1, [1e8] * NOON)
    leader = Leader(cluster)
    leader.cycle(NOON)
    cluster.uses(NOON + 1, [1.06e8])
    assert leader.cycle(NOON + 1) == []

    cluster.uses(NOON + 2, [1.5e8])

    assert leader.value(NOON + 2) > 1.5e8


def test_a_value_that_rose_falls_with_another_day_at_the_earliest() -> None:
    """A morning of 0.4 raises the value, and it stays in the afternoon.

    A week later the morning weighs a seventh of what it did, half a day of 4 % of the time: less than 2.7 %.
    """
    cluster, leader = Cluster(), None
    two_weeks(cluster, 0.1)
    leader = Leader(cluster)
    leader.cycle(0)
    cluster.uses(1, [0.4] * NOON)
    lifted = leader.value(NOON)
    assert lifted >= 0.4

    cluster.uses(NOON + 1, [0.1] * NOON)
    assert {leader.value(step) for step in range(NOON + 1, STEPS_PER_DAY + 1, 30)} == {lifted}
    for day in range(1, 8):
        cluster.uses(day * STEPS_PER_DAY + 1, [0.1] * STEPS_PER_DAY)
    assert leader.value(8 * STEPS_PER_DAY) < lifted


def test_a_restart_at_any_time_publishes_the_same() -> None:
    """Two weeks of noise in cycles of six hours: one leader, and a new one every cycle."""
    chance = np.random.default_rng(11)
    levels = 0.1 * chance.lognormal(0, 1, 2 * DAYS_BEFORE)
    samples = [float(value) for level in levels for value in level * chance.lognormal(0, 0.4, STEPS_PER_DAY)]
    published: list[list[PublishedValue]] = []
    for renewed in (False, True):
        cluster, leader = Cluster(), None
        published.append([])
        for at in range(0, len(samples), 72):
            end = at + 72 - DAYS_BEFORE * STEPS_PER_DAY
            cluster.uses(at + 1 - DAYS_BEFORE * STEPS_PER_DAY, samples[at : at + 72])
            if end < 0:
                continue
            leader = Leader(cluster) if renewed or leader is None else leader
            leader.cycle(end)
            published[-1].append(cluster.published[WEB])

    assert published[0] == published[1]
    assert len({value.value for value in published[0]}) >= 3


def test_a_value_of_another_writer_is_replaced_at_once() -> None:
    """Another writer sets ten times the value an hour after publication: the next cycle reverts it."""
    cluster = Cluster()
    two_weeks(cluster, 0.1)
    leader = Leader(cluster)
    leader.cycle(NOON)
    cluster.published[WEB] = PublishedValue(1.0, cluster.published[WEB].changed_at_seconds)

    assert leader.value(NOON + 12) == 0.101


def test_choosing_is_spread_over_the_first_hour_of_a_day() -> None:
    """60 workloads whose need tripled yesterday: each changes at its own step, all within twelve steps.

    The step is derived from the name alone.
    """
    names = [(Workload("emojivoto", f"web{number}"), "c") for number in range(60)]
    cluster = Cluster()
    two_weeks(cluster, 0.1, *names)
    leader = Leader(cluster)
    leader.cycle(NOON)
    # No cycle ran during the day: it is read after it has closed.
    cluster.uses(1, [0.3] * STEPS_PER_DAY, *names)
    moved: dict[Workload, int] = {}
    for step in range(STEPS_PER_DAY + 1, STEPS_PER_DAY + SPREAD_STEPS + 1):
        moved |= {profile.workload: step - STEPS_PER_DAY for profile in leader.cycle(step)}

    table = SeriesTable({name: number for number, name in enumerate(names)})
    due = dict(zip(table.workloads, table.first_due_step.tolist(), strict=True))
    assert moved == due
    assert set(due.values()) == set(range(1, SPREAD_STEPS + 1))


def test_a_workload_changes_if_all_its_containers_together_save_enough() -> None:
    """A proxy of 0.001 beside an application of 1.0: tripling the proxy saves too little of the sum."""
    proxy, app = (WEB, "proxy"), (WEB, "app")
    cluster = Cluster()
    two_weeks(cluster, 1.0, app)
    two_weeks(cluster, 0.001, proxy)
    for samples in cluster.usage[DAYS_BEFORE:]:
        samples.values[:] = 0.001
    # A query result contains all containers.
    merged = [
        Samples(a.resource, a.steps, a.containers + b.containers, np.vstack((a.values, b.values)))
        for a, b in zip(cluster.usage[:DAYS_BEFORE], cluster.usage[DAYS_BEFORE:], strict=True)
    ]
    cluster.usage = merged
    leader = Leader(cluster)
    value = leader.value(NOON)
    cluster.uses(1, [1.0] * STEPS_PER_DAY, app, proxy)
    cluster.usage[-1].values[1] = 0.003

    assert leader.value(STEPS_PER_DAY + SPREAD_STEPS) == value


@pytest.mark.parametrize("resource", Resource)
def test_a_lower_risk_gives_a_larger_value(resource: Resource) -> None:
    """Noise: at low risk the value is larger, and the predicted time above it is smaller."""
    chance = np.random.default_rng(5)
    cluster = Cluster(resource)
    scale = 0.1 if resource is Resource.CPU else 1e8
    for day in range(-DAYS_BEFORE, 0):
        cluster.uses(day * STEPS_PER_DAY + 1, (scale * chance.lognormal(0, 0.5, STEPS_PER_DAY)).tolist())
    profiles = []
    for risk in RiskLevel:
        cluster.published.clear()
        profiles += Leader(cluster, risk=risk).cycle(NOON)

    values = [float(profile.value) for profile in profiles]
    stated = [profile.risk.expected for profile in profiles if profile.risk]
    assert values == sorted(values, reverse=True)
    assert stated == sorted(stated)
    assert values[0] > values[-1]
    assert [profile.risk.level for profile in profiles if profile.risk] == list(RiskLevel)


def test_a_young_container_gets_the_median_of_its_siblings() -> None:
    """Web in three other namespaces used 0.4, 0.5 and 2.0 for two weeks; here 0.1 for an hour.

    Its own value is 0.1 * 1.4424. The siblings are raised by .5/3375 for their 14 days; the median is 0.5001.
    """
    cluster = Cluster()
    for name, value in (("a", 0.4), ("b", 0.5), ("c", 2.0)):
        two_weeks(cluster, value, (Workload(name, "web"), "c"))
    days = cluster.usage
    cluster.usage = [
        Samples(
            days[day].resource,
            days[day].steps,
            tuple(c for n in range(3) for c in days[day + n * DAYS_BEFORE].containers),
            np.vstack([days[day + n * DAYS_BEFORE].values for n in range(3)]),
        )
        for day in range(DAYS_BEFORE)
    ]
    cluster.uses(1, [0.1] * 12)

    profiles = {profile.workload: profile for profile in Leader(cluster).cycle(12)}

    [container] = profiles[WEB].containers
    assert (profiles[WEB].value, container.rule and container.rule.siblings) == ("0.501", 3)
    assert profiles[WEB].basis.confidence == pytest.approx(1 / 25)
    assert all(not c.rule.siblings for w, p in profiles.items() if w != WEB for c in p.containers if c.rule)


def test_a_young_container_keeps_its_own_value_where_that_is_larger() -> None:
    """The sibling needs less, so 0.4 * 1.442368 = 0.5769 stays."""
    cluster = Cluster()
    two_weeks(cluster, 0.1, (Workload("a", "web"), "c"))
    cluster.uses(1, [0.4] * 12)

    profiles = {profile.workload: profile for profile in Leader(cluster).cycle(12)}

    assert profiles[WEB].value == "0.577"
    assert not any(container.rule and container.rule.siblings for container in profiles[WEB].containers)
