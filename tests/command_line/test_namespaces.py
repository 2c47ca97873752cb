"""Namespaces that do not exist: every command says so, with the same exit code."""

from pathlib import Path

import pytest

from app.command_line.nearest import nearest, nearest_names
from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against
from tests.command_line.shop_commands import EMPTY, NAMED, called, serve_shop
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses

WITHOUT_NAME = ("plan", "savings", "profile", "doctor", "backtest", "record", "dashboard", "report")


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """The Deployments web and api in `shop`, with profiles."""
    return serve_shop(api_server)


@pytest.mark.parametrize("command", WITHOUT_NAME)
@pytest.mark.parametrize("namespaces", ["shpo", "shop,shpo"])
async def test_a_namespace_that_does_not_exist(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str, namespaces: str
) -> None:
    """Exit code 1 and one sentence, also beside a namespace that exists."""
    outcome = await program.run_beside(*called(cluster, tmp_path, command, "-n", namespaces))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: namespace shpo does not exist; the nearest name is shop\n"


@pytest.mark.parametrize("command", NAMED)
async def test_a_namespace_that_does_not_exist_beside_a_workload(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """The kind and the name are looked for in no other namespace."""
    outcome = await program.run_beside(*called(cluster, tmp_path, command, "deploy/web", "-n", "nowhere"))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: namespace nowhere does not exist\n"


@pytest.mark.parametrize("command", ["status", "probe"])
async def test_a_namespace_without_a_release(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str
) -> None:
    """Here -n is the namespace of the release."""
    outcome = await program.run_beside(*against(cluster, tmp_path, command, "-n", "profilin"))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: namespace profilin does not exist; the nearest name is profiling\n"


@pytest.mark.parametrize(
    ("command", "sentence"), [("plan", "no workloads"), ("savings", "no workload has a profile")]
)
async def test_a_namespace_that_may_not_be_seen(
    program: Program, cluster: FakeApiServer, tmp_path: Path, command: str, sentence: str
) -> None:
    """Whether it exists can't be known: the result is empty, and says so."""
    cluster.on("GET", paths.namespace("shpo"), refuses(403, "forbidden"))
    cluster.on("GET", paths.namespaces(), refuses(403, "forbidden"))
    for path_of in (paths.deployments, *EMPTY, paths.limit_ranges, paths.resource_quotas):
        cluster.on("GET", path_of("shpo"), listed())
    cluster.on("GET", paths.horizontal_pod_autoscalers("shpo"), listed())

    outcome = await program.run_beside(*called(cluster, tmp_path, command, "-n", "shpo"))

    assert (outcome.code, outcome.err) == (0, "")
    assert sentence in outcome.out.casefold()


async def test_a_user_who_may_only_list_namespaces(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The list is enough to know."""
    cluster.on("GET", paths.namespace("shpo"), refuses(403, "forbidden"))

    outcome = await program.run_beside(*called(cluster, tmp_path, "plan", "-n", "shpo"))

    assert outcome.err == "job-profiler: namespace shpo does not exist; the nearest name is shop\n"


async def test_a_namespace_of_one_of_several_clusters(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """A note says which cluster has none of this name; if no cluster has, it is an error."""
    kubeconfig = two_contexts(cluster, tmp_path)
    arguments = ("savings", "--context", "east", "--context", "west", "--kubeconfig", kubeconfig)
    cluster.on("GET", paths.namespace("shop"), listed(), refuses(404, "not found"))
    for path_of in (paths.deployments, *EMPTY, paths.horizontal_pod_autoscalers):
        cluster.on("GET", path_of("nowhere"), listed())

    found = await program.run_beside(*arguments, "-n", "shop")
    nowhere = await program.run_beside(*arguments, "-n", "nowhere")

    assert found.code == 0
    assert "west: Namespace shop does not exist." in found.one_line
    assert nowhere.code == 1
    assert nowhere.err == "job-profiler: nowhere: no such namespace in any of the clusters\n"


def two_contexts(server: FakeApiServer, directory: Path) -> Path:
    """A kubeconfig with two contexts of one server."""
    path = Path(server.kubeconfig(directory))
    text = path.read_text()
    context = '{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}'
    assert context in text
    both = ", ".join(context.replace('"name": "fake"', f'"name": "{name}"') for name in ("east", "west"))
    path.write_text(text.replace(context, both))
    return path


def test_the_nearest_names() -> None:
    """At most three, the likest first; the ratio of `shp` and `shop` is 2 * 3 / 7 = 0.86."""
    assert nearest("shp", ["shop", "ship", "shape", "chip", "other"]) == ["ship", "shop", "shape"]
    assert nearest_names([]) == ""
    assert nearest_names(["a", "b", "c"]) == "; the nearest names are a, b and c"
