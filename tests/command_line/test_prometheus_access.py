"""The Prometheus of a command that names none: of the release, or of the cluster, through the API server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.domain.annotations import WORKLOAD_NAME
from app.kubernetes import paths
from tests.command_line.conftest import Outcome, Program
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.kubernetes.services import KPS, WEB, service
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

QUERY = "/api/v1/query_range"
FOUND = "Prometheus found: http://prom.monitoring.svc:9090\n"


def proxy(namespace: str, name: str, port: int, scheme: str = "http") -> str:
    """The path of a Service's queries."""
    return paths.service_proxy(namespace, name, port, scheme) + QUERY


def deployment(namespace: str, **variables: str) -> dict[str, Any]:
    """The Deployment of a release's profiler, with a variable from a Secret, which is not read."""
    environment: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in ({"ROLE": "profiler"} | variables).items()
    ]
    environment.append({"name": "PROMETHEUS_USERNAME", "valueFrom": {"secretKeyRef": {"name": "s"}}})
    template = {"spec": {"containers": [{"name": "job-profiler", "env": environment}]}}
    return {"metadata": {"name": "profiler", "namespace": namespace}, "spec": {"template": template}}


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """A cluster with emojivoto's Prometheus behind monitoring/prom, no Pods, and no release."""
    for path in (paths.pods(), paths.deployments(), paths.stateful_sets(), paths.daemon_sets(), paths.jobs()):
        api_server.on("GET", path, listed())
    for path in (paths.cron_jobs(), paths.namespaces()):  # no namespace has opted out
        api_server.on("GET", path, listed())
    for name in ("emojivoto", "green"):
        api_server.on("GET", paths.namespace(name), answers({"metadata": {"name": name}}))
    serve(
        api_server, EmojivotoPrometheus(), proxy("monitoring", "prom", 9090).removesuffix(QUERY), verb="GET"
    )
    api_server.on("GET", paths.services(), listed(service("prom", "monitoring", KPS, WEB)))
    return api_server


def reader(server: FakeApiServer, directory: Path, namespace: str = "") -> str:
    """A kubeconfig whose context has *namespace*."""
    path = Path(kubeconfig(directory, {"token": "t"}, server.url))
    content = json.loads(path.read_text())
    content["contexts"][0]["context"] |= {"namespace": namespace} if namespace else {}
    path.write_text(json.dumps(content))
    return str(path)


async def profile(program: Program, server: FakeApiServer, directory: Path, *more: str) -> Outcome:
    """Computes the profiles with the kubeconfig alone."""
    path = reader(server, directory)
    return await program.run_beside(
        "profile", "--kubeconfig", path, "--history-days", "1", "-o", "json", *more
    )


def workloads(outcome: Outcome) -> set[str]:
    """The workloads with a CPU profile."""
    manifests = json.loads(outcome.out)["items"]
    of_cpu = (manifest["metadata"] for manifest in manifests if manifest["kind"] == "CPUProfile")
    return {metadata["annotations"][WORKLOAD_NAME] for metadata in of_cpu}


def queried(server: FakeApiServer) -> set[str]:
    """The paths of all queries."""
    return {request.path for request in server.requests if request.path.endswith(QUERY)}


async def test_the_only_one_is_asked(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """All Services with well-known labels are listed; the only one is named, and asked by GET alone."""
    outcome = await profile(program, cluster, tmp_path)

    assert (outcome.code, outcome.err.startswith(FOUND)) == (0, True), outcome.err
    assert workloads(outcome) == {"web", "voting", "emoji", "vote-bot"}
    assert queried(cluster) == {proxy("monitoring", "prom", 9090)}
    assert not cluster.received("POST")


async def test_several_are_listed(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """None of two is taken: each is listed with the command that makes it reachable, and its flag."""
    thanos = service("query", "o11y", {"app": "thanos-query"}, {"name": "http", "port": 10902})
    cluster.on("GET", paths.services(), listed(service("prom", "monitoring", KPS, WEB), thanos))

    outcome = await profile(program, cluster, tmp_path)

    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        "monitoring/prom: kubectl port-forward -n monitoring svc/prom 9090:9090",
        "  and --prometheus-url http://localhost:9090",
        "o11y/query: kubectl port-forward -n o11y svc/query 9090:10902",
        "  and --prometheus-url http://localhost:9090",
        "job-profiler: 2 Services look like Prometheus, see above: choose one",
    ]
    assert queried(cluster) == set()


async def test_none_is_found(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The user may list the Services of two namespaces only, and there is none."""
    cluster.on("GET", paths.services(), refuses(403, 'User "alice" cannot list resource "services"'))
    for namespace in ("monitoring", "prometheus"):
        cluster.on("GET", paths.services(namespace), listed())
    for namespace in ("observability", "linkerd-viz", "istio-system", "profiling"):
        cluster.on("GET", paths.services(namespace), refuses(403, f"not in {namespace}"))

    outcome = await profile(program, cluster, tmp_path)

    assert outcome.code == 1
    [line] = outcome.err.splitlines()
    assert line.startswith("job-profiler: no Service of the cluster has the labels of a known Prometheus")
    assert "can't be listed in observability, linkerd-viz, istio-system, profiling" in line
    assert "not in observability" in line
    assert "use --prometheus-url, for example http://localhost:9090 after kubectl port-forward" in line


async def test_a_user_of_one_namespace(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Without the right to list all Services, the well-known namespaces are asked one by one."""
    cluster.on("GET", paths.services(), refuses(403, "no"))
    cluster.on("GET", paths.services("monitoring"), listed(service("prom", "monitoring", KPS, WEB)))
    for namespace in ("prometheus", "observability", "linkerd-viz", "istio-system", "profiling"):
        cluster.on("GET", paths.services(namespace), refuses(403, "no"))

    outcome = await profile(program, cluster, tmp_path)

    assert (outcome.code, outcome.err.startswith(FOUND)) == (0, True), outcome.err


@pytest.mark.parametrize(
    ("variables", "namespace", "name", "port"),
    [
        ({"PROMETHEUS_URL": "prom.o11y.svc"}, "o11y", "prom", 9090),
        ({"PROMETHEUS_URL": "prom.o11y.svc.cluster.local", "PROMETHEUS_PORT": "80"}, "o11y", "prom", 80),
        ({"PROMETHEUS_URL": "http://prom.o11y:8080"}, "o11y", "prom", 8080),
        ({"PROMETHEUS_URL": "prom"}, "profiling", "prom", 9090),
    ],
    ids=str,
)
async def test_of_the_release(
    variables: Mapping[str, str],
    namespace: str,
    name: str,
    port: int,
    program: Program,
    cluster: FakeApiServer,
    tmp_path: Path,
) -> None:
    """The address in the installed release's Deployment is that of a Service, and goes before a search."""
    cluster.on("GET", paths.deployments(), listed(deployment("profiling", **variables)))
    cluster.on("GET", paths.service(namespace, name), answers(service(name, namespace, {}, WEB)))
    serve(cluster, EmojivotoPrometheus(), proxy(namespace, name, port).removesuffix(QUERY), verb="GET")

    outcome = await profile(program, cluster, tmp_path)

    assert outcome.code == 0, outcome.err
    assert queried(cluster) == {proxy(namespace, name, port)}
    assert not [request for request in cluster.requests if request.path == paths.services()]


async def test_of_the_release_outside(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The release reads a server outside of the cluster: it is asked directly, at the release's path."""
    serve(cluster, EmojivotoPrometheus(), "/outside")
    url = f"{cluster.url}/outside"
    cluster.on("GET", paths.deployments(), listed(deployment("profiling", PROMETHEUS_URL=url)))

    outcome = await profile(program, cluster, tmp_path)

    assert outcome.code == 0, outcome.err
    assert queried(cluster) == {f"/outside{QUERY}"}


async def test_of_a_release_that_searches(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The release found its servers itself: those of its report are taken, also among several."""
    report = {"foundServers": {"containers": "http://other.monitoring.svc:9090"}}
    status = {"data": {"status.json": json.dumps(report)}}
    cluster.on("GET", paths.config_map("profiling", "job-profiler-status"), answers(status))
    cluster.on("GET", paths.deployments(), listed(deployment("profiling", PROMETHEUS_URL="auto")))
    serve(cluster, EmojivotoPrometheus(), proxy("monitoring", "other", 9090).removesuffix(QUERY), verb="GET")
    cluster.on(
        "GET",
        paths.services(),
        listed(*(service(name, "monitoring", KPS, WEB) for name in ("prom", "other"))),
    )

    outcome = await profile(program, cluster, tmp_path)

    assert outcome.code == 0, outcome.err
    assert queried(cluster) == {proxy("monitoring", "other", 9090)}


@pytest.mark.parametrize(
    "command", [("savings", "--prometheus-url", "auto"), ("explain", "emojivoto/web")], ids=str
)
async def test_one_search_for_needs_and_usage(
    command: tuple[str, ...], program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Both commands read twice; the server is found once, and both reads are of the context's namespace."""
    listing = (paths.pods, paths.deployments, paths.stateful_sets, paths.daemon_sets, paths.jobs)
    for path in (*listing, paths.cron_jobs):
        cluster.on("GET", path("emojivoto"), listed())
    access = ("--kubeconfig", reader(cluster, tmp_path, "emojivoto"))

    outcome = await program.run_beside(*command, "--history-days", "1", *access)

    assert outcome.code == 0, outcome.err
    assert outcome.err.count(FOUND) == 1
    queries = [request.query["query"] for request in cluster.requests if request.path.endswith(QUERY)]
    usage = [query for query in queries if "container_memory_working_set_bytes" in query]
    assert usage
    assert all('namespace="emojivoto"' in query or 'namespace=~"emojivoto"' in query for query in usage)
    assert "Limits are not known without a cluster." not in outcome.out


async def test_savings_from_the_release_elsewhere(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """`auto` is an address that is given, and the namespace of the release is not."""
    cluster.on("GET", paths.deployments(), listed(deployment("platform", PROMETHEUS_URL="prom.o11y.svc")))
    serve(cluster, EmojivotoPrometheus(), proxy("o11y", "prom", 9090).removesuffix(QUERY), verb="GET")
    access = ("--kubeconfig", reader(cluster, tmp_path))

    outcome = await program.run_beside(
        "savings", "--prometheus-url", "auto", "--history-days", "1", "-o", "json", *access
    )

    assert outcome.code == 0, outcome.err
    assert queried(cluster) == {proxy("o11y", "prom", 9090)}


async def test_several_releases(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Two releases may have two servers: one is asked for, and taken where it is given."""
    releases = [deployment(name, PROMETHEUS_URL=f"prom.{name}.svc") for name in ("blue", "green")]
    cluster.on("GET", paths.deployments(), listed(*releases))
    serve(cluster, EmojivotoPrometheus(), proxy("green", "prom", 9090).removesuffix(QUERY), verb="GET")

    refused = await profile(program, cluster, tmp_path)
    chosen = await profile(program, cluster, tmp_path, "--own-namespace", "green")

    assert refused.code == 1
    assert "several releases are installed, in blue, green: choose one with --own-namespace" in refused.err
    assert chosen.code == 0, chosen.err
    assert queried(cluster) == {proxy("green", "prom", 9090)}


def default_kubeconfig(server: FakeApiServer) -> None:
    """Makes *server* the cluster of ~/.kube/config, which the fixture of the program has made empty."""
    folder = Path.home() / ".kube"
    folder.mkdir()
    Path(reader(server, folder)).rename(folder / "config")


async def test_the_default_kubeconfig(program: Program, cluster: FakeApiServer) -> None:
    """Without KUBECONFIG and its flag, the file that kubectl reads is read."""
    default_kubeconfig(cluster)

    outcome = await program.run_beside("profile", "--history-days", "1")

    assert (outcome.code, outcome.err.startswith(FOUND)) == (0, True), outcome.err


async def test_an_address_that_is_given(program: Program, cluster: FakeApiServer) -> None:
    """It is never second-guessed: nothing is searched, and the default kubeconfig is not read."""
    default_kubeconfig(cluster)
    serve(cluster, EmojivotoPrometheus())

    outcome = await program.run_beside("profile", "--prometheus-url", cluster.url, "--history-days", "1")

    assert outcome.code == 0, outcome.err
    assert "Prometheus found" not in outcome.err
    assert {request.path for request in cluster.requests if "/namespaces/" in request.path} == set()


async def test_no_cluster_and_no_address(program: Program, tmp_path: Path) -> None:
    """One sentence says that neither is there, and what to give."""
    record = ["record", "-o", str(tmp_path / "usage.npz")]
    for command in (["profile"], ["doctor"], ["backtest"], record, ["explain", "a/b"]):
        outcome = await program.run_beside(*command)

        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            "job-profiler: no Prometheus is given, and there is no cluster to search for it:"
            " use --prometheus-url\n"
        )


@pytest.mark.parametrize(
    ("namespace", "flags", "expected"),
    [
        ("emojivoto", (), "emojivoto"),
        ("emojivoto", ("-A",), ""),
        ("emojivoto", ("-n", "shop", "--all-namespaces"), ""),
        ("shop", ("-n", "emojivoto"), "emojivoto"),
        ("shop", ("--namespace", "emojivoto"), "emojivoto"),
        ("", (), ""),
    ],
    ids=str,
)
async def test_the_namespace_of_the_context(
    namespace: str,
    flags: tuple[str, ...],
    expected: str,
    program: Program,
    cluster: FakeApiServer,
    tmp_path: Path,
) -> None:
    """That of the context counts, unless another is given, or all are asked for; then queries name none."""
    for path in (paths.pods, paths.deployments, paths.stateful_sets, paths.daemon_sets, paths.jobs):
        for name in filter(None, {namespace, expected}):
            cluster.on("GET", path(name), listed())
    for name in filter(None, {namespace, expected}):
        cluster.on("GET", paths.cron_jobs(name), listed())
    access = ("--kubeconfig", reader(cluster, tmp_path, namespace))

    outcome = await program.run_beside("profile", *access, "--history-days", "1", *flags)

    assert outcome.code == 0, outcome.err
    queries = [request.query["query"] for request in cluster.requests if request.path.endswith(QUERY)]
    usage = [query for query in queries if "container_cpu_usage_seconds_total" in query]
    assert usage
    assert all(
        (f'namespace="{expected}"' in query or f'namespace=~"{expected}"' in query) == bool(expected)
        for query in usage
    ), usage[0]
