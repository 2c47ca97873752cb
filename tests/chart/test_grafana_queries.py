"""Every query of both dashboards has data in a real Prometheus, and those of workloads the right numbers.

It scrapes the program's own pages as the ServiceMonitor says, and kube-state-metrics and the kubelet twice,
as some clusters do. The numbers follow from the table in `watched_shop`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from tests.chart import watched_shop as shop
from tests.chart.conftest import Render
from tests.chart.exposed_program import profiler_page, webhook_page
from tests.chart.grafana import FILES, answer, dashboard, queries, without_data
from tests.cluster.exposed_metrics import ExposedMetrics, Page, wait_for_scrapes, write_configuration
from tests.cluster.prometheus import Prometheus
from tests.conftest import require_parts
from tests.parts.locate import Part

pytestmark = [pytest.mark.chart, pytest.mark.prometheus]

ALL, WEB_ONLY = {"namespace": ".+", "workload": ".+"}, {"namespace": "shop", "workload": "web"}
VALUES = {"dashboard": {"namespace": "profiling"}, "workloads-dashboard": ALL}
Ask = Callable[..., dict[str, Any]]


class Watched(NamedTuple):
    """The address of a Prometheus, and the time at which it is asked."""

    url: str
    at_seconds: float


@pytest.fixture(scope="module")
def watched(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A Prometheus that has scraped every page four times, and the time then."""
    require_parts(Part.PROMETHEUS)
    monitor = render(monitoring={"serviceMonitor": {"enabled": True}}).one("ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    stored = list(shop.profiles())
    program: dict[str, Page] = {
        "leader": profiler_page(stored, is_leader=True),
        "follower": profiler_page(stored, is_leader=False),
        "webhook": webhook_page(),
    }
    cluster: dict[str, Page] = {
        "state": shop.state_page,
        "state-2": shop.state_page,
        "usage": shop.usage_page,
        "usage-2": shop.usage_page,
        "api-server": shop.api_server_page,
    }
    pages = {f"/{name}": page for name, page in {**program, **cluster}.items()}
    directory = tmp_path_factory.mktemp("grafana")
    with ExitStack() as running:
        served = running.enter_context(ExposedMetrics(pages))
        jobs = [
            # The labels that Prometheus Operator gives each target.
            served.job(
                name,
                f"/{name}",
                honor_labels=endpoint.get("honorLabels", False),
                namespace="profiling",
                pod=f"job-profiler-{name}",
                container="job-profiler",
                service="job-profiler",
                instance=name,
            )
            for name in program
        ]
        jobs += [served.job(name, f"/{name}", honor_labels=True) for name in cluster]
        configuration = write_configuration(directory / "prometheus.yaml", *jobs)
        server = running.enter_context(Prometheus(directory, configuration=configuration))
        wait_for_scrapes(server.url, targets=len(jobs), scrapes=4, within_seconds=60)
        yield Watched(server.url, time.time())


@pytest.fixture
def ask(watched: Watched) -> Ask:
    """The answer to a panel's query, by the values of labels; rates are of scrapes that may be late."""

    def asked(of: str, *labels: str, selected: dict[str, str] = ALL) -> dict[str, Any]:
        [query] = [each for each in queries(dashboard("workloads-dashboard"), selected) if each.of == of]
        return {
            " ".join(series["metric"].get(label, "") for label in labels): pytest.approx(
                float(series["value"][1]), rel=0.1
            )
            for series in answer(watched.url, query, watched.at_seconds)
        }

    return asked


@pytest.mark.parametrize("file", FILES)
def test_every_query_has_data(watched: Watched, file: str) -> None:
    """Each query of each panel and variable returns a series or a value."""
    asked = list(queries(dashboard(file), VALUES[file]))

    assert len(asked) > 20
    assert without_data(watched.url, asked, watched.at_seconds) == []


@pytest.mark.parametrize("file", FILES)
def test_a_broken_query_is_found(watched: Watched, file: str) -> None:
    """Each query is broken in three ways: by a metric that does not exist, a second one, and no PromQL."""
    for query in queries(dashboard(file), VALUES[file]):
        text = query.expression
        metric = next(word for word in ("job_profiler_", "apiserver_") if word in text)
        broken = [text.replace(metric, "absent_"), f"{text} and on () no_such_metric", f"({text}"]
        asked = [replace(query, expression=each) for each in broken]
        assert without_data(watched.url, asked, watched.at_seconds) == [query.of] * 3


def test_the_choices_of_the_variables(watched: Watched) -> None:
    """The namespaces and the workloads with profiles; not that of the profiler itself."""
    choices = [
        answer(watched.url, query, watched.at_seconds)
        for query in queries(dashboard("workloads-dashboard"), ALL)
        if query.label
    ]

    assert choices == [["shop"], ["db", "nightly", "old", "web"]]


@pytest.mark.parametrize(("name", "factor"), [("CPU", 1.0), ("memory", shop.BYTES_PER_CORE)])
def test_sums_of_all_replicas(ask: Ask, name: str, factor: float) -> None:
    """Of web, db and old, in cores: requested 2 * 0.5 + 0.2, needed 2 * 0.25 + 1 + 0.2.

    Used are 0.12 + 0.24 + 0.8 + 0.1.
    Waste is 2 * (0.5 - 0.25) of web; db lacks 1. The CronJob has no replicas, and young has no profile.
    """
    sums = [ask(f"Now: {name} {letter}")[""] for letter in "ABC"]

    assert sums == [1.2 * factor, 1.7 * factor, 1.26 * factor]
    assert ask(f"Waste: {name} A") == {"": 0.5 * factor}
    assert ask(f"Most {name} wasted A", "workload") == {"web": 0.5 * factor}
    assert ask(f"Most {name} lacking A", "workload") == {"db": 1.0 * factor}


@pytest.mark.parametrize(("name", "factor"), [("CPU", 1.0), ("memory", shop.BYTES_PER_CORE)])
def test_one_replica(ask: Ask, name: str, factor: float) -> None:
    """The Pods of web use 0.12 and 0.24 cores: 0.18 on average. Replicas of the CronJob are not known."""
    table = {
        column: ask(f"Replicas: {name} {letter}", "workload_kind", "workload")
        for column, letter in {"need": "A", "request": "B", "mean": "C", "max": "D", "replicas": "E"}.items()
    }
    web, db, nightly, old = "Deployment web", "StatefulSet db", "CronJob nightly", "DeploymentConfig old"

    assert table == {
        "need": {web: 0.25 * factor, db: factor, nightly: 0.3 * factor, old: 0.2 * factor},
        "request": {web: 0.5 * factor, nightly: factor, old: 0.2 * factor},
        "mean": {web: 0.18 * factor, db: 0.8 * factor, nightly: 0.25 * factor, old: 0.1 * factor},
        "max": {web: 0.24 * factor, db: 0.8 * factor, nightly: 0.25 * factor, old: 0.1 * factor},
        "replicas": {web: 2, db: 1, old: 1},
    }


def test_containers(ask: Ask) -> None:
    """The containers of web use 0.15 and 0.03 cores in the mean of two Pods; only one requests anything."""
    of_web = {
        column: ask(f"Containers: CPU {letter}", "container", selected=WEB_ONLY)
        for column, letter in {"need": "A", "request": "B", "usage": "C"}.items()
    }

    assert of_web == {
        "need": {"app": 0.2, "proxy": 0.05},
        "request": {"app": 0.5},
        "usage": {"app": 0.15, "proxy": 0.03},
    }


def test_a_selected_workload_alone_is_shown(ask: Ask) -> None:
    """With web selected: requested 1, needed 0.5, used 0.36 cores; of the connections its own."""
    assert [ask(f"Now: CPU {letter}", selected=WEB_ONLY)[""] for letter in "ABC"] == [1.0, 0.5, 0.36]
    assert ask("Largest connections A", "source", "destination", selected=WEB_ONLY) == {
        "web db": 120,
        "db web": 0,
    }


def test_connections(ask: Ask) -> None:
    """A connection with bytes and no messages is listed too, each with the bytes that are measured."""
    table = [ask(f"Largest connections {letter}", "source", "destination") for letter in "ABC"]

    assert table == [
        {"web db": 120, "nightly db": 0, "db web": 0},
        {"web db": 1000, "nightly db": 5_000_000, "db web": 700},
        {"web db": 2000, "nightly db": 2000},
    ]


def test_bytes_of_a_connection_are_those_that_are_measured(ask: Ask) -> None:
    """The sum of both directions; from db to web, of which one is not measured, that of the other."""
    assert ask("Bytes A", "source", "destination") == {"web db": 3000, "nightly db": 5_002_000, "db web": 700}


def test_nothing_is_left_out(ask: Ask) -> None:
    """There is room for all profiles, and only the leader counts them."""
    assert ask("Not shown A", "kind") == {"cpu": 0, "memory": 0, "connection": 0}
