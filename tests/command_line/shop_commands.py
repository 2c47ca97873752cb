"""Commands of a cluster in which `shop` alone has workloads, and a Prometheus without their usage."""

from pathlib import Path

from app.kubernetes import paths
from tests.command_line.decided_cluster import WORKLOADS, against, serve_cluster
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer, listed
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

# The commands that take a workload, with what comes before it.
NAMED = {"explain": (), "connections": (), "changes": (), "export": ("patch",)}
EMPTY = (paths.stateful_sets, paths.daemon_sets, paths.jobs, paths.cron_jobs, paths.pods)
_WITH_PROMETHEUS = {"explain", "profile", "doctor", "backtest", "record"}


def serve_shop(server: FakeApiServer) -> FakeApiServer:
    """The Deployments web and api in `shop`, with profiles."""
    serve_cluster(server)
    server.on("GET", paths.deployments("shop"), listed(*WORKLOADS))
    for path_of in EMPTY:
        server.on("GET", path_of("shop"), listed())
    serve(server, EmojivotoPrometheus())
    return server


def called(server: FakeApiServer, directory: Path, command: str, *arguments: object) -> list[object]:
    """The command with the kubeconfig of *server*; those that read usage have its Prometheus too."""
    given: list[object] = [command, *NAMED.get(command, ())]
    if command in _WITH_PROMETHEUS:
        given += ["--prometheus-url", server.url]
    if command == "record":
        given += ["-o", directory / "usage.npz"]
    if command == "report":
        given.append(directory / "report.html")
    return against(server, directory, *given, *arguments)
