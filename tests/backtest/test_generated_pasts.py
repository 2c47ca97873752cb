"""Generated pasts of any shape are replayed without a fault."""

import json

import numpy as np
import pytest

from app.backtest.cold_start import cold_start
from app.backtest.explanation import ContainerUsage, bound_scale_of, explain
from app.backtest.plots import container, frontier
from app.backtest.protocol import evaluated_usage
from app.backtest.replay import replay
from app.backtest.report import document
from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource, RiskLevel
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY
from tests.backtest.pasts import FIRST_DAY

SEEDS = (0, 1, 2, 3, 4, 11, 12, 14, 18)


def lifetimes(random: np.random.Generator, steps: int) -> np.ndarray:
    """The steps at which a replica has samples: one life, gaps, and days of which nothing was seen."""
    begin, end = sorted(random.integers(0, steps + 1, 2)) if random.random() < 0.5 else (0, steps)
    seen = np.zeros(steps, dtype=np.bool_)
    seen[begin:end] = True
    if random.random() < 0.4:
        seen &= random.random(steps) < random.random()
    for day in np.flatnonzero(random.random(steps // STEPS_PER_DAY) < 0.2):
        seen[day * STEPS_PER_DAY : (day + 1) * STEPS_PER_DAY] = False
    return seen


def levels(random: np.random.Generator, resource: Resource, steps: int) -> np.ndarray:
    """Usage from nothing to far beyond a node, steady or not, with spells of zeros."""
    unit = 1.0 if resource is Resource.CPU else 1e9
    height = unit * 10.0 ** random.uniform(-6, 3)
    values = height * random.lognormal(0, random.choice([0, 0.01, 2]), steps)
    if random.random() < 0.3:
        values[random.random(steps) < random.random()] = 0
    used: np.ndarray = values
    return used


def generated(seed: int) -> Usage:
    """Up to five containers of up to three replicas, on 1 to 33 days; the first day may be a part of one."""
    random = np.random.default_rng(seed)
    series, days = int(random.integers(1, 6)), int(random.choice([1, 2, 3, 5, 15, 16, 29, 33]))
    counts = random.integers(1, 4, series)
    # A container may have samples of one resource alone.
    kept = {
        resource: np.repeat(np.arange(series), counts * (random.random(series) < 0.9))
        for resource in Resource
    }
    steps, seen = (
        days * STEPS_PER_DAY,
        [lifetimes(np.random.default_rng((seed, n)), days * 288) for n in range(15)],
    )
    start = int(random.integers(0, STEPS_PER_DAY))
    lanes = {}
    for resource, owner in kept.items():
        values = np.full((len(owner), steps), np.nan, dtype=np.float32)
        for lane in range(len(owner)):
            here = seen[lane].copy()
            here[:start] = False
            if random.random() < 0.2:  # the other resource has samples where this one has none
                here &= random.random(steps) < 0.5
            values[lane, here] = levels(random, resource, steps)[here]
        lanes[resource] = Lanes(owner, values.reshape(len(owner), days, STEPS_PER_DAY), series)
    containers = tuple(Container(Workload("shop", f"app-{n // 2}"), f"main-{n}") for n in range(series))
    requests = {
        resource: np.where(random.random(series) < 0.5, random.lognormal(0, 3, series), np.nan)
        for resource in Resource
    }
    return Usage(FIRST_DAY, containers, lanes, requests)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", SEEDS)
def test_every_past_is_replayed_and_explained(seed: int) -> None:
    """The scores are valid JSON without NaN; plots, short histories and explanations are made."""
    past = generated(seed)
    evaluated = evaluated_usage(past)
    if evaluated:
        result = replay(*evaluated)
        scores = json.loads(json.dumps(document(result), allow_nan=False))
        ours = scores["policies"]["normal"]
        assert scores["judged"]["container_days"] >= ours["cpu_container_days"] > 0
        assert None not in (ours["cpu_time_above"], ours["memory_days_above"], ours["memory_waste_of_use"])
        assert 0 <= ours["cpu_bound_held"] <= 1
        series = int(np.flatnonzero(result.evaluation_mask.any(axis=1))[0])
        for chart in (frontier(result), container(result, series)):
            json.dumps(chart, allow_nan=False)
        cold_start(*evaluated, (1, 6, 24, 72))
    scale = bound_scale_of(past, RiskLevel.NORMAL)
    for resource in Resource:
        for series in range(len(past.containers)):
            explain(ContainerUsage(past, resource, series), RiskLevel.NORMAL, scale)


def test_the_generated_pasts_are_of_all_kinds() -> None:
    """Some are evaluated by days, some are short, and some can't be evaluated."""
    periods = [evaluated[1] if (evaluated := evaluated_usage(generated(seed))) else None for seed in SEEDS]

    assert any(period is None for period in periods)
    assert any(period and period.is_short_past for period in periods)
    assert any(period and period.is_full for period in periods)
    assert any(period and not period.is_full and not period.is_short_past for period in periods)
