"""What holds of the raw estimate whatever the history: scale, order, monotony, and that it is usable."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.profiles import Resource, RiskLevel
from app.estimation.candidates import held_values
from app.estimation.choice import Choice, choose
from app.estimation.day_rows import DayRows
from app.estimation.days import Amounts, Days
from app.estimation.grid import GRIDS
from app.estimation.observed_days import ObservedDays
from app.estimation.rules import LEVELS, rules_at
from app.estimation.samples import STEPS_PER_DAY, StepRange

DAYS = 4
FIRST = 1_000 * STEPS_PER_DAY + 1
LAST = FIRST - 1 + DAYS * STEPS_PER_DAY
TYPICAL = {Resource.CPU: 0.2, Resource.MEMORY: 3e8}
RULES = rules_at(RiskLevel.NORMAL)

each_resource = pytest.mark.parametrize("resource", Resource)
histories = st.integers(0, 2**32 - 1)


def usage(seed: int, resource: Resource, series: int = 3) -> Amounts:
    """Samples [series, steps] with a level, noise, bursts and holes."""
    chance = np.random.default_rng(seed)
    shape = (series, DAYS * STEPS_PER_DAY)
    values = TYPICAL[resource] * chance.lognormal(0, 1, (series, 1)) * chance.lognormal(0, 0.3, shape)
    values[chance.random(shape) < 0.01] *= 5
    values[chance.random(shape) < 0.1] = np.nan
    values[:, :STEPS_PER_DAY][chance.random(series) < 0.3] = np.nan
    return values


def folded(resource: Resource, parts: list[tuple[int, Amounts]]) -> Days:
    """The days of what was folded part by part, each with its first step; all days are closed."""
    rows = DayRows(GRIDS[resource], timeslots=4, retained_days=15)
    for first, values in parts:
        numbers = np.arange(len(values))
        rows.fold(StepRange(first, first + values.shape[1] - 1), numbers, values, numbers)
    observed = ObservedDays(rows)
    observed.read(LAST + 1, 15)
    series = np.arange(rows.size)
    return observed.days(series, np.zeros(len(series), dtype=np.bool_))


def chosen(resource: Resource, values: Amounts) -> Choice:
    return choose(folded(resource, [(FIRST, values)]), RULES[resource])


@each_resource
@settings(max_examples=40, deadline=None)
@given(seed=histories, buckets=st.integers(-30, 30))
def test_usage_that_moves_by_whole_buckets_moves_the_value_as_far(
    resource: Resource, seed: int, buckets: int
) -> None:
    """Every sample falls into the bucket so many further: days, costs and choice are the same, scaled."""
    values, factor = usage(seed, resource), GRIDS[resource].ratio ** buckets
    before, after = chosen(resource, values), chosen(resource, values * factor)
    above = np.minimum(before.value, after.value) > 3 * RULES[resource].floor

    np.testing.assert_allclose(after.value[above], before.value[above] * factor, rtol=1e-5)


@each_resource
@settings(max_examples=40, deadline=None)
@given(seed=histories, factor=st.floats(0.05, 20))
def test_scaled_usage_scales_the_value_of_a_fixed_rule(resource: Resource, seed: int, factor: float) -> None:
    """By any factor, within one bucket: that is how far a quantile may move within the grid."""
    values = usage(seed, resource)
    before, after = (folded(resource, [(FIRST, each)]) for each in (values, values * factor))

    for number in range(RULES[resource].size):
        candidate = np.full(len(before), number)
        low, high = (held_values(days, RULES[resource], candidate) for days in (before, after))
        above = np.minimum(low, high) > 3 * RULES[resource].floor
        ratio = (high / low / factor)[above]
        assert ((ratio > 1 / 1.0501) & (ratio < 1.0501)).all()


@each_resource
@pytest.mark.parametrize("factor", [0.613, 1.37, 3.0])
def test_scaled_usage_scales_the_choice(resource: Resource, factor: float) -> None:
    """Of 150 series at least 85 % within one bucket, and all within five.

    A factor that is no power of the grid's ratio moves quantiles against each other by up to a bucket: of two
    candidates that cost nearly the same, the other one may then be the cheaper.
    """
    values = np.concatenate([usage(seed, resource, series=50) for seed in range(3)])
    ratio = chosen(resource, values * factor).value / chosen(resource, values).value / factor
    moved = np.abs(np.log(ratio)) / np.log(GRIDS[resource].ratio)

    assert (moved < 1.01).mean() >= 0.85
    assert moved.max() < 5


@each_resource
@settings(max_examples=25, deadline=None)
@given(seed=histories)
def test_permuting_samples_within_a_day_changes_nothing(resource: Resource, seed: int) -> None:
    """The samples of each series and day in another order, holes included: the same days, to the last bit."""
    values = usage(seed, resource)
    chance = np.random.default_rng(seed)
    days = values.reshape(len(values), DAYS, STEPS_PER_DAY)
    shuffled = chance.permuted(days, axis=2).reshape(values.shape)

    np.testing.assert_array_equal(chosen(resource, values).value, chosen(resource, shuffled).value)


@each_resource
@settings(max_examples=25, deadline=None)
@given(seed=histories)
def test_splitting_batches_and_their_order_change_nothing(resource: Resource, seed: int) -> None:
    """In pieces of any length, in any order, some of them twice."""
    values = usage(seed, resource)
    chance = np.random.default_rng(seed)
    cuts = sorted({0, values.shape[1], *chance.integers(1, values.shape[1], 5).tolist()})
    parts = [(FIRST + a, values[:, a:b]) for a, b in itertools.pairwise(cuts)]
    parts = [parts[number] for number in chance.permutation(len(parts))] + parts[:2]

    np.testing.assert_array_equal(
        choose(folded(resource, parts), RULES[resource]).value, chosen(resource, values).value
    )


@each_resource
@settings(max_examples=60, deadline=None)
@given(seed=histories, raising=st.sampled_from(["all", "some", "bursts"]))
def test_more_load_never_lowers_the_value_of_a_fixed_rule(
    resource: Resource, seed: int, raising: str
) -> None:
    """Every candidate, on a history and on the same with some samples raised."""
    raised: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Amounts]] = {
        "all": lambda chance, _shape: np.array(chance.uniform(1, 3)),
        "some": lambda chance, shape: np.where(chance.random(shape) < 0.3, chance.uniform(1, 4, shape), 1),
        "bursts": lambda chance, shape: np.where(chance.random(shape) < 0.01, 20.0, 1.0),
    }
    values = usage(seed, resource)
    more = values * raised[raising](np.random.default_rng(seed + 1), values.shape)
    before, after = folded(resource, [(FIRST, values)]), folded(resource, [(FIRST, more)])

    for number in range(RULES[resource].size):
        candidate = np.full(len(before), number)
        low, high = (held_values(days, RULES[resource], candidate) for days in (before, after))
        assert (high >= low * (1 - 1e-6)).all()


@each_resource
@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(
        st.one_of(st.just(0.0), st.just(np.nan), st.floats(0, 1e15), st.floats(0, 1e-12)),
        min_size=1,
        max_size=3 * STEPS_PER_DAY,
    )
)
def test_the_value_is_finite_and_at_least_the_floor(resource: Resource, samples: list[float]) -> None:
    """Nothing, zeros, specks and numbers beyond belief."""
    for risk in RiskLevel:
        rule = rules_at(risk)[resource]
        value = choose(folded(resource, [(FIRST, np.array([samples]))]), rule).value
        assert (np.isfinite(value) & (value >= rule.floor * (1 - 1e-6))).all()


@each_resource
def test_nothing_seen_at_all_gives_the_floor(resource: Resource) -> None:
    """No day: with a share of 0 whatever stands there counts for nothing."""
    days = Days(np.full((1, 3, len(LEVELS)), 7e9, dtype=np.float32), np.zeros((1, 3), dtype=np.float32))

    value = float(choose(days, RULES[resource]).value[0])

    assert RULES[resource].floor <= value <= 10 * RULES[resource].floor
