"""`job-profiler explain`: text, tables and a plot for one workload, and stored profiles."""

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import (
    Basis,
    ContainerNeed,
    Identity,
    Pressure,
    PressureSignal,
    ProfileKind,
    Resource,
    ResourceProfile,
    RiskLevel,
    StatedRisk,
)
from app.domain.quantities import RESOURCE_NAMES
from app.domain.shown_amounts import need
from app.domain.workloads import Workload
from app.kubernetes import paths
from app.sources.history_file import RecordedContainer, write_history_file
from tests.command_line.conftest import Outcome, Program
from tests.command_line.decided_cluster import serve_namespaces
from tests.command_line.pasts import FIRST_MIDNIGHT, write_past
from tests.command_line.served_prometheus import serve
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

RECORD = Path(__file__).parents[2] / "app" / "demo" / "emojivoto.npz"
ALL = ("--history-days", 15)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """A history file of sixteen complete days."""
    return write_past(tmp_path / "usage.npz", 16)


def test_the_text_has_samples_window_cost_and_other_policies(program: Program, past: Path) -> None:
    """Two replicas have 9216 samples in 16 days of 288 steps; the 15 days before the last one count.

    KRR's memory value is 1 GiB plus 15 %: 1177.6 MiB, rounded up. The request of 4 cores is listed too.
    """
    outcome = program.run("explain", "shop/web", "--history", past, *ALL)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("shop/web, as of 2024-10-20T00:00:00Z\nProfile, CPU: ")
    assert (
        "9216 samples of at most 2 replicas at a time in the 16 UTC days up to 2024-10-19. The value is"
        " chosen from 15 UTC days (2024-10-04 to 2024-10-18)" in outcome.one_line
    )
    assert "2024-10-19 is the current day: it counts when the next day begins" in outcome.one_line
    assert "The value is the one of least cost on these days: " in outcome.one_line
    assert "Upper bound for nine of ten days: " in outcome.one_line
    assert "To compare, use --kubeconfig without --history." in outcome.one_line
    assert "a core that is missing costs as much as 34 idle ones" in outcome.one_line
    assert "So usage may exceed a value for 2.9% of the time." in outcome.one_line
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["krr", "1178Mi"] in [line[:2] for line in lines]
    assert ["requests", "4000m"] in [line[:2] for line in lines]
    assert sum(line[:1] == ["2024-10-18"] for line in lines) == 2


def test_risk_changes_the_price(program: Program, past: Path) -> None:
    """The price of risk follows --risk."""
    outcome = program.run("explain", "shop/web", "--history", past, "--risk", "low")

    assert "a core that is missing costs as much as 100 idle ones" in outcome.one_line


@pytest.mark.parametrize("named", ["shop/database", "StatefulSet/shop/database", "statefulset/shop/database"])
def test_a_kind_may_be_left_out(program: Program, past: Path, named: str) -> None:
    """The kind is optional if only one workload has the name, and is not case-sensitive."""
    outcome = program.run("explain", named, "--history", past)

    assert outcome.code == 0
    assert outcome.out.startswith("StatefulSet/shop/database, as of ")


def test_the_plot_is_written(program: Program, past: Path, tmp_path: Path) -> None:
    """The plot has a panel for CPU and one for memory, dates, and the amounts of the requests."""
    file = tmp_path / "web.svg"

    assert program.run("explain", "shop/web", "--history", past, "--plot", file).code == 0

    texts = [node.text for node in ET.fromstring(file.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert {"server: CPU, cores", "server: memory, GiB", "requests 4", "requests 2 GiB", "usage"} <= set(
        texts
    )
    assert any(text and text.endswith("2024, UTC") for text in texts)


def test_the_plot_is_a_png_by_its_name(program: Program, past: Path, tmp_path: Path) -> None:
    """The ending decides, in letters of either size."""
    file = tmp_path / "web.PNG"

    assert program.run("explain", "shop/web", "--history", past, "--plot", file).code == 0
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["web.pdf", "web", "web.svg.gz"])
def test_another_ending_is_refused(program: Program, name: str) -> None:
    """Before the history is read, which does not exist here."""
    outcome = program.run("explain", "shop/web", "--history", "/nowhere.npz", "--plot", name)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"job-profiler: --plot is '{name}': the name must end in .svg or .png\n"


def test_without_the_extra_only_the_plot_fails(
    program: Program, past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text needs no package of the extra."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)

    outcome = program.run("explain", "shop/web", "--history", past, "--plot", tmp_path / "web.svg")

    assert program.run("explain", "shop/web", "--history", past).code == 0
    assert (outcome.code, outcome.out) == (2, "")
    assert "pip install 'kubernetes-job-profiler[dashboard]'" in outcome.err


@pytest.mark.parametrize(
    ("named", "code", "message"),
    [
        ("web", 2, "WORKLOAD is 'web': use NAMESPACE/NAME, KIND/NAME with -n, or KIND/NAMESPACE/NAME"),
        ("shop/wep", 1, "usage.npz; the nearest name is Deployment/shop/web\n"),
        ("shop/wep", 1, "job-profiler: no workload shop/wep was found in "),
        ("DaemonSet/shop/web", 1, "job-profiler: no workload DaemonSet/shop/web was found in "),
        ("Deploymnt/shop/web", 1, "usage.npz; the nearest name is Deployment/shop/web\n"),
        ("store/web", 1, "usage.npz; the nearest name is Deployment/shop/web\n"),
        ("store/other", 1, "no workload store/other was found in "),
    ],
)
def test_an_unknown_workload(program: Program, past: Path, named: str, code: int, message: str) -> None:
    """The message lists similar workloads, where there are some."""
    outcome = program.run("explain", named, "--history", past)

    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_value_and_bound_equal_those_of_the_profile(program: Program, past: Path) -> None:
    """`job-profiler profile` on the same file has the same values; its bound is rounded up to 0.1 %."""
    profiles = program.run("profile", "--history", past, *ALL, "-o", "json")
    cpu, memory = (
        next(item for item in json.loads(profiles.out)["items"] if item["kind"] == kind and _is_web(item))
        for kind in ("CPUProfile", "MemoryProfile")
    )

    outcome = program.run("explain", "shop/web", "--history", past, *ALL)

    cores = need(Resource.CPU, cpu["spec"]["cpuProfiling"]["value"])
    size = need(Resource.MEMORY, memory["spec"]["memoryProfiling"]["value"])
    assert f"Profile, CPU: {cores}\n" in outcome.out
    assert f"server, CPU: {cores}\n" in outcome.out
    assert f"server, memory: {size}\n" in outcome.out
    percent = float(outcome.one_line.partition("Upper bound for nine of ten days: ")[2].partition("%")[0])
    bound = float(cpu["status"]["risk"]["timeAboveAtMost"])
    assert bound - 0.001 <= round(percent / 100, 6) <= bound
    assert cpu["status"]["risk"]["timeAbove"] <= cpu["status"]["risk"]["timeAboveAtMost"]


@pytest.mark.parametrize("workload", ["emojivoto/web", "deploy/web", "deployments.apps/emojivoto/web"])
def test_explain_and_profile_give_the_same_numbers(program: Program, workload: str) -> None:
    """The record has init containers, which count in no Pod: linkerd-init is left out of both.

    The kind may be one of kubectl's names, and `-n` the namespace.
    """
    profiles = json.loads(program.run("profile", "--history", RECORD, "-o", "json").out)["items"]
    values = {
        item["kind"]: next(iter(item["spec"].values()))["value"]
        for item in profiles
        if item["kind"] != "ConnectionProfile" and _is_web(item)
    }

    outcome = program.run("explain", workload, "-n", "emojivoto", "--history", RECORD)

    assert (outcome.code, outcome.err) == (0, "")
    cores, size = need(Resource.CPU, values["CPUProfile"]), need(Resource.MEMORY, values["MemoryProfile"])
    made = "the sum of its containers before rounding up: linkerd-proxy"
    assert f"Profile, CPU: {cores}, {made} 7m + web-svc 26m\n" in outcome.out
    assert f"Profile, memory: {size}, {made} 4Mi + web-svc 21Mi\n" in outcome.out
    assert "Left out: linkerd-init." in outcome.out
    assert "linkerd-init, CPU" not in outcome.out


def test_explain_and_profile_agree_on_every_workload(program: Program, tmp_path: Path) -> None:
    """Random pasts, with containers that ended, that were born late, and that have gaps."""
    for seed in range(3):
        past = write_random_past(tmp_path / f"{seed}.npz", seed)
        items = json.loads(program.run("profile", "--history", past, "-o", "json").out)["items"]
        for item in items:
            notes = item["metadata"]["annotations"]
            name = "/".join(
                notes[f"job-profiler.liqo.io/workload-{part}"] for part in ("kind", "namespace", "name")
            )
            resource = Resource.CPU if item["kind"] == "CPUProfile" else Resource.MEMORY
            value = need(resource, next(iter(item["spec"].values()))["value"])

            outcome = program.run("explain", name, "--history", past)

            assert f"Profile, {RESOURCE_NAMES[resource]}: {value}" in outcome.out, (seed, name)


def write_random_past(path: Path, seed: int) -> Path:
    """Nine days of three workloads of up to three containers, each in a part of the time."""
    chance = np.random.default_rng(seed)
    steps = np.arange(1, 9 * 288 + 1)
    containers = []
    for workload in ("a", "b", "c"):
        for container in ("app", "init", "proxy")[: chance.integers(1, 4)]:
            first, last = sorted(chance.integers(0, len(steps), 2))
            ran = steps[first:last] if container != "app" else steps
            times = (FIRST_MIDNIGHT + 300 * ran)[chance.random(len(ran)) < 0.9]
            usage = chance.gamma(2, 0.1, len(times))
            pod = f"shop/{workload}-7d9f8b6c5d-abcde/{container}"
            owner = f"Deployment/shop/{workload}"
            containers.append(RecordedContainer(pod, times, usage, usage * 2**30, owner, np.nan, np.nan))
    write_history_file(path, containers)
    return path


def _is_web(manifest: dict[str, Any]) -> bool:
    return bool(manifest["metadata"]["annotations"]["job-profiler.liqo.io/workload-name"] == "web")


def write_siblings(path: Path, namespaces: dict[str, int]) -> Path:
    """Writes `web` in each of *namespaces* with its hours of usage: 1 core in `shop`, 4 cores in others."""
    newest = FIRST_MIDNIGHT // 300 + 4 * 288
    containers = []
    for namespace, hours in namespaces.items():
        times = 300 * np.arange(newest - hours * 12 + 1, newest + 1)
        used = np.ones(len(times)) * (1.0 if namespace == "shop" else 4.0)
        owner = f"Deployment/{namespace}/web"
        containers.append(
            RecordedContainer(f"{namespace}/web-1/server", times, used, used * 2**30, owner, np.nan, np.nan)
        )
    write_history_file(path, containers)
    return path


def test_a_new_workload_gets_the_value_of_its_siblings(program: Program, tmp_path: Path) -> None:
    """Two hours of one core give 1 + .5 / (1 + 1/12)^3 = 1.39 cores; two siblings use four for three days.

    Two of these days are before today, so the siblings' values are raised by .5 / (1 + 2)^3 = 1.9 %, to 4.074
    cores, 4.075 in the profile. A third container of that name has too little history. The profile
    has the same value. With only its own namespace in scope the workload has no siblings.
    """
    past = write_siblings(tmp_path / "usage.npz", {"shop": 2, "store": 72, "test": 72, "new": 3})
    profiles = program.run("profile", "--history", past, "-o", "json")
    shop = next(item for item in json.loads(profiles.out)["items"] if _is_of_shop(item))

    outcome = program.run("explain", "shop/web", "--history", past)
    alone = program.run("explain", "shop/web", "--history", past, "--profiling-namespace", "shop")

    value = shop["spec"]["cpuProfiling"]["value"]
    assert shop["status"]["containers"][0]["siblings"] == 2
    assert value == "4.075"
    assert "server, CPU: 4075m\n" in outcome.out
    assert ", the current day, is included: less than one day of history precedes it" in outcome.one_line
    assert "Without siblings, the value would be the one of least cost on these days: " in outcome.one_line
    assert "The value is the median of 2 siblings " in outcome.one_line
    assert "siblings in all namespaces" in alone.one_line
    assert "Without siblings" not in alone.one_line


def _is_of_shop(manifest: dict[str, Any]) -> bool:
    annotations = manifest["metadata"]["annotations"]
    namespace = annotations["job-profiler.liqo.io/workload-namespace"]
    return (manifest["kind"], namespace) == ("CPUProfile", "shop")


WEB = Workload("emojivoto", "web")
NOW = datetime.now(UTC)


def stored_cpu(value: str, **more: Any) -> ResourceProfile:
    """The CPU profile of `web` with two containers, from 14 days of usage."""
    containers = tuple(ContainerNeed(name, "0.100", 288) for name in ("linkerd-proxy", "web-svc"))
    basis = Basis(NOW - timedelta(days=14, hours=1), NOW - timedelta(minutes=5), 8000, 1.0, 0.9)
    risk = StatedRisk(RiskLevel.NORMAL, 0.004, 0.02)
    profile = ResourceProfile(WEB, Resource.CPU, value, basis, containers=containers, risk=risk)
    return replace(profile, **more)


def store(server: FakeApiServer, profile: ResourceProfile, name: str | None = None) -> str:
    """Serves *profile* under *name*, by default its first possible name, which is returned."""
    name = name or contract_name(profile.identity)
    assert name
    manifest = to_manifest(profile, name=name, namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(profile, refreshed_at=NOW)
    plural = KINDS[profile.resource.profile_kind].plural
    server.on("GET", paths.profile(plural, "profiling", name), answers(manifest))
    return name


async def explained(program: Program, server: FakeApiServer, tmp_path: Path, *more: object) -> Outcome:
    """Explains `emojivoto/web` with constant usage and the profiles of *server*."""
    serve(server, EmojivotoPrometheus())
    namespace = "emojivoto"
    serve_namespaces(server, namespace)
    web_deployment = {"metadata": {"name": "web", "namespace": namespace}}
    server.on("GET", paths.deployments(namespace), listed(web_deployment))
    for path_of in (paths.pods, paths.stateful_sets, paths.daemon_sets, paths.jobs):
        if not server.has("GET", path_of(namespace)):
            server.on("GET", path_of(namespace), listed())
    kubeconfig = server.kubeconfig(tmp_path)
    arguments = ("--prometheus-url", server.url, "--kubeconfig", kubeconfig, *more)
    return await program.run_beside("explain", "emojivoto/web", *arguments)


class TestStored:
    """Comparison with the stored profiles."""

    async def test_a_stabilized_value_and_pressure_are_shown(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """After 7 days (0.1 + 0.02) * (1 + .5 / 8^3) = 0.1201, rounded up: 0.121 cores. 0.175 is newer."""
        signal = PressureSignal("web-svc", Pressure.CPU_THROTTLING, NOW, 0.25)
        name = store(api_server, stored_cpu("0.180", signals=(signal,), newest="0.175"))

        outcome = await explained(program, api_server, tmp_path)

        assert (outcome.code, outcome.err) == (0, "")
        assert f"Stored, CPU: 180m ({name}, unchanged since " in outcome.one_line
        assert "Computed: 121m" in outcome.one_line
        assert "Its status: From 8,000 five-minute samples" in outcome.one_line
        assert "The latest choice is 175m; the value stays" in outcome.one_line
        assert "CPU throttling of web-svc (last seen " in outcome.one_line
        assert (
            "raises the stored value by 25%; the computed value ignores throttling and OOM kills."
            in outcome.one_line
        )
        assert "a stored value stays until a change saves more than 4% of cost" in outcome.one_line
        assert "Stored: no memory profile in namespace profiling" in outcome.one_line
        assert "To compare, use" not in outcome.one_line

    async def test_the_profiles_of_a_release_elsewhere(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """The profiler runs in `platform`, and so do its profiles live there."""
        profiler = {"name": "profiler", "env": [{"name": "ROLE", "value": "profiler"}]}
        installed = {
            "metadata": {"name": "profiler", "namespace": "platform"},
            "spec": {"template": {"spec": {"containers": [profiler]}}},
        }
        api_server.on("GET", paths.deployments(), listed(installed))
        name = contract_name(stored_cpu("0.180").identity)
        manifest = to_manifest(stored_cpu("0.180"), name=name or "", namespace="platform", updated_at=NOW)
        api_server.on("GET", paths.profile("cpuprofiles", "platform", name or ""), answers(manifest))

        outcome = await explained(program, api_server, tmp_path)

        assert f"Stored, CPU: 180m ({name}" in outcome.one_line
        assert "Stored: no memory profile in namespace platform" in outcome.one_line

    @pytest.mark.parametrize("odd", [None, 7, "text", ["a", 7], {"a": 7}, [{"name": 7}]], ids=str)
    async def test_a_malformed_status_is_left_out(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path, odd: Any
    ) -> None:
        """People can edit the object: each part of its status in turn, then the whole, is of another type."""
        name = contract_name(Identity(ProfileKind.CPU, WEB)) or ""
        path = paths.profile("cpuprofiles", "profiling", name)
        manifest = to_manifest(stored_cpu("0.180"), name=name, namespace="profiling", updated_at=NOW)
        parts = ("window", "risk", "containers", "signals", "explanation", "conditions", "confidence")
        status = to_status(stored_cpu("0.180"), refreshed_at=NOW)
        for broken in (dict.fromkeys(parts, odd), status | {"signals": odd, "containers": odd}, odd):
            api_server.on("GET", path, answers(manifest | {"status": broken}))

            outcome = await explained(program, api_server, tmp_path)

            assert outcome.code == 0, outcome.err
            assert f"Stored, CPU: 180m ({name}" in outcome.one_line
            entries = 2 * len(odd) if isinstance(odd, list) and broken is not odd else 0
            message = f"{name}: {entries} unreadable entries of its status left out\n"
            assert outcome.err == (message if entries else "")

    async def test_equal_values_have_no_reason(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """Stored and computed value are both 0.121 cores; the profile has its second possible name."""
        name = separated_name(Identity(ProfileKind.CPU, WEB))
        store(api_server, stored_cpu("0.121"), name)

        outcome = await explained(program, api_server, tmp_path)

        assert f"Stored, CPU: 121m ({name}" in outcome.one_line
        assert "Possible reasons" not in outcome.one_line

    async def test_a_profile_of_another_workload_is_not_shown(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """The first possible name belongs to a StatefulSet; the profile of `web` has the second."""
        other = replace(stored_cpu("9.000"), workload=Workload(WEB.namespace, WEB.name, "StatefulSet"))
        store(api_server, other, contract_name(Identity(ProfileKind.CPU, WEB)))
        store(api_server, stored_cpu("0.150"), separated_name(Identity(ProfileKind.CPU, WEB)))

        outcome = await explained(program, api_server, tmp_path)

        assert "Stored, CPU: 150m" in outcome.one_line
        assert "9000m" not in outcome.one_line

    async def test_a_cluster_that_refuses_is_reported(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """Without the permission to read profiles, the explanation and an error message are printed."""
        path = paths.profile("cpuprofiles", "profiling", contract_name(Identity(ProfileKind.CPU, WEB)) or "")
        api_server.on("GET", path, refuses(403, "forbidden"))

        outcome = await explained(program, api_server, tmp_path)

        assert outcome.code == 0
        assert outcome.err.startswith("cannot read the stored profiles: ")
        assert "web-svc, CPU: 101m" in outcome.one_line
        assert "The stored profile may have another value" in outcome.one_line

    async def test_pods_that_can_not_be_listed(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """The workload of a Pod is unknown then: an error names the list, and no numbers follow."""
        api_server.on("GET", paths.pods("emojivoto"), refuses(403, "pods is forbidden: User bob"))

        outcome = await explained(program, api_server, tmp_path)

        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err == (
            "job-profiler: emojivoto/web can't be explained without its cluster:"
            " GET /api/v1/namespaces/emojivoto/pods: 403 Forbidden: pods is forbidden: User bob\n"
        )

    async def test_a_kind_that_can_not_be_listed(
        self, program: Program, api_server: FakeApiServer, tmp_path: Path
    ) -> None:
        """Pods are enough for the explanation; standard error has a sentence on the rest, and no log line."""
        api_server.on("GET", paths.jobs("emojivoto"), refuses(403, "jobs is forbidden: User bob"))

        outcome = await explained(program, api_server, tmp_path)

        assert outcome.code == 0
        assert "Jobs can't be listed: GET /apis/batch/v1/namespaces/emojivoto/jobs: 403" in outcome.err
        assert "not_listed" not in outcome.one_line


def test_a_history_file_needs_no_cluster(
    program: Program, past: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --history KUBECONFIG is ignored, because the file may be from another cluster."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")

    outcome = program.run("explain", "shop/web", "--history", past)

    assert (outcome.code, outcome.err) == (0, "")


async def test_siblings_are_queried_in_the_named_namespaces(
    program: Program, api_server: FakeApiServer
) -> None:
    """Only the workload's namespace is queried; --profiling-namespace adds others."""
    prometheus = EmojivotoPrometheus()
    serve(api_server, prometheus)

    await program.run_beside("explain", "emojivoto/web", "--prometheus-url", api_server.url)
    alone = [question.query for question in prometheus.questions if question.signal == "cpu"]
    prometheus.questions.clear()
    await program.run_beside(
        "explain", "emojivoto/web", "--prometheus-url", api_server.url, "--profiling-namespace", "staging"
    )
    both = [question.query for question in prometheus.questions if question.signal == "cpu"]

    assert all('namespace="emojivoto"' in query or 'namespace=~"emojivoto"' in query for query in alone)
    assert all("emojivoto|staging" in query or "staging|emojivoto" in query for query in both)


def test_one_unit_for_each_resource(program: Program) -> None:
    """Amounts are those of tables: millicores and mebibytes everywhere, no cores and no bytes."""
    outcome = program.run("explain", "emojivoto/web", "--history", RECORD)

    assert not re.search(r"[0-9] (?:cores|bytes|MiB)|[0-9]{5}", outcome.out)
    for table in ("DAY", "POLICY"):
        rows = [
            line.split() for line in outcome.out.split(f"  {table} ")[1].split("\n\n")[0].splitlines()[1:]
        ]
        cells = [cell for row in rows for cell in row[1:] if not cell.endswith("%")]
        assert all(re.fullmatch(r"[0-9]+m|[01]\.[0-9]{3}", cell) for cell in cells), cells
