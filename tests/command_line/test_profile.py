"""`job-profiler profile`: profiles as table, YAML and JSON, and errors."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from app.command_line.query_bar import _cost
from app.domain.custom_resources import KINDS
from app.domain.profile_names import contract_name
from app.domain.profiles import Identity
from app.domain.workloads import Workload
from app.kubernetes import paths
from app.sources.queries import CPU_USAGE
from app.sources.query_observer import QueryCosts
from tests.command_line.conftest import Program
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.kubernetes.labelled_namespaces import OPTED_OUT, matching
from tests.profiler.emojivoto_prometheus import CONTAINERS, WEB_POD, EmojivotoPrometheus
from tests.sources.selectors import selects

REPOSITORY = Path(__file__).parents[2]
RECORD = REPOSITORY / "app" / "demo" / "emojivoto.npz"
WEB_CPU = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
WEB_MEMORY = "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"


def schema_of(kind: str) -> Any:
    plural = next(resource_kind.plural for resource_kind in KINDS.values() if resource_kind.kind == kind)
    crd = yaml.safe_load((REPOSITORY / "crds" / f"{plural}.yaml").read_text())
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def needs_of(program: Program, name: str) -> tuple[str, str]:
    """The needs of CPU and memory of the record's workload *name*, as the objects have them."""
    items = json.loads(program.run("profile", "--history", RECORD, "-o", "json").out)["items"]
    found = {
        item["kind"]: item["status"]["need"]
        for item in items
        if item["metadata"]["labels"]["job-profiler.liqo.io/workload"] == name
        and item["kind"] != "ConnectionProfile"
    }
    return found["CPUProfile"], found["MemoryProfile"]


def test_a_record_as_a_table(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each of four Deployments with both resources, and one for each of three connections.

    Needs are shown as `status.need` of the objects has them.
    """
    cpu, memory = needs_of(program, "emoji")
    monkeypatch.setenv("COLUMNS", "80")

    outcome = program.run("profile", "--history", RECORD)

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[:3] == [
        "CPU and memory per replica",
        "WORKLOAD            CPU  MEMORY  SAMPLES  CONFIDENCE",
        f"emojivoto/emoji    {cpu:>4}  {memory:>6}     1728        0.75",
    ]
    assert lines[8].split()[:2] == ["SOURCE", "DESTINATION"]
    assert (len(lines), max(map(len, lines)) <= 80) == (12, True)


def test_the_wide_table_has_the_names_of_the_profiles(program: Program) -> None:
    """Kinds and names are only there, since they are long."""
    cpu, memory = needs_of(program, "web")
    wide = program.run("profile", "--history", RECORD, "-o", "wide").out

    (web,) = [line for line in wide.splitlines() if WEB_CPU in line]
    assert web.split() == ["emojivoto/web", "Deployment", cpu, memory, "3456", "0.75", WEB_CPU, WEB_MEMORY]
    assert wide.count("connprofile-") == 3


def test_a_record_as_json_is_a_list_of_valid_objects(program: Program) -> None:
    """The output is a List for kubectl; its items match the schemas of `crds/` and are sorted by name."""
    outcome = program.run("profile", "--history", RECORD, "-o", "json")

    document = json.loads(outcome.out)
    assert (outcome.code, document["apiVersion"], document["kind"]) == (0, "v1", "List")
    names = [item["metadata"]["name"] for item in document["items"]]
    assert (len(names), names) == (11, sorted(names))
    for item in document["items"]:
        Draft202012Validator(schema_of(item["kind"])).validate(item)


def test_a_record_as_yaml_holds_the_same_objects(program: Program) -> None:
    """The YAML documents equal the items of the JSON list."""
    as_yaml = program.run("profile", "--history", RECORD, "--output", "yaml")
    as_json = program.run("profile", "--history", RECORD, "--output", "json")

    assert list(yaml.safe_load_all(as_yaml.out)) == json.loads(as_json.out)["items"]


def test_a_record_is_printed_the_same_at_any_time(program: Program) -> None:
    """The time of the cycle is the end of the file, so two runs print the same bytes."""
    first, second = (program.run("profile", "--history", RECORD, "-o", "yaml") for _ in range(2))

    assert first == second


@pytest.mark.parametrize(("namespace", "profiles"), [("emojivoto", 11), ("elsewhere", 0)])
def test_a_record_can_be_narrowed_to_namespaces(program: Program, namespace: str, profiles: int) -> None:
    """Only profiles in the namespace are printed; without any, the exit code is 1 and the list is empty."""
    outcome = program.run("profile", "--history", RECORD, "-o", "json", "--profiling-namespace", namespace)

    assert len(json.loads(outcome.out)["items"]) == profiles
    assert outcome.code == (0 if profiles else 1)


@pytest.mark.timeout(120)
def test_the_write_rate_does_not_delay_what_is_not_written(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 1 write in 1000 s, the 11 profiles of the record would take almost three hours to write."""
    monkeypatch.setenv("PROFILE_WRITE_RATE", "0.001")

    assert program.run("profile", "--history", RECORD).code == 0


def test_a_record_needs_no_cluster(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --history KUBECONFIG is ignored."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")

    assert program.run("profile", "--history", RECORD).code == 0


def test_too_few_samples_are_reported(program: Program) -> None:
    """No workload has 100,000 samples: each gets a message on standard error, and no profile is printed."""
    outcome = program.run("profile", "--history", RECORD, "--min-samples", 100_000)

    assert (outcome.code, outcome.out) == (1, "")
    assert (
        "no profile for emojivoto/web: TooFewSamples: fewer than 100000 samples, one per 5 minutes"
        in outcome.err
    )
    assert "no profile could be computed: see the messages above and the namespace settings" in outcome.err


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_record_is_named(program: Program, tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty, invalid or truncated file: exit code 2, a message with the path, no stack trace."""
    path = tmp_path / "usage.npz"
    if content is not None:
        path.write_bytes(content)

    outcome = program.run("profile", "--history", path)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"job-profiler: {path}: ")
    assert ("no such file" in outcome.err) == (content is None)
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--apply", "--history", RECORD], "--apply and --history cannot be combined"),
        (
            ["--history", RECORD, "-o", "xml"],
            "--output is 'xml': use table, wide, json, yaml, csv or markdown",
        ),
        (["--timeslots", "5", "--history-days", "x"], "TIMESLOTS (--timeslots) is '5': 5 does not divide 24"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_read(
    program: Program, arguments: list[object], message: str
) -> None:
    """Exit code 2 and a message; nothing on standard output."""
    outcome = program.run("profile", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert f"job-profiler: {message}" in outcome.err


async def test_prometheus_is_queried_over_the_network(program: Program, api_server: FakeApiServer) -> None:
    """The values are those of the scripted Prometheus; the profiler's own namespace is excluded."""
    prometheus = EmojivotoPrometheus()
    serve(api_server, prometheus, "/prometheus")

    outcome = await program.run_beside(
        "profile", "--prometheus-url", f"{api_server.url}/prometheus/", "--history-days", 1, "-o", "json"
    )

    values = {item["metadata"]["name"]: item["spec"] for item in json.loads(outcome.out)["items"]}
    assert (outcome.code, len(values)) == (0, 11)
    assert values[WEB_CPU]["cpuProfiling"]["value"] == "0.128"
    assert values[WEB_MEMORY]["memoryProfiling"]["value"] == "38137476"
    assert all("profiling" in question.query for question in prometheus.questions)


async def test_a_source_that_fails_in_part_prints_the_rest_and_fails(
    program: Program, api_server: FakeApiServer
) -> None:
    """If only memory queries fail, CPU and connections are printed, and the exit code is 1."""
    fault = {"memory": lambda *_: httpx.Response(400, json={"status": "error", "error": "query too long"})}
    serve(api_server, EmojivotoPrometheus(faults=fault))

    outcome = await program.run_beside(
        "profile", "--prometheus-url", api_server.url, "--history-days", 1, "-o", "json"
    )

    kinds = {item["kind"] for item in json.loads(outcome.out)["items"]}
    assert (outcome.code, kinds) == (1, {"CPUProfile", "ConnectionProfile"})
    assert outcome.err == "memory: Prometheus answered 400 Bad Request: query too long\n"


@pytest.fixture
def prometheus() -> EmojivotoPrometheus:
    """A Prometheus with the usage of `web` only."""
    only_web = {key: usage for key, usage in CONTAINERS.items() if key[0] == WEB_POD}
    return EmojivotoPrometheus(containers=only_web, edges={}, proxies=())


@pytest.fixture
def cluster(api_server: FakeApiServer, prometheus: EmojivotoPrometheus) -> FakeApiServer:
    """Prometheus and API server on one socket; only `web` runs, and no profile is stored."""
    serve(api_server, prometheus)
    web_deployment = {"metadata": {"name": "web", "namespace": "emojivoto"}}
    api_server.on("GET", paths.namespaces(), matching({OPTED_OUT: ""}))
    api_server.on("GET", paths.pods(None), listed())
    api_server.on("GET", paths.deployments(None), listed(web_deployment))
    for path_of in (paths.stateful_sets, paths.daemon_sets, paths.jobs):
        api_server.on("GET", path_of(None), listed())
    for resource, kind in KINDS.items():
        api_server.on("GET", paths.profiles(kind.plural, "profiling"), listed())
        name = contract_name(Identity(resource, Workload("emojivoto", "web"))) if kind.spec_field else None
        if name:
            path = paths.profile(kind.plural, "profiling", name)
            api_server.on("PATCH", path, answers({}))
            api_server.on("PATCH", paths.status(path), answers({}))
    return api_server


def against(server: FakeApiServer, directory: Path, *more: object) -> list[object]:
    """The arguments of the command with *server* as Prometheus and API server."""
    flags = {
        "prometheus-url": server.url,
        "kubeconfig": server.kubeconfig(directory),
        "history-days": 1,
        "output": "json",
    }
    return ["profile", *more, *(word for k, v in flags.items() for word in (f"--{k}", v))]


class TestApply:
    """`--apply` writes changed profiles to the cluster and prints all profiles."""

    async def test_new_profiles_are_written_and_printed(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """Two objects with value and status need four requests."""
        outcome = await program.run_beside(*against(cluster, tmp_path, "--apply"))

        assert (outcome.code, outcome.err) == (0, "2 profiles written, 0 failed\n")
        assert len(cluster.received("PATCH")) == 4
        assert len(json.loads(outcome.out)["items"]) == 2

    async def test_the_profiles_of_a_release_elsewhere(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """The release is in `platform`: its profiles are read and written there."""
        profiler = {"name": "profiler", "env": [{"name": "ROLE", "value": "profiler"}]}
        installed = {
            "metadata": {"name": "profiler", "namespace": "platform"},
            "spec": {"template": {"spec": {"containers": [profiler]}}},
        }
        web_deployment = {"metadata": {"name": "web", "namespace": "emojivoto"}}
        cluster.on("GET", paths.deployments(None), listed(web_deployment, installed))
        for resource, kind in KINDS.items():
            cluster.on("GET", paths.profiles(kind.plural, "platform"), listed())
            if kind.spec_field:
                name = contract_name(Identity(resource, Workload("emojivoto", "web"))) or ""
                path = paths.profile(kind.plural, "platform", name)
                cluster.on("PATCH", path, answers({}))
                cluster.on("PATCH", paths.status(path), answers({}))

        outcome = await program.run_beside(*against(cluster, tmp_path, "--apply"))

        namespaces = {item["metadata"]["namespace"] for item in json.loads(outcome.out)["items"]}
        assert namespaces == {"platform"}, outcome.err
        assert all("/namespaces/platform/" in request.path for request in cluster.received("PATCH"))

    async def test_unchanged_profiles_are_printed_and_not_written(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """A second run finds the profiles of the first: it writes nothing and prints the same objects."""
        first = await program.run_beside(*against(cluster, tmp_path, "--apply"))
        for item in json.loads(first.out)["items"]:
            item["metadata"] |= {"resourceVersion": "7", "managedFields": [{"manager": "job-profiler"}]}
            plural = next(kind.plural for kind in KINDS.values() if kind.kind == item["kind"])
            cluster.on("GET", paths.profiles(plural, "profiling"), listed(item))

        second = await program.run_beside(*against(cluster, tmp_path, "--apply"))

        assert (second.code, second.err) == (0, "0 profiles written, 0 failed\n")
        assert len(cluster.received("PATCH")) == 4
        assert json.loads(second.out) == json.loads(first.out)

    @pytest.mark.parametrize("odd", [None, 7, "text", ["a"], {"samples": []}], ids=str)
    async def test_malformed_objects_are_left_out(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path, odd: object
    ) -> None:
        """Stored profiles, Pods, Deployments and Namespaces among which one is no object of the API.

        The stored profile of `web` has a status of another type, and another object holds no profile: the run
        goes on, and standard error has the numbers.
        """
        first = await program.run_beside(*against(cluster, tmp_path, "--apply"))
        for item in json.loads(first.out)["items"]:
            plural = next(kind.plural for kind in KINDS.values() if kind.kind == item["kind"])
            nobody = {"metadata": {"name": "by-hand"}, "spec": odd}
            cluster.on(
                "GET",
                paths.profiles(plural, "profiling"),
                listed(item | {"status": odd}, {"metadata": odd}, odd, nobody),
            )
        for path in (paths.pods(None), paths.stateful_sets(None), paths.namespaces()):
            cluster.on("GET", path, listed({"metadata": odd}, odd))

        outcome = await program.run_beside(*against(cluster, tmp_path, "--apply"), "--output", "wide")

        assert outcome.code == 0, outcome.err
        for plural in ("cpuprofiles", "memoryprofiles"):
            assert f"1 of 2 {plural} left out: they hold no profile" in outcome.err
        assert WEB_CPU in outcome.out

    async def test_a_refused_write_fails_the_run(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """Without the right to patch CPU profiles one of two is written: exit code 1, and the reason."""
        cluster.on("PATCH", paths.profile("cpuprofiles", "profiling", WEB_CPU), refuses(403, "forbidden"))

        outcome = await program.run_beside(*against(cluster, tmp_path, "--apply"))

        reason, summary = outcome.err.splitlines()
        assert (outcome.code, summary) == (1, "1 profiles written, 1 failed")
        assert reason.startswith("no profile for emojivoto/web: NotWritten: the API server refused")
        assert [item["kind"] for item in json.loads(outcome.out)["items"]] == ["MemoryProfile"]


class TestNamespaces:
    """Namespace labels are read once, from the cluster."""

    SELECTOR = ("--profiling-namespace-selector", "team=web")

    async def test_the_selected_namespaces_are_queried(
        self, program: Program, cluster: FakeApiServer, prometheus: EmojivotoPrometheus, tmp_path: Path
    ) -> None:
        """Two namespaces match `team=web`; `shop` opted out, so no query selects it."""
        cluster.on("GET", paths.namespaces(), matching({"team=web": "emojivoto shop", OPTED_OUT: "shop"}))

        outcome = await program.run_beside(*against(cluster, tmp_path, *self.SELECTOR))

        assert (outcome.code, outcome.err, len(json.loads(outcome.out)["items"])) == (0, "", 2)
        queries = [question.query for question in prometheus.questions]
        # Proxies of all namespaces show what a mesh is; edges have two ends, of which one may be in scope.
        of_meshes = [query for query in queries if "istio_" in query or "request_total" in query]
        assert [query for query in queries if selects(query, "shop") and query not in of_meshes] == []
        assert all("shop" in query for query in of_meshes)
        cpu = next(query for query in queries if CPU_USAGE in query)
        assert 'namespace="emojivoto"' in cpu

    async def test_a_selector_without_matches_sends_no_query(
        self, program: Program, cluster: FakeApiServer, prometheus: EmojivotoPrometheus, tmp_path: Path
    ) -> None:
        """A selector without matches selects no namespace: no query, no profile, one message a signal."""
        cluster.on("GET", paths.namespaces(), matching({"team=web": "", OPTED_OUT: ""}))

        outcome = await program.run_beside(*against(cluster, tmp_path, *self.SELECTOR))

        assert (outcome.code, prometheus.questions, json.loads(outcome.out)["items"]) == (1, [], [])
        assert outcome.err.count(": no namespace is profiled: none matches PROFILING_NAMESPACE_SELECTOR") == 3

    async def test_a_selector_that_can_not_be_read_is_named(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """A 400 from the API server gives exit code 2 and a message with setting, value and reason."""
        outcome = await program.run_beside(
            *against(cluster, tmp_path, "--profiling-namespace-selector", "team in")
        )

        assert (outcome.code, outcome.out) == (2, "")
        assert "(--profiling-namespace-selector) is 'team in', which is not a valid" in outcome.err
        assert "unable to parse requirement: team in" in outcome.err

    async def test_a_missing_permission_to_list_namespaces_is_reported(
        self, program: Program, cluster: FakeApiServer, tmp_path: Path
    ) -> None:
        """If namespaces cannot be listed, a run with a selector fails, one without it prints a message."""
        cluster.on("GET", paths.namespaces(), refuses(403, "forbidden"))

        without = await program.run_beside(*against(cluster, tmp_path))
        selecting = await program.run_beside(*against(cluster, tmp_path, *self.SELECTOR))

        assert (without.code, len(json.loads(without.out)["items"])) == (0, 2)
        assert (
            "the opt-out label job-profiler.liqo.io/ignore is ignored: cannot list namespaces: "
            in without.err
        )
        assert (selecting.code, selecting.out) == (1, "")
        assert "403 Forbidden" in selecting.err

    @pytest.mark.parametrize("source", [("--history", RECORD), ("--prometheus-url", "http://127.0.0.1:9")])
    def test_labels_need_a_cluster(self, program: Program, source: tuple[object, ...]) -> None:
        """A selector without a kubeconfig, or with a file, gives exit code 2 before any read."""
        outcome = program.run("profile", *source, *self.SELECTOR)

        assert (outcome.code, outcome.out) == (2, "")
        assert "is 'team=web': needs a cluster, use --kubeconfig without --history" in outcome.err


def test_the_cost_of_queries_is_in_the_progress_line() -> None:
    """Two queries with 1000 and 3000 samples average 2000; there are 2.5 MB, one retry and one split."""
    traffic = QueryCosts()
    assert _cost(traffic) == ""
    traffic.record_result("cpu", seconds=1.0, received_bytes=2_000_000, samples=1000)
    traffic.record_result("memory", seconds=1.0, received_bytes=500_000, samples=3000)
    traffic.record_retry("cpu")
    traffic.record_split("cpu")

    assert _cost(traffic) == "2 queries, 2,000 samples each, 2.5 MB, 1 retries, 1 splits"
