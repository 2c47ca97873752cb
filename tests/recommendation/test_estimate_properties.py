"""Properties of the raw estimate for any history: scale, order, monotony, and a usable value.

Scale. If usage is multiplied by a factor, so is the value: exactly if the quantiles of days are, and within
one bucket of the grid otherwise. A CPU value is a weighted quantile. A memory value is searched in steps of
2 % of the recent maximum: where two of them cost the same, either one may be chosen.

Load. A CPU value never falls when load is added. A memory value rises with all days together; how far it lies
from the maxima depends on how these stray, so a day that is raised until all are equal may lower it, as may
one that is out of reach. At a given spread the risk of any value never falls.

Order. The samples of a day may come in any order, and so may days, parts of days, rows and replicas. Samples
that move to another day are another history: recency and weekdays count.
"""

import itertools
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.history.open_steps import SampleRows
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange
from app.history.usage_histograms import UsageHistograms
from app.recommendation.array_types import Float64Array
from app.recommendation.bands import LEVELS
from app.recommendation.choice import choose
from app.recommendation.cost import costs_of, past_maxima
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.memory_cost import PastMaxima, risk
from app.recommendation.rules import ResourceRule, rules_at
from app.sources.answers import AnswerReader

DAYS = 4
FIRST = 1_000 * STEPS_PER_DAY + 1
LAST = FIRST - 1 + DAYS * STEPS_PER_DAY
TYPICAL = {Resource.CPU: 0.2, Resource.MEMORY: 3e8}
RULES = rules_at(RiskLevel.NORMAL)

each_resource = pytest.mark.parametrize("resource", Resource)
histories = st.integers(0, 2**32 - 1)


def usage(seed: int, resource: Resource, series: int = 3) -> Float64Array:
    """Samples [series, steps] with a level, noise, bursts and holes."""
    chance = np.random.default_rng(seed)
    shape = (series, DAYS * STEPS_PER_DAY)
    values = TYPICAL[resource] * chance.lognormal(0, 1, (series, 1)) * chance.lognormal(0, 0.3, shape)
    values[chance.random(shape) < 0.01] *= 5
    values[chance.random(shape) < 0.1] = np.nan
    values[:, :STEPS_PER_DAY][chance.random(series) < 0.3] = np.nan
    return values


def folded(
    resource: Resource, parts: list[tuple[int, Float64Array]], owners: NDArray[np.int64] | None = None
) -> DaySummaries:
    """The days of a history that was folded in *parts*, each with its first step; all days are closed.

    *owners* is the series of each row; by default each row is a series.
    """
    rows = UsageHistograms(GRIDS[resource], timeslots=4, retained_days=29)
    for first, values in parts:
        numbers = np.arange(len(values)) if owners is None else owners
        of_rows = SampleRows(np.arange(len(values)), numbers, numbers)
        rows.fold(StepRange(first, first + values.shape[1] - 1), of_rows, values)
    observed = DaySummaryCache(rows)
    observed.read(rows, LAST + 1, 15)
    series = np.arange(rows.size)
    return observed.days(series, np.zeros(len(series), dtype=np.bool_))


def chosen(resource: Resource, values: Float64Array) -> Float64Array:
    return choose(folded(resource, [(FIRST, values)]), RULES[resource])


def assert_scaled(
    days: DaySummaries, before: Float64Array, after: Float64Array, factor: float, rule: ResourceRule
) -> None:
    """Above the floors the values differ by *factor* alone, or cost the same to four digits."""
    above = np.minimum(before, after) > 3 * rule.floor
    far = np.abs(after / before / factor - 1) > 1e-4
    costs = costs_of(np.stack((before, after / factor), axis=1).astype(np.float32), days, rule)
    added = np.abs(costs[:, 1] / costs[:, 0] - 1)
    assert added[above & far].max(initial=0.0) <= 1e-4
    assert rule.by_maximum or not (above & far).any()


@each_resource
@settings(max_examples=40)
@given(seed=histories, buckets=st.integers(-30, 30))
def test_usage_that_moves_by_whole_buckets_moves_the_value_as_far(
    resource: Resource, seed: int, buckets: int
) -> None:
    """If every sample moves by the same number of buckets, days, costs and choice are the same, scaled."""
    values, factor = usage(seed, resource), GRIDS[resource].ratio ** buckets
    days = folded(resource, [(FIRST, values)])
    before, after = choose(days, RULES[resource]), chosen(resource, values * factor)

    assert_scaled(days, before, after, factor, RULES[resource])


@each_resource
@settings(max_examples=40)
@given(seed=histories, exponent=st.floats(-3, 3))
def test_scaled_usage_scales_the_value_within_a_bucket(
    resource: Resource, seed: int, exponent: float
) -> None:
    """By any factor e^-3 to e^3; a quantile in the grid is off by up to a bucket, a maximum is exact."""
    rule, factor = RULES[resource], math.exp(exponent)
    values = usage(seed, resource, series=10)
    before, after = chosen(resource, values), chosen(resource, values * factor)
    ratio = (after / before / factor)[np.minimum(before, after) > 3 * rule.floor]

    assert ((ratio > 1 / 1.0501) & (ratio < 1.0501)).all()


@each_resource
@settings(max_examples=40)
@given(seed=histories, exponent=st.floats(-3, 3))
def test_scaled_days_scale_the_choice_exactly(resource: Resource, seed: int, exponent: float) -> None:
    """Any factor on the quantiles of the days, without the grid, gives the same choice, scaled.

    If two memory values cost the same to single precision, either one may be chosen.
    """
    rule, factor = RULES[resource], math.exp(exponent)
    days = folded(resource, [(FIRST, usage(seed, resource))])
    scaled = DaySummaries((days.quantiles * np.float64(factor)).astype(np.float32), days.share)
    before, after = choose(days, rule), choose(scaled, rule)

    assert_scaled(days, before, after, factor, rule)


@each_resource
@settings(max_examples=25)
@given(seed=histories)
def test_permuting_samples_within_a_day_changes_nothing(resource: Resource, seed: int) -> None:
    """Another order of the samples of each series and day, holes included, gives bit-identical days."""
    values = usage(seed, resource)
    chance = np.random.default_rng(seed)
    days = values.reshape(len(values), DAYS, STEPS_PER_DAY)
    shuffled = chance.permuted(days, axis=2).reshape(values.shape)

    np.testing.assert_array_equal(chosen(resource, values), chosen(resource, shuffled))


@each_resource
@settings(max_examples=25)
@given(seed=histories)
def test_permuting_series_and_replicas_permutes_the_values(resource: Resource, seed: int) -> None:
    """Rows in another order give the same values in that order; replicas may swap samples.

    Three series have two replicas each, which swap their samples at random steps.
    """
    values, rule = usage(seed, resource, series=6), RULES[resource]
    chance = np.random.default_rng(seed)
    owners = np.array([0, 1, 2, 0, 1, 2])
    swap = chance.random(values.shape[1]) < 0.5
    swapped = np.where(swap, np.roll(values, 3, axis=0), values)
    order = chance.permutation(6)

    before = choose(folded(resource, [(FIRST, values)], owners), rule)
    after = choose(folded(resource, [(FIRST, swapped[order])], owners[order]), rule)
    single = chosen(resource, values)

    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(chosen(resource, values[order]), single[order])


@each_resource
@settings(max_examples=25)
@given(seed=histories)
def test_splitting_batches_and_their_order_change_nothing(resource: Resource, seed: int) -> None:
    """Parts of any length, in any order, some of them twice."""
    values = usage(seed, resource)
    chance = np.random.default_rng(seed)
    cuts = sorted({0, values.shape[1], *chance.integers(1, values.shape[1], 5).tolist()})
    parts = [(FIRST + a, values[:, a:b]) for a, b in itertools.pairwise(cuts)]
    parts = [parts[number] for number in chance.permutation(len(parts))] + parts[:2]

    np.testing.assert_array_equal(choose(folded(resource, parts), RULES[resource]), chosen(resource, values))


RAISED: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Float64Array]] = {
    "all": lambda chance, _shape: np.array(chance.uniform(1, 3)),
    "some": lambda chance, shape: np.where(chance.random(shape) < 0.3, chance.uniform(1, 4, shape), 1),
    "bursts": lambda chance, shape: np.where(chance.random(shape) < 0.01, 20.0, 1.0),
}


def with_more_load(resource: Resource, seed: int, raising: str) -> tuple[DaySummaries, DaySummaries]:
    """A history, and the same history with some samples raised."""
    values = usage(seed, resource)
    more = values * RAISED[raising](np.random.default_rng(seed + 1), values.shape)
    return folded(resource, [(FIRST, values)]), folded(resource, [(FIRST, more)])


@settings(max_examples=60)
@given(seed=histories, raising=st.sampled_from(list(RAISED)))
def test_more_load_never_lowers_a_cpu_value(seed: int, raising: str) -> None:
    """Whatever samples are raised."""
    before, after = with_more_load(Resource.CPU, seed, raising)
    low, high = (choose(days, RULES[Resource.CPU]) for days in (before, after))

    assert (high >= low * (1 - 1e-6)).all()


@settings(max_examples=60)
@given(seed=histories, raising=st.sampled_from(list(RAISED)))
def test_more_load_never_lowers_the_risk_of_a_memory_value(seed: int, raising: str) -> None:
    """Of any value, at the spread of the history before."""
    before, after = (
        past_maxima(days, RULES[Resource.MEMORY]) for days in with_more_load(Resource.MEMORY, seed, raising)
    )
    same_spread = PastMaxima(after.maxima, after.weights, before.width)
    values = (before.recent[:, np.newaxis] * np.linspace(0.2, 2, 30)).astype(np.float32)

    assert (risk(values, same_spread) >= risk(values, before) - 1e-6).all()


@settings(max_examples=40)
@given(seed=histories)
def test_more_load_on_all_days_raises_a_memory_value(seed: int) -> None:
    """All samples by the same factor, from 1 to 3: no value falls by more than the step of the search."""
    before, after = with_more_load(Resource.MEMORY, seed, "all")
    low, high = (choose(days, RULES[Resource.MEMORY]) for days in (before, after))

    assert (high >= low * 0.98).all()


@each_resource
@settings(max_examples=60)
@given(
    samples=st.lists(
        st.one_of(st.just(0.0), st.just(np.nan), st.floats(0, 1e15), st.floats(0, 1e-12)),
        min_size=1,
        max_size=3 * STEPS_PER_DAY,
    )
)
def test_the_value_is_finite_and_at_least_the_floor(resource: Resource, samples: list[float]) -> None:
    """No sample, zeros, and extremely small and large samples."""
    for level in RiskLevel:
        rule = rules_at(level)[resource]
        value = choose(folded(resource, [(FIRST, np.array([samples]))]), rule)
        assert (np.isfinite(value) & (value >= rule.floor * (1 - 1e-6))).all()


def decoded(samples: list[float]) -> Float64Array:
    """One series with *samples* as decoded from a Prometheus result, [1, steps]."""
    spelled = {math.inf: "+Inf", -math.inf: "-Inf"}
    points = [
        [(FIRST + number) * STEP_SECONDS, spelled.get(each, "NaN" if math.isnan(each) else repr(each))]
        for number, each in enumerate(samples)
    ]
    data = {"resultType": "matrix", "result": [{"metric": {"pod": "web-1"}, "values": points}]}
    reader = AnswerReader(("pod",), StepRange(FIRST, FIRST + len(samples) - 1))
    reader.feed(json.dumps({"status": "success", "data": data}, separators=(",", ":")).encode())
    return reader.finish().matrix().values


@each_resource
@settings(max_examples=60)
@given(
    samples=st.lists(
        st.one_of(st.sampled_from([math.inf, -math.inf, math.nan, -0.0]), st.floats(-1e24, 1e24)),
        min_size=1,
        max_size=2 * STEPS_PER_DAY,
    )
)
def test_the_value_is_usable_for_any_response(resource: Resource, samples: list[float]) -> None:
    """Infinite, negative and absurd samples are dropped when a Prometheus result is decoded.

    `UsageHistograms` gets samples from 0 to 1e18 only, or NaN for none. So the value is finite, at least the
    floor, and equal to the value of the usable samples alone.
    """
    rule = RULES[resource]
    usable = [sample if 0 <= sample <= 1e18 else math.nan for sample in samples]
    days = folded(resource, [(FIRST, decoded(samples))])
    of_usable = folded(resource, [(FIRST, np.array([usable]))])

    value = choose(days, rule)
    assert (np.isfinite(value) & (value >= rule.floor * (1 - 1e-6))).all()
    np.testing.assert_array_equal(value, choose(of_usable, rule))


@each_resource
def test_without_any_day_the_value_is_the_floor(resource: Resource) -> None:
    """Quantiles of days with a share of 0 are ignored."""
    days = DaySummaries(
        np.full((1, 3, len(LEVELS)), 7e9, dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    )

    value = float(choose(days, RULES[resource])[0])

    assert RULES[resource].floor <= value <= 10 * RULES[resource].floor
