"""`job-profiler export network-policy`: policies and warnings, from the objects of a cluster.

In `shop`, `bot` calls `web`, and `web` calls `api`; the Pods of `web` and `api` are meshed, `bot` has none.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.domain.quantities import format_time
from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against, refuse_workloads, serve_cluster
from tests.decisions.manifests import Object, container, deployment, edge
from tests.decisions.meshed import pod
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses

POLICY = ("export", "network-policy", "-n", "shop")
NO_POD = "no Pod of it runs, so whether it has a proxy of a mesh is not known"
NOW = datetime.now(UTC)
DAY = {"start": format_time(NOW - timedelta(days=1)), "end": format_time(NOW)}
EDGES = [edge(*ends, "60.00", window=DAY, coverage="1.00") for ends in (("bot", "web"), ("web", "api"))]
LABELLED = [
    {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
    for name in ("shop", "linkerd", "kube-system", "kube-public", "kube-node-lease", "profiling")
]


def status(*, state: str = "Ok", unknown: tuple[str, ...] = ()) -> Object:
    since = format_time(NOW - timedelta(days=3))
    report = {
        "signals": [{"signal": "connections", "state": state, "since": since, "message": "no answer"}],
        "edgesOfUnknownEnds": {"since": since, "namespaces": list(unknown)},
    }
    return {"data": {"status.json": json.dumps(report)}}


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """A healthy source, and nothing that leads calls from outside."""
    serve_cluster(api_server, "shop")
    plural = KINDS[ProfileKind.CONNECTION].plural
    api_server.on("GET", paths.profiles(plural, "profiling"), listed(*EDGES))
    names = ("api", "bot", "web")
    api_server.on("GET", paths.deployments("shop"), listed(*(deployment(one, container()) for one in names)))
    api_server.on("GET", paths.pods(), listed(pod("web"), pod("api")))
    api_server.on("GET", paths.namespaces(), listed(*LABELLED))
    api_server.on("GET", paths.API_GROUPS, answers({"groups": [{"name": "apps"}]}))
    api_server.on("GET", paths.config_map("profiling", "job-profiler-status"), answers(status()))
    return api_server


async def test_policies_and_warnings(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """`web` has both directions, `api` is only called, and of `bot` no Pod runs."""
    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert outcome.code == 0
    api, web = [one for one in yaml.safe_load_all(outcome.out) if one]
    assert (api["metadata"]["name"], api["spec"]["policyTypes"]) == (
        "job-profiler-deployment-api",
        ["Ingress"],
    )
    assert web["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert web["spec"]["ingress"][0]["from"] == [{"podSelector": {"matchLabels": {"app": "bot"}}}]
    warnings = [line for line in outcome.out.splitlines() if line.startswith("# WARNING: ")]
    assert warnings == [
        "# WARNING: no policy for shop/api, its calls: none were seen",
        f"# WARNING: no policy for shop/bot: {NO_POD}",
    ]
    assert outcome.err == "2 of 3 workloads have a policy; 2 are left open, in part or whole, for a reason\n"


async def test_policies_as_json(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """A List for kubectl; warnings are on standard error."""
    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY, "-o", "json"))

    document = json.loads(outcome.out)
    assert [one["kind"] for one in document["items"]] == ["NetworkPolicy"] * 2
    assert "no policy for shop/bot: no Pod of it runs" in outcome.err


@pytest.mark.parametrize(
    ("path", "items", "reason"),
    [
        (
            paths.ingresses("shop"),
            [
                {
                    "metadata": {"name": "front"},
                    "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]},
                }
            ],
            "Ingress front leads to Service web",
        ),
        (
            paths.VALIDATING_WEBHOOKS,
            [
                {
                    "metadata": {"name": "check"},
                    "webhooks": [{"clientConfig": {"service": {"namespace": "shop", "name": "web"}}}],
                }
            ],
            "the API server (ValidatingWebhookConfigurations check) leads to Service web",
        ),
        (
            "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes",
            [
                {
                    "metadata": {"name": "front"},
                    "spec": {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [{"name": "web"}]}]},
                }
            ],
            "httproutes front leads to Service web",
        ),
        (paths.MUTATING_WEBHOOKS, None, "MutatingWebhookConfigurations can't be listed"),
        (paths.services("shop"), None, "Services can't be listed"),
    ],
)
async def test_what_may_call_from_elsewhere(
    program: Program,
    cluster: FakeApiServer,
    tmp_path: Path,
    path: str,
    items: list[Object] | None,
    reason: str,
) -> None:
    """None stands for a user who may not list it: what can't be ruled out is a reason too."""
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}
    cluster.on("GET", paths.services("shop"), listed(service))
    cluster.on("GET", paths.API_GROUPS, answers({"groups": [{"name": "gateway.networking.k8s.io"}]}))
    cluster.on("GET", path, refuses(403, "forbidden") if items is None else listed(*items))

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert outcome.code == 0
    assert reason in next(one for one in outcome.out.splitlines() if "shop/web, calls to it" in one)


async def test_pods_of_other_namespaces_may_not_be_listed(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Callers on the host network can't be ruled out; the calls of `web` itself are known."""
    cluster.on("GET", paths.pods(), refuses(403, "forbidden"))
    cluster.on("GET", paths.pods("shop"), listed(pod("web"), pod("api")))

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    [web] = [one for one in yaml.safe_load_all(outcome.out) if one]
    assert web["spec"]["policyTypes"] == ["Egress"]
    assert "Pods of all namespaces can't be listed" in outcome.out


async def test_without_a_healthy_source_all_stays_open(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """No policy, and the state of the source as the reason."""
    path = paths.config_map("profiling", "job-profiler-status")
    cluster.on("GET", path, answers(status(state="Failing")))

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert "kind: NetworkPolicy" not in outcome.out
    assert "the source of connections is not Ok: no answer" in outcome.out
    assert outcome.err.startswith("0 of 3 workloads have a policy")


async def test_calls_to_hosts_outside(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The profiler has seen such calls from the namespace: no Egress."""
    path = paths.config_map("profiling", "job-profiler-status")
    cluster.on("GET", path, answers(status(unknown=("shop",))))

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert "Egress" not in outcome.out
    assert "shop/web, its calls: its namespace calls ends that nothing identifies" in outcome.out


async def test_callers_on_the_host_network_can_be_ignored(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """`--ignore` says that it calls nothing; those of kube-system call nothing anyway."""
    node, proxy = (
        pod(name, namespace=namespace, mesh="", hostNetwork=True)
        for name, namespace in (("node", "monitoring"), ("proxy", "kube-system"))
    )
    cluster.on("GET", paths.pods(), listed(pod("web"), pod("api"), node, proxy))

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))
    ignored = await program.run_beside(*against(cluster, tmp_path, *POLICY, "--ignore", "monitoring/no*"))

    assert "Ingress" not in outcome.out
    assert "which no rule can allow: monitoring/node (see --ignore)" in outcome.out
    assert ignored.out.count("- Ingress") == 2


async def test_a_namespace_without_connections(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """Exit code 1, and no policy that would deny all."""
    plural = KINDS[ProfileKind.CONNECTION].plural
    cluster.on("GET", paths.profiles(plural, "profiling"), listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "job-profiler: no connection of namespace shop was seen: see job-profiler status\n"


async def test_errors(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """No such namespace, no right to list workloads, no such form: one sentence each."""
    form = await program.run_beside(*against(cluster, tmp_path, *POLICY, "-o", "xml"))
    refuse_workloads(cluster)
    refused = await program.run_beside(*against(cluster, tmp_path, *POLICY))
    cluster.on("GET", paths.namespace("shop"), refuses(404, "not found"))
    cluster.on("GET", paths.namespaces(), listed({"metadata": {"name": "attic"}}))
    missing = await program.run_beside(*against(cluster, tmp_path, *POLICY))

    assert (form.code, form.err) == (2, "job-profiler: --output is 'xml': use yaml or json\n")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("job-profiler: can't list Deployments, ")
    assert (missing.code, missing.err) == (1, "job-profiler: namespace shop does not exist\n")
