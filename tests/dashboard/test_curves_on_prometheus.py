"""The curve and the usage of a workload, read from a real Prometheus as the page reads them."""

import time
from dataclasses import replace

import numpy as np
import pytest

from app.command_line.prometheus_access import Reached
from app.command_line.usage_input import open_usage
from app.command_line.workload_usage import narrowed, read_curves, read_usage
from app.dashboard.curves import CURVE_DAYS
from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Workload
from app.settings.environment import read_settings
from tests.conftest import PrometheusFactory
from tests.sources.pressure_history import NAMESPACE, PressureHistory, steady, stepped

pytestmark = pytest.mark.prometheus

APP, OTHER = Workload(NAMESPACE, "app"), Workload(NAMESPACE, "other")
HOUR = 3600


@pytest.fixture(scope="module")
def reached(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Reached:
    """Six hours of `app` with 0.1 cores and 100 MB, killed three hours ago; `other` uses 0.4 cores."""
    now = int(time.time()) // 300 * 300
    history = PressureHistory(now - 6 * HOUR, now)
    for name, cores in (("app", 0.1), ("other", 0.4)):
        history.usage(name, steady(cores), lambda times: np.full(len(times), 1e8))
    kill = now - 3 * HOUR - 150
    history.restarts("app", stepped(kill), last_reason="OOMKilled", since=kill)
    path = tmp_path_factory.mktemp("curves") / "curves.openmetrics"
    history.write(path)
    return Reached(read_settings({"prometheus_url": prometheus_factory(path).url}, ("prometheus_url",)))


async def test_a_curve_with_the_time_of_a_kill(reached: Reached) -> None:
    """About 72 samples of 0.1 cores, and 100 MB; the kill is in two steps; throttling is unknown."""
    only = replace(reached, settings=narrowed(reached, [APP]))
    async with open_usage(only, None, days=CURVE_DAYS, with_today=True) as usage:
        curves = (await read_curves(usage, {APP: []}, with_pressure=True))[APP]

    cpu, memory = curves[Resource.CPU], curves[Resource.MEMORY]
    assert 65 <= len(cpu.samples.times) <= 73
    assert cpu.samples.sums == pytest.approx(0.1, rel=0.02)
    assert memory.samples.highest.max() == 1e8
    killed = memory.pressure[Pressure.OOM_KILLED]
    assert len(killed) == 2
    assert (usage.steps.last - killed[0]) in range(33, 40)
    assert cpu.pressure == {}  # nothing measures throttling here


async def test_usage_of_now(reached: Reached) -> None:
    """Both workloads, in one query for each resource."""
    async with open_usage(reached, None, days=1, with_today=True) as usage:
        now = await read_usage(usage, [APP, OTHER])

    assert now[APP][Resource.CPU] == pytest.approx(0.1, rel=0.02)
    assert now[OTHER] == pytest.approx({Resource.CPU: 0.4, Resource.MEMORY: 1e8}, rel=0.02)
