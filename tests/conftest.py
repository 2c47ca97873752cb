"""Session-wide fixtures of the external programs.

If a program is missing, tests that need it are skipped with instructions; with CI=true they fail.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.victoria_metrics import VictoriaMetrics
from tests.file_order import LONGEST, DurationsWriter, add_options, sort_by_file
from tests.lanes import is_asked_for
from tests.parts.locate import Part, find, is_continuous_integration

PrometheusFactory: TypeAlias = Callable[[Path | None], Prometheus]
VictoriaMetricsFactory: TypeAlias = Callable[[Path | None], VictoriaMetrics]

# Property tests don't judge how fast a machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options for the order of test files."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the writer of durations in the main process, which gets the reports of all workers.

    A shell's background job ignores SIGINT, and so would the programs that tests interrupt.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("renew_durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(DurationsWriter())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Passes the order to a worker, so that all workers use one seed."""
    node.workerinput["file_order"] = node.config.getoption("file_order")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the option that repeats a random order."""
    if (order := config.getoption("file_order")) != LONGEST:
        terminalreporter.write_line(f"files ran in random order; --file-order={order} repeats it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the second lane unless `-m` names it, and sorts the tests; every worker does the same."""
    left_out = [item for item in items if not is_asked_for(item, config.option.markexpr)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]
    order = getattr(config, "workerinput", {}).get("file_order") or config.getoption("file_order")
    sort_by_file(items, order)


def require_parts(*parts: Part) -> None:
    missing = [f"{part.title} is missing: {part.how_to_get}" for part in parts if find(part) is None]
    if missing:
        (pytest.fail if is_continuous_integration() else pytest.skip)("; ".join(missing))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane; each test uses its own namespaces."""
    require_parts(Part.ETCD, Part.KUBE_APISERVER, Part.KUBE_CONTROLLER_MANAGER)
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Iterator[Kubectl]:
    """The administrator's kubectl."""
    require_parts(Part.KUBECTL)
    administrator = Kubectl(control_plane.kubeconfig)
    yield administrator
    administrator.api.close()


@pytest.fixture(scope="session")
def helm3(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 3; `.against(control_plane.kubeconfig)` gives one that can install."""
    return _helm(Part.HELM_3, tmp_path_factory)


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4; `.against(control_plane.kubeconfig)` gives one that can install."""
    return _helm(Part.HELM_4, tmp_path_factory)


def _helm(part: Part, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    require_parts(part)
    binary = find(part)
    assert binary
    return Helm(binary, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def prometheus_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusFactory]:
    """Starts a Prometheus with the history of an OpenMetrics file, if any; it runs until the module ends."""
    require_parts(Part.PROMETHEUS, Part.PROMTOOL)
    with ExitStack() as running:

        def start(openmetrics_file: Path | None) -> Prometheus:
            directory = tmp_path_factory.mktemp("prometheus")
            return running.enter_context(Prometheus(directory, openmetrics_file))

        yield start


@pytest.fixture(scope="module")
def victoria_metrics_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetricsFactory]:
    """Starts a VictoriaMetrics with the history of an OpenMetrics file, if any; like `prometheus_factory`."""
    require_parts(Part.VICTORIA_METRICS)
    with ExitStack() as running:

        def start(openmetrics_file: Path | None) -> VictoriaMetrics:
            directory = tmp_path_factory.mktemp("victoria-metrics")
            return running.enter_context(VictoriaMetrics(directory, openmetrics_file))

        yield start


@pytest.fixture(scope="module", params=["prometheus", "victoria-metrics"])
def metric_server_factory(request: pytest.FixtureRequest) -> PrometheusFactory | VictoriaMetricsFactory:
    """Each kind of server in turn: for histories of which the kinds are said to make different values."""
    name = f"{request.param.replace('-', '_')}_factory"
    factory: PrometheusFactory | VictoriaMetricsFactory = request.getfixturevalue(name)
    return factory
