"""The rules of other tools on usage with values that can be computed by hand."""

import numpy as np
import pytest

from app.backtest import peers
from app.backtest.peers import PEERS
from app.domain.profiles import Resource
from tests.backtest.pasts import GIBIBYTE, MEBIBYTE, day, lanes, vpa_edge


def test_krr_takes_the_95th_percentile_of_the_busiest_replica() -> None:
    """Each replica has three samples on each of 96 levels; the second uses twice as much, so its P95 counts.

    The 95th percentile of 288 samples is at position 0.95 * 287 = 272.65, 65 % of the way between samples
    272 and 273, which are on the levels 272 // 3 = 90 and 273 // 3 = 91.
    """
    steps = np.arange(288) // 3 * 1.0
    past = lanes([steps / 100], [steps / 50])

    assert peers.krr_cpu(past, 1) == pytest.approx([90.65 / 50])


def test_krr_memory_is_the_maximum_and_15_percent() -> None:
    """The value is the largest sample of the 14 days before plus 15 %; older samples do not count."""
    old, recent = day((287, GIBIBYTE), (1, 4 * GIBIBYTE)), day((287, GIBIBYTE), (1, 2 * GIBIBYTE))
    past = lanes([old, recent, *[GIBIBYTE] * 13])

    assert peers.krr_memory(past, 14) == pytest.approx([4 * GIBIBYTE * 1.15])
    assert peers.krr_memory(past, 15) == pytest.approx([2 * GIBIBYTE * 1.15])


def test_vpa_cpu_halves_a_days_weight_each_day() -> None:
    """Yesterday 0.1 cores, the 13 days before it 1 core.

    Yesterday's steps have (1 - 1/2) / (1 - 2^-14) = 50.003 % of the weight. The 90th percentile is among the
    rest: the end of the bucket of 1 core, plus 15 %. Four days of 0.1 cores have 15/16 = 93.8 %: the 90th
    percentile is the end of the bucket of 0.1.
    """
    assert peers.vpa_cpu(lanes([1.0] * 13 + [0.1]), 14) == pytest.approx([vpa_edge(0.01, 1.0) * 1.15])
    assert peers.vpa_cpu(lanes([1.0] * 10 + [0.1] * 4), 14) == pytest.approx([vpa_edge(0.01, 0.1) * 1.15])


def test_vpa_memory_is_the_90th_percentile_of_eight_daily_peaks() -> None:
    """A peak of 4 GiB four days ago has the weight 1/8 of 1 + 1/2 + ... + 1/128 = 255/128: 6.3 %.

    Three days ago its weight is 12.5 %, so it is the 90th percentile. Nine days ago it does not count.
    """
    peak, quiet = day((287, GIBIBYTE), (1, 4 * GIBIBYTE)), GIBIBYTE

    def value(age: int) -> float:
        past = lanes([quiet] * (14 - age) + [peak] + [quiet] * (age - 1))
        return float(peers.vpa_memory(past, 14)[0])

    assert value(4) == pytest.approx(vpa_edge(1e7, GIBIBYTE) * 1.15)
    assert value(3) == pytest.approx(vpa_edge(1e7, 4 * GIBIBYTE) * 1.15)
    assert value(9) == value(4)


def test_autopilot_weighs_by_load() -> None:
    """The first 12 of yesterday's 288 steps use 1 core, the others 0.1 cores.

    By time they have 12 * 0.25 of 12 * 0.25 + 276 * 0.54 of the weight (weights decay from 1 to 2^-2 in a
    day, with a mean of 0.54): 2 %, so the percentile would be 0.1. By load it is 3 of 3 + 0.1 * 149: 17 %.
    """
    past = lanes([day((12, 1.0), (276, 0.1))])

    assert peers.autopilot_cpu(past, 1) == pytest.approx([vpa_edge(0.01, 1.0) * 1.10])


def test_the_floors() -> None:
    """With little usage, KRR's values are 10 millicores and 100 MB, VPA's 25 millicores and 250 MiB.

    The rules alone give 0 cores; VPA's first bucket ends at 10 millicores and at 10 MB, plus 15 %.
    """
    idle, empty = lanes([0.0]), lanes([1.0])
    cores = {name: float(PEERS[name][Resource.CPU](idle, 1)[0]) for name in ("krr", "vpa")}
    of_memory = {name: float(PEERS[name][Resource.MEMORY](empty, 1)[0]) for name in ("krr", "vpa")}

    assert cores == {"krr": 0.010, "vpa": 0.025}
    assert of_memory == {"krr": 100e6, "vpa": 250 * MEBIBYTE}
    assert (peers.krr_cpu(idle, 1).tolist(), peers.krr_memory(empty, 1).tolist()) == ([0], [1.15])
    assert peers.vpa_cpu(idle, 1) == pytest.approx([0.0115])
    assert peers.vpa_memory(empty, 1) == pytest.approx([1.15e7])


def test_the_clairvoyant_policy_uses_the_coming_day() -> None:
    """P99 of a day with 10 of 288 samples of 1 core is one of them, at position 0.99 * 287 = 284.1."""
    past = lanes([0.0, day((278, 0.5), (10, 1.0))])

    assert peers.clairvoyant_cpu(past, 1) == pytest.approx([1.0])
    assert peers.clairvoyant_memory(past, 1) == pytest.approx([1.0])


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("resource", Resource)
def test_a_container_that_was_never_seen_has_no_value(name: str, resource: Resource) -> None:
    """Without samples the value is NaN, not zero or a floor."""
    assert np.isnan(PEERS[name][resource](lanes([np.nan, np.nan]), 1)).all()
