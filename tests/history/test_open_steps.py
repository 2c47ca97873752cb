"""Late samples: in whatever order they arrive within ten minutes, the state is that of a store on time.

A step that is read at the newest step n has the age n minus its number. Each sample is complete at a random
age of 0 to 2 steps. One age earlier it may be there with another value, from a part of its window.
"""

import gc
import random
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.profiles import Resource
from app.domain.workloads import Connection
from app.history.checkpoint.codec import decode, encode
from app.history.key_ranges import KeyRange
from app.history.open_steps import OPEN_STEPS, Settlement
from app.history.samples import ConnectionSamples, ContainerSamples, PressureSamples, StepRange
from app.history.usage_histograms import UsageHistograms
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from tests.recommendation.builders import MIDNIGHT
from tests.recommendation.learning import PAST, Cluster, Learner, facts, learned_of

CLUSTER = Cluster(namespaces=3, workloads=2)
# The last hour of a day and the first one of the next.
BEGIN, END = MIDNIGHT + 2 * 288 - 12, MIDNIGHT + 2 * 288 + 12
SETTLED = facts(learned_of(CLUSTER, StepRange(PAST.first, END - OPEN_STEPS)).learned)


class Store:
    """Answers on the past of the cluster; a share *late* of the samples is up to two steps late."""

    def __init__(self, seed: int, *, late: float = 0.5) -> None:
        chance = np.random.default_rng(seed)
        shape = (len(CLUSTER.workloads) * 2, len(PAST))
        self._delay = np.where(chance.random(shape) < late, chance.integers(0, 3, shape), 0)
        self._begins_early = chance.random(shape) < 0.5

    def answers(self, of: StepRange, newest: int) -> list[Any]:
        """The answers on *of* as of *newest*."""
        part = slice(of.first - PAST.first, of.last - PAST.first + 1)
        age = newest - np.arange(of.first, of.last + 1)
        delay = self._delay[:, part]
        complete, begun = age >= delay, (age == delay - 1) & self._begins_early[:, part]
        return [self._as_of(answer, complete, begun) for answer in CLUSTER.results(of)]

    def _as_of(self, answer: Any, complete: Any, begun: Any) -> Any:
        if isinstance(answer, ContainerSamples):
            values = np.where(complete, answer.values, np.where(begun, answer.values * 0.5, np.nan))
            return replace(answer, values=values)
        if isinstance(answer, PressureSamples):
            # Of a part of a window, the share may be over the limit, and that of all of it below.
            shares = np.zeros(complete.shape)
            shares[answer.rows, answer.at_steps - answer.steps.first] = answer.shares
            shares = np.where(complete, shares, np.where(begun, 0.06, 0.0))
            rows, columns = np.nonzero(shares)
            at_steps = columns + answer.steps.first
            return replace(answer, rows=rows, at_steps=at_steps, shares=shares[rows, columns])
        assert isinstance(answer, ConnectionSamples)
        assert answer.request_bytes is not None
        complete, begun = complete[::2], begun[::2]
        rates = (
            np.where(complete, rates, np.where(begun, rates * 0.5, np.nan))
            for rates in (answer.requests, answer.responses, answer.request_bytes)
        )
        requests, responses, request_bytes = rates
        return replace(
            answer,
            requests=requests,
            responses=responses,
            request_bytes=request_bytes,
            scraped=complete | begun,
        )


class Leader(Learner):
    """Reads the missing steps as of a newest step, as a cycle does."""

    def read_as_of(
        self, newest: int, store: Store, answered: NamespaceSelection = EVERY_NAMESPACE
    ) -> list[StepRange]:
        """Read what is missing for the *answered* namespaces; returns the steps of usage that were read."""
        settlement, wanted = Settlement(newest, newest - OPEN_STEPS), StepRange(PAST.first, newest)
        missing = self.history.missing(Resource.CPU, wanted, answered)
        for part in missing:
            for answer in (_only(whole, answered) for whole in store.answers(part, newest)):
                if isinstance(answer, ContainerSamples):
                    self.history.fold(answer, CLUSTER.attribute, settlement)
                elif isinstance(answer, PressureSamples):
                    self.history.fold_pressure(answer, CLUSTER.attribute, newest)
                else:
                    self.learned.connections.fold(answer, settlement)
        return missing

    def restarted(self) -> "Leader":
        """The next leader, from the check-points of this one."""
        leader = Leader(CLUSTER)
        leader.learned.restore([self.stored()], EVERY_NAMESPACE)
        return leader

    def stored(self) -> Any:
        """The state after encoding and decoding."""
        packed = encode(self.learned.shard(KeyRange(), EVERY_NAMESPACE))
        return decode(packed, timeslots=4, retained_days=15)

    def values(self, newest: int) -> list[Any]:
        """The freshly derived profiles and the means of connections."""
        recommender = Recommender(self.learned.usage)
        profiles = [
            profile
            for resource in Resource
            for profile in recommender.recommend(resource, EstimationPolicy(), newest_step=newest).profiles
        ]
        means = self.learned.connections.means()
        return [*sorted(profiles, key=repr), *sorted(means, key=repr)]


def _only(answer: Any, answered: NamespaceSelection) -> Any:
    """The *answer* without the samples of other namespaces."""
    if isinstance(answer, ContainerSamples):
        failed = {c.namespace: "" for c in answer.containers if not answered.covers(c.namespace)}
        return replace(answer.without(failed), answered=answered)
    if isinstance(answer, PressureSamples):
        kept = [answered.covers(answer.containers[row].namespace) for row in answer.rows]
        arrays = {name: getattr(answer, name)[kept] for name in ("rows", "at_steps", "shares")}
        return replace(answer, answered=answered, **arrays)
    edges = [row for row, edge in enumerate(answer.edges) if answered.covers(edge.source.namespace)]
    arrays = {name: getattr(answer, name)[edges] for name in ("requests", "responses", "request_bytes")}
    return replace(
        answer,
        edges=tuple(answer.edges[row] for row in edges),
        sources=tuple(answer.sources[row] for row in edges),
        scraped=answer.scraped[edges],
        answered=answered,
        **arrays,
    )


def leader_until(step: int) -> Leader:
    """A leader that has read all steps up to *step*."""
    leader = Leader(CLUSTER)
    leader.read_as_of(step, Store(0, late=0))
    return leader


def usage_of(learned: dict[tuple[object, ...], object]) -> dict[tuple[object, ...], object]:
    """The facts without those of connections, whose window moves with the newest step."""
    return {key: fact for key, fact in learned.items() if not isinstance(key[0], Connection)}


@pytest.mark.parametrize("seed", range(8))
def test_samples_in_any_order_end_as_if_on_time(seed: int) -> None:
    """Cycles fail, come twice, answer for some namespaces, and (seeds 4 to 7) leaders change.

    Nothing is lost or counted twice: what has settled equals the state from one whole answer, and is all that
    a check-point has. The value two steps later equals that of a store that was on time all along.
    """
    has_restarts = seed >= 4
    chance, store, punctual = random.Random(seed), Store(seed), Store(0, late=0)
    leader, on_time = leader_until(BEGIN), leader_until(BEGIN)
    for newest in range(BEGIN + 1, END + 1):
        on_time.read_as_of(newest, punctual)
        for _ in range(chance.choice((0, 1, 1, 2))):
            failed = chance.sample(["team-0", "team-1", "team-2"], chance.choice((0, 0, 1)))
            leader.read_as_of(newest, store, NamespaceSelection(excluded=frozenset(failed)))
            leader.read_as_of(newest, store, NamespaceSelection(included=frozenset(failed)))
        if has_restarts and chance.random() < 0.1:
            leader = leader.restarted()
    leader.read_as_of(END, store)

    assert usage_of(facts(leader.stored())) == usage_of(SETTLED)
    assert facts(leader.stored()) == facts(on_time.stored())
    assert leader.stored().newest_step == on_time.stored().newest_step == END - OPEN_STEPS
    everything = Store(0, late=0)
    for newest in (END + 1, END + 2):
        leader.read_as_of(newest, everything)
        on_time.read_as_of(newest, everything)
    assert leader.values(END + 2) == on_time.values(END + 2)


def test_open_steps_are_read_once_as_of_a_newest_step_and_again_at_the_next() -> None:
    """Three steps in one range: the one that settles and two open ones; in a second cycle none."""
    leader, store = leader_until(BEGIN), Store(0, late=0)

    assert leader.read_as_of(BEGIN + 1, store) == [StepRange(BEGIN - 1, BEGIN + 1)]
    assert leader.read_as_of(BEGIN + 1, store) == []
    assert leader.read_as_of(BEGIN + 2, store) == [StepRange(BEGIN, BEGIN + 2)]
    assert leader.restarted().read_as_of(BEGIN + 2, store) == [StepRange(BEGIN + 1, BEGIN + 2)]


def test_a_sample_that_was_seen_stays_when_the_source_loses_it() -> None:
    """A Prometheus that lost its newest minutes: the samples of the open steps are folded all the same."""
    leader, store = leader_until(BEGIN), Store(0, late=0)
    lost = Store(0, late=0)
    lost._delay[:, BEGIN - 1 - PAST.first :] = 1_000

    leader.read_as_of(BEGIN + 1, lost)

    assert leader.history.state.histograms[Resource.CPU].coverage.newest_step == BEGIN - 1
    until = learned_of(CLUSTER, StepRange(PAST.first, BEGIN - 1))
    usage = {
        key: fact for key, fact in usage_of(facts(until.learned)).items() if isinstance(key[0], Resource)
    }
    assert {key: usage_of(facts(leader.stored()))[key] for key in usage} == usage
    leader.read_as_of(BEGIN + 2, store)
    assert leader.history.state.histograms[Resource.CPU].coverage.newest_step == BEGIN


def test_open_samples_count_in_values_and_in_no_stored_state() -> None:
    """The view has all samples up to the newest step; days without open samples are not copied."""
    leader = leader_until(END - 6)
    histograms = leader.history.state.histograms[Resource.CPU]

    view = histograms.with_open_samples()

    whole = learned_of(CLUSTER, StepRange(PAST.first, END - 6)).history.state.histograms[Resource.CPU]
    assert {day: rows.counts.sum() for day, rows in view.days.items()} == {
        day: rows.counts.sum() for day, rows in whole.days.items()
    }
    assert view.last_seen.max() == END - 6
    assert leader.stored().usage.histograms[Resource.CPU].last_seen.max() == END - 8
    today = max(view.days)
    assert [day for day, rows in view.days.items() if rows is not histograms.days[day]] == [today]


def test_a_day_that_closed_is_not_summarized_again_when_its_last_steps_settle() -> None:
    """Only late samples of it invalidate the choices that rest on its summaries."""
    midnight = MIDNIGHT + 2 * 288
    for late, recomputed in ((0, False), (1, True)):
        leader, store = leader_until(midnight - 1), Store(0, late=0)
        store._delay[:, midnight - PAST.first] = late * 2
        histograms = leader.history.state.histograms[Resource.CPU]
        summaries, versions = DaySummaryCache(histograms), []
        for newest in range(midnight + 1, midnight + 5):
            leader.read_as_of(newest, store)
            summaries.read(histograms.with_open_samples(), newest, 15)
            versions.append(summaries.closed_version)
        assert (versions[-1] > versions[0]) is recomputed
        assert all(summaries._closed[day].day is histograms.days[day] for day in summaries._closed)


def test_nothing_keeps_the_copy_with_open_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples of open steps are added to a copy of today, which is as large as all of today."""
    leader, copies, copied = Leader(CLUSTER), [], UsageHistograms.with_open_samples
    leader.read_as_of(END, Store(0))

    def recorded(histograms: UsageHistograms) -> UsageHistograms:
        copies.append(weakref.ref(copy := copied(histograms)))
        return copy

    monkeypatch.setattr(UsageHistograms, "with_open_samples", recorded)
    recommender = Recommender(leader.learned.usage)
    profiles = recommender.recommend(Resource.CPU, EstimationPolicy(), newest_step=END).profiles
    gc.collect()

    assert profiles
    assert [copy() for copy in copies] == [None]
