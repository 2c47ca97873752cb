"""A real Prometheus that refuses every query on one namespace, since it loads too many samples."""

from collections.abc import Iterator

import pytest

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.conftest import require_parts
from tests.histories.constant_usage import BYTES, usage, yesterday_and_today
from tests.histories.openmetrics import write_openmetrics
from tests.parts.locate import Part

pytestmark = pytest.mark.prometheus

SMALL, LARGE = ("bank", "shop"), "many-pods"
LIMIT = 250  # of samples that the server holds for a query


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, int]]:
    """Two namespaces with two Pods each, and one with 300, of which one sample each is over the limit."""
    require_parts(Part.PROMETHEUS, Part.PROMTOOL)
    directory = tmp_path_factory.mktemp("limited")
    times = yesterday_and_today()[-240:]
    families = [usage(name, {f"{name}-{n}": 1.0 for n in range(2)}, times) for name in SMALL]
    families.append(usage(LARGE, {f"{LARGE}-{n}": 1.0 for n in range(300)}, times))
    path = directory / "past.openmetrics"
    merged = [
        type(of_metric[0])(
            of_metric[0].metric, of_metric[0].kind, tuple(s for family in of_metric for s in family.series)
        )
        for of_metric in zip(*families, strict=True)
    ]
    write_openmetrics(path, merged)
    with Prometheus(directory, path, flags=[f"--query.max-samples={LIMIT}"]) as running:
        yield running, int(times[-60]) // 300


async def test_one_namespace_over_the_limit_costs_no_other(limited: tuple[Prometheus, int]) -> None:
    """Memory of the others is complete at every step, 10 MB each; the large one is named with the reason.

    Not even the query on the load of all namespaces is answered: their names come from the index.
    """
    prometheus, last = limited
    steps = StepRange(last - 23, last)
    names: set[str] = set()
    covered = 0
    async with PrometheusSource(prometheus.url, scope=Scope(), network_providers=("none",)) as source:
        async for days in source.container_samples(Resource.MEMORY, steps):
            for samples in days:
                assert samples.failed.keys() == {LARGE}
                assert "too many samples" in samples.failed[LARGE]
                assert not samples.answered.covers(LARGE)
                assert (samples.values == BYTES).all()
                names |= {container.namespace for container in samples.containers}
                covered += len(samples.steps)

    assert names == {*SMALL}
    assert covered == len(steps)
