"""`job-profiler savings`: from stored profiles, from a history file, of several clusters."""

import csv
import io
import json
from pathlib import Path

import pytest

from app.kubernetes import paths
from tests.command_line.conftest import Program
from tests.command_line.decided_cluster import against, serve_cluster
from tests.command_line.pasts import write_past
from tests.command_line.served_prometheus import serve
from tests.decisions.manifests import container, deployment, need
from tests.kubernetes.fake_api_server import FakeApiServer, listed, refuses
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus


@pytest.fixture
def cluster(api_server: FakeApiServer) -> FakeApiServer:
    """Three workloads in two namespaces, one with an HPA."""
    return serve_cluster(api_server)


async def test_tables_at_80_columns(
    program: Program, cluster: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Web: (500m - 26m) x 3 = 1.422 cores and (256 - 347) x 3 = -273 MiB = -0.27 GiB; api: -0.5, +3 GiB.

    At 20 a core and 3 a GiB: web 28.44 and -0.80, api 9.00 and -10.00.
    """
    monkeypatch.setenv("COLUMNS", "80")

    outcome = await program.run_beside(
        *against(cluster, tmp_path, "savings", "--cpu-price", 20, "--memory-price", 3)
    )

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[:9] == [
        "Requested and not needed",
        "WORKLOAD  PODS       CPU  CORES         MEMORY    GIB  PRICE /MONTH  SCALED BY",
        "shop/web     3  500m→26m  +1.42              -      -        +28.44  HPA cpu",
        "shop/api     1         -      -  4096Mi→1024Mi  +3.00         +9.00  -",
        "",
        "Needed and not requested",
        "WORKLOAD  PODS          CPU  CORES       MEMORY    GIB  PRICE /MONTH  SCALED BY",
        "shop/web     3            -      -  256Mi→347Mi  -0.27         -0.80  HPA cpu",
        "shop/api     1  1000m→1500m  -0.50            -      -        -10.00  -",
    ]


async def test_totals_and_sentences(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Cores: 1.42 of 0.5 x 3 + 1 + 0.1 = 2.60 (55 %) are not needed, and 0.5 are not requested."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "savings"))

    assert "cores: 1.42 of 2.60 that are requested (55%) are not needed; 0.50 are needed" in outcome.out
    assert "PRICE" not in outcome.out
    attic, shop = [line.split() for line in outcome.out.splitlines() if line.startswith(("attic ", "shop "))]
    assert attic == ["attic", "0.10", "0.00", "0%", "0.00", "0.00", "0.00", "0%", "0.00"]
    assert shop == ["shop", "2.50", "1.42", "57%", "0.50", "4.75", "3.00", "63%", "0.27"]


async def test_json_and_csv_have_exact_numbers(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The same workloads as document and as one table; amounts in cores and bytes, or cores and GiB."""
    as_json = await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "json"))
    table = (await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "csv"))).out

    document = json.loads(as_json.out)
    web = document["workloads"][0]
    assert (document["kind"], web["name"], web["replicas"]) == ("Savings", "web", 3)
    assert web["cpu"] == {"request": 0.5, "need": 0.026, "difference": 1.422, "amount": 1.422}
    assert web["memory"]["difference"] == -273 * 1024**2
    assert (web["autoscalers"], document["total"]["workloads"]) == (["HPA cpu"], 3)
    first = next(csv.DictReader(io.StringIO(table)))
    assert (first["workload"], first["cores"]) == ("shop/web", "1.422")
    assert (first["cpuRequest"], first["cpuNeed"]) == ("0.5", "0.026")
    assert "→" not in table


async def test_markdown_is_a_comment(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Tables of GitHub, with the same columns."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "markdown"))

    assert "| WORKLOAD | PODS | CPU | CORES | MEMORY | GIB | SCALED BY |" in outcome.out
    assert "| shop/web | 3 | 500m→26m | +1.42 | - | - | HPA cpu |" in outcome.out


@pytest.mark.parametrize(("limit", "code"), [("55%", 0), ("54", 1), ("0%", 1)])
async def test_fail_over(
    program: Program, cluster: FakeApiServer, tmp_path: Path, limit: str, code: int
) -> None:
    """54.7 % of the cores are not needed, and 63.2 % of the memory, of which attic has none."""
    memory = paths.profiles("memoryprofiles", "profiling")
    cluster.on("GET", memory, listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "--fail-over", limit))

    assert outcome.code == code
    assert ("not needed of the requests: cpu 54.7 %" in outcome.err) == bool(code)


async def test_order_ignore_and_top(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """By memory api comes first; with web ignored, attic is the rest of two."""
    by_memory = await program.run_beside(
        *against(cluster, tmp_path, "savings", "--sort", "memory", "--top", 1)
    )
    ignoring = await program.run_beside(*against(cluster, tmp_path, "savings", "--ignore", "shop/web, x/*"))

    assert by_memory.out.splitlines()[2].startswith("shop/api")
    assert "--top leaves out up to 1 workloads" in by_memory.out
    assert "shop/web" not in ignoring.out
    assert "1 workloads are ignored." in ignoring.out


async def test_prices_of_the_release(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """The chart's prices are variables of the profiler; at 10 a core, 1.422 cores of web are 14.22."""
    env = [{"name": "ROLE", "value": "profiler"}, {"name": "CPU_PRICE", "value": "10"}]
    profiler = deployment("profiler", container() | {"env": env})
    profiler["metadata"]["namespace"] = "profiling"
    cluster.on("GET", paths.deployments(None), listed(profiler))

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "--sort", "money"))

    assert "+14.22" in outcome.out


async def test_money_without_a_price(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Neither flags nor the release have a price by which to sort."""
    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "--sort", "money"))

    assert outcome.code == 2
    assert "--sort money needs a price: set --cpu-price or --memory-price" in outcome.err


async def test_one_namespace(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """With -n only the workloads of this namespace count, and autoscalers are listed there only."""
    serve_cluster(cluster, "shop")

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "-n", "shop"))

    assert outcome.code == 0
    assert "attic" not in outcome.out
    assert paths.horizontal_pod_autoscalers(None) not in {request.path for request in cluster.requests}


async def test_without_the_right_to_list_autoscalers(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The savings are printed, with a sentence on what is not known."""
    cluster.on("GET", paths.horizontal_pod_autoscalers(None), refuses(403, "forbidden"))

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings"))

    assert outcome.code == 0
    assert "HorizontalPodAutoscalers don't count: this user has no right to list them." in outcome.out


def two_contexts(cluster: FakeApiServer, directory: Path) -> Path:
    """A kubeconfig with the contexts east and west."""
    path = Path(cluster.kubeconfig(directory))
    kubeconfig = json.loads(path.read_text())
    context = {"cluster": "fake", "user": "fake"}
    kubeconfig["contexts"] = [{"name": name, "context": context} for name in ("east", "west")]
    path.write_text(json.dumps(kubeconfig))
    return path


async def test_without_the_right_to_list_profiles(
    program: Program, cluster: FakeApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence says which right is missing, and the connection closes in order: nothing is logged."""
    path = paths.profiles("cpuprofiles", "profiling")
    cluster.on("GET", path, refuses(403, "forbidden"))

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "-A"))

    assert outcome.code == 1
    assert outcome.err == f"job-profiler: GET {path}: 403 Forbidden: forbidden\n"
    assert caplog.records == []


async def test_profiles_of_an_older_release(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """They have no requests; those of the Deployments count: 3 x 0.5 + 1 = 2.5 cores."""
    for plural in ("cpuprofiles", "memoryprofiles"):
        resource = plural.removesuffix("profiles")
        listing = listed(*(need(resource, name, "1.000") for name in ("web", "api")))
        cluster.on("GET", paths.profiles(plural, "profiling"), listing)

    document = await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "json"))

    assert json.loads(document.out)["total"]["cpu"]["requested"] == 2.5


async def test_marks_of_a_policy(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """A need of 200m of which 100m may be requested: the saving is that of the need, with a mark."""
    rules = [{"annotation": "max-cpu", "value": "100m", "source": "Namespace"}]
    bounded = need("cpu", "web", "0.200", request="500m", replicas={"desired": 3}, policy=rules)
    cluster.on("GET", paths.profiles("cpuprofiles", "profiling"), listed(bounded))

    as_json = await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "json"))
    wide = (await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "wide"))).out

    words = "app, CPU: at most 100m by max-cpu of namespace shop (the need is 200m)"
    policies = {one["name"]: one["policy"] for one in json.loads(as_json.out)["workloads"]}
    assert (policies["web"], policies["api"]) == ([words], [])
    assert " POLICY" in wide
    assert "POLICY: what annotations do to requests." in wide


async def test_requests_and_replicas_are_those_of_now(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """In its profile web has 3 Pods of 500m, now 5 of 250m: 5 x (0.250 - 0.026) = 1.12 cores.

    A profile is written once an hour. The workload api has no object any more, and keeps its own.
    """
    web = deployment("web", container(requests={"cpu": "250m"}), replicas=5)
    cluster.on("GET", paths.deployments(None), listed(web))

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "-o", "json"))

    workloads = {one["name"]: one for one in json.loads(outcome.out)["workloads"]}
    assert workloads["web"]["replicas"] == 5
    assert workloads["web"]["cpu"] == {
        "request": 0.25,
        "need": 0.026,
        "difference": pytest.approx(1.12),
        "amount": pytest.approx(1.12),
    }
    assert workloads["web"]["memory"]["request"] is None
    assert (workloads["api"]["replicas"], workloads["api"]["cpu"]["request"]) == (1, 1.0)


async def test_without_the_right_to_list_workloads(
    program: Program, cluster: FakeApiServer, tmp_path: Path
) -> None:
    """The amounts are those of the profiles, and a sentence says so."""
    cluster.on("GET", paths.deployments(None), refuses(403, "forbidden"))
    arguments = ("savings", "--own-namespace", "profiling", "-o", "json")
    refused = "this user has no right to list them."

    outcome = await program.run_beside(*against(cluster, tmp_path, *arguments))

    document = json.loads(outcome.out)
    assert document["workloads"][0]["replicas"] == 3
    assert document["notes"] == [
        f"Deployments have the requests and replicas that their profiles state: {refused}"
    ]


async def test_jobs_are_not_listed(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """A Job's Pod template never changes, and a cluster may have thousands of them."""
    runs = need("cpu", "etl", "0.100", kind="Job", request="200m")
    cluster.on("GET", paths.profiles("cpuprofiles", "profiling"), listed(runs))
    cluster.on("GET", paths.profiles("memoryprofiles", "profiling"), listed())

    outcome = await program.run_beside(*against(cluster, tmp_path, "savings", "--own-namespace", "profiling"))

    assert outcome.code == 0, outcome.err
    assert paths.jobs(None) not in {request.path for request in cluster.requests}


async def test_several_contexts_are_summed(program: Program, cluster: FakeApiServer, tmp_path: Path) -> None:
    """Two contexts of the same cluster: twice the totals, and a table of clusters."""
    path = two_contexts(cluster, tmp_path)

    outcome = await program.run_beside(
        *("savings", "--kubeconfig", path, "--context", "east", "--context", "west", "-o", "json")
    )

    document = json.loads(outcome.out)
    assert [group["cluster"] for group in document["clusters"]] == ["east", "west"]
    assert document["total"]["cpu"]["over"] == pytest.approx(2.844)
    assert {workload["cluster"] for workload in document["workloads"]} == {"east", "west"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "size"], "--sort is 'size': use cpu, memory, money or risk"),
        (["--fail-over", "much"], "--fail-over is 'much': use a share such as 20%"),
        (["--top", "-1"], "--top is -1"),
        (["-o", "xml"], "--output is 'xml': use table, wide, json, yaml, csv or markdown"),
        (["--risk", "none"], "--risk is 'none': use low, normal or high"),
    ],
)
def test_wrong_arguments(program: Program, arguments: list[str], message: str) -> None:
    """Exit code 2 before anything is read."""
    outcome = program.run("savings", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_a_recorded_past(program: Program, tmp_path: Path) -> None:
    """Two replicas of web and one of database, each with requests of 4 cores and 2 GiB, need less of both.

    The requests are 3 x 4 = 12 cores and 3 x 2 = 6 GiB.
    """
    past = write_past(tmp_path / "past.npz", 4)

    outcome = program.run("savings", "--history", past, "-o", "json")

    document = json.loads(outcome.out)
    assert outcome.code == 0, outcome.err
    assert {workload["name"]: workload["replicas"] for workload in document["workloads"]} == {
        "web": 2,
        "database": 1,
    }
    assert document["total"]["cpu"]["requested"] == 12
    assert document["total"]["memory"]["requested"] == 6 * 1024**3
    assert "Limits are not known without a cluster." in document["notes"]


def test_a_past_without_requests(program: Program, tmp_path: Path) -> None:
    """Unknown requests are not zero: the workloads are named, and nothing is under-requested."""
    past = write_past(tmp_path / "past.npz", 4, requests=False)

    document = json.loads(program.run("savings", "--history", past, "-o", "json").out)

    assert (document["workloads"], len(document["unknown"])) == ([], 2)


async def test_a_prometheus_without_requests(program: Program, api_server: FakeApiServer) -> None:
    """Needs are computed; without kube-state-metrics no request is known, and each workload is named."""
    serve(api_server, EmojivotoPrometheus())

    outcome = await program.run_beside(
        *("savings", "--prometheus-url", api_server.url, "--history-days", 1, "-o", "json")
    )

    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    assert (document["source"], document["workloads"]) == (api_server.url, [])
    assert {workload["name"] for workload in document["unknown"]} >= {"web", "emoji"}
