"""What `job-profiler doctor` finds in real Prometheus servers with histories of real label schemas.

With DOCTOR_OUTPUT=FOLDER each test also writes there what a person would read.
"""

import base64
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.command_line.doctor import diagnose_servers
from app.command_line.doctor_report import as_json, show
from app.diagnosis.diagnosis import Diagnosis, metric_rows
from app.diagnosis.examination import MAX_QUERIES
from app.diagnosis.finding import Severity
from app.settings.environment import read_settings
from tests.cluster.prometheus import Prometheus
from tests.cluster.victoria_metrics import VictoriaMetrics
from tests.diagnosis import stacks
from tests.diagnosis.stacks import NOW, REPORT, Samples
from tests.sources.backend import Backend, ReceivedRequest, Reply

pytestmark = pytest.mark.prometheus

USAGE = ("CPU profiles", "Memory profiles")
Serve = Callable[..., Prometheus]


@pytest.fixture(scope="module")
def serve(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Serve:
    """A Prometheus with these series; keyword arguments are those of `stacks.write`."""

    def start(samples: Iterable[Samples], **options: Any) -> Prometheus:
        path = tmp_path_factory.mktemp("stack") / "stack.openmetrics"
        stacks.write(path, samples, **options)
        return prometheus_factory(path)

    return start


@pytest.fixture(scope="module")
def full(serve: Serve) -> Prometheus:
    """A kube-prometheus-stack without a mesh."""
    return serve([*stacks.containers(), *stacks.objects()])


class Doctor:
    """Examines a server with settings given by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._outputs: list[str] = []

    async def __call__(self, url: str, *, now: float = NOW, **settings: str) -> Diagnosis:
        """The diagnosis at the time *now*."""
        read = read_settings(
            {"prometheus_url": url, **settings}, {"prometheus_url", "excluded_namespaces", *settings}
        )
        diagnosis = await diagnose_servers(read, now)
        if folder := os.environ.get("DOCTOR_OUTPUT"):
            path = Path(folder) / f"{self._name}.txt"
            shown = {"prometheus_url": "http://prometheus:9090", **settings}
            options = (f"--{name.replace('_', '-')} '{value}'" for name, value in shown.items())
            command = " ".join(("job-profiler doctor", *options))
            for width in (80, 120):
                text = printed(diagnosis, width).replace(url, "http://prometheus:9090")
                self._outputs.append(f"$ {command}   # {width} columns\n{text}")
            path.write_text("\n".join(self._outputs))
        return diagnosis


@pytest.fixture
def doctor(request: pytest.FixtureRequest) -> Doctor:
    return Doctor(request.node.name.removeprefix("test_"))


def printed(diagnosis: Diagnosis, width: int = 120) -> str:
    """What a person reads in a terminal of this width."""
    text = io.StringIO()
    show(Console(file=text, width=width, markup=False, emoji=False, highlight=False), diagnosis)
    return text.getvalue()


def reasons(diagnosis: Diagnosis) -> list[str]:
    """The reasons of all findings, in their order."""
    return [finding.reason for finding in diagnosis.findings]


def states(diagnosis: Diagnosis) -> dict[str, str]:
    """The state of each feature by its name."""
    return {feature.name: feature.state.value for feature in diagnosis.features}


def message(diagnosis: Diagnosis, reason: str) -> str:
    """The message of the first finding with this reason."""
    return next(finding.message for finding in diagnosis.findings if finding.reason == reason)


async def test_a_full_kube_prometheus_stack(full: Prometheus, doctor: Doctor) -> None:
    """Everything works but connections, which need a mesh; there are 7 days, and 3 containers each 30 s.

    The newest samples are of 20 seconds before.
    """
    diagnosis = await doctor(full.url)

    assert states(diagnosis) == {
        **dict.fromkeys(USAGE, "yes"),
        "More CPU after throttling": "yes",
        "More memory after OOM kills": "yes",
        "More after pressure stalls (PSI)": "yes",
        "Owners of past Pods": "yes",
        "Requests beside needs (explain, backtest)": "yes",
        "Connection profiles (linkerd)": "no",
        "Connection profiles (istio)": "no",
    }
    assert diagnosis.features[0].basis == "containers: 3"
    assert reasons(diagnosis) == ["NoMesh"]
    assert diagnosis.is_healthy
    document = as_json(diagnosis)
    assert (document["distribution"], document["honorLabels"]) == ("kube-prometheus-stack", True)
    assert document["retentionSeconds"] == 60 * 86400  # a flag of the tests' servers
    cpu = document["metrics"][0]
    assert cpu == {
        "name": "container_cpu_usage_seconds_total",
        "exporter": "kubelet",
        "series": 3,
        "renamed": False,
        "sinceSecondsAtLeast": 7 * 86400,
        "scrapeIntervalSeconds": 30,
        "lagSeconds": 20,  # of the newest scrape at the end of the history
        "duplicatedShare": 0,
        "jobs": ["kubelet"],
    }


async def test_without_kube_state_metrics(serve: Serve, doctor: Doctor) -> None:
    """CPU and memory work; owners are found by names, and OOM kills by the kubelets only."""
    diagnosis = await doctor(serve(stacks.containers()).url)

    assert reasons(diagnosis) == ["NoKubeStateMetrics", "NoMesh"]
    assert states(diagnosis)["Owners of past Pods"] == "partly"
    assert states(diagnosis)["More memory after OOM kills"] == "partly"
    assert states(diagnosis)["Requests beside needs (explain, backtest)"] == "no"
    assert diagnosis.is_healthy
    assert as_json(diagnosis)["honorLabels"] is None


async def test_kube_state_metrics_without_honor_labels(serve: Serve, doctor: Doctor) -> None:
    """All features work by renamed labels, and the finding says what to set."""
    diagnosis = await doctor(serve([*stacks.containers(), *stacks.renamed(stacks.objects())]).url)

    assert reasons(diagnosis) == ["LabelsRenamed", "NoMesh"]
    assert states(diagnosis)["Owners of past Pods"] == "yes"
    assert as_json(diagnosis)["honorLabels"] is False


async def test_kubelets_without_honor_labels(serve: Serve, doctor: Doctor) -> None:
    """The kubelets' series are not read by renamed labels: neither CPU nor memory can be profiled."""
    target = {"namespace": "kube-system", "pod": "kubelet-proxy"}
    diagnosis = await doctor(serve(stacks.renamed(stacks.containers(), target)).url)

    assert reasons(diagnosis)[0] == "LabelsRenamed"
    assert diagnosis.findings[0].costs == "no cpu profiles and no memory profiles"
    assert not diagnosis.is_healthy


async def test_objects_whose_labels_are_dropped(serve: Serve, doctor: Doctor) -> None:
    """Without honorLabels, and with a rule that drops exported labels, one Pod has the owners of all.

    Two of the Pods have the same owner: three different ones are needed to be sure.
    """
    own = {"namespace": "monitoring", "pod": "kube-state-metrics-0", **stacks.KUBE_STATE_METRICS}
    owned = [
        ("kube_pod_owner", {**own, "owner_kind": "ReplicaSet", "owner_name": name})
        for name in ("web-5f5b555dff", "cart-6d4b75cb6d", "db-7d4b9c6f8")
    ]

    diagnosis = await doctor(serve([*stacks.containers(), *owned]).url)

    assert "LabelsDropped" in reasons(diagnosis)
    assert message(diagnosis, "LabelsDropped").startswith("1 Pods have more owners")


async def test_two_scrapers(serve: Serve, doctor: Doctor) -> None:
    """A second job scrapes every kubelet: all containers have two series, and both jobs are named."""
    other = {"job": "cadvisor", "instance": "10.0.0.1:10250"}
    diagnosis = await doctor(serve([*stacks.containers(), *stacks.containers(other), *stacks.objects()]).url)

    assert reasons(diagnosis) == ["ScrapedTwice", "SeveralJobs", "NoMesh"]
    assert message(diagnosis, "ScrapedTwice") == "scraped more than once: 100% of kubelet"
    assert as_json(diagnosis)["metrics"][0]["duplicatedShare"] == 1
    assert 'job="kubelet"' in printed(diagnosis)
    assert all(finding.severity is Severity.NOTE for finding in diagnosis.findings)


async def test_a_pair_of_replicas(serve: Serve, doctor: Doctor) -> None:
    """Two Prometheus replicas without deduplication: one job, and everything twice."""
    samples = [*stacks.containers(), *stacks.objects()]
    pair = [
        (metric, {**labels, "prometheus_replica": replica}) for metric, labels in samples for replica in "ab"
    ]

    diagnosis = await doctor(serve(pair).url)

    assert reasons(diagnosis) == ["ScrapedTwice", "NoMesh"]
    assert message(diagnosis, "ScrapedTwice") == (
        "scraped more than once: 100% of kubelet, 100% of kube-state-metrics"
    )
    assert "SeveralJobs" not in reasons(diagnosis)


@pytest.mark.parametrize("label", ["ha_replica", "__replica__", "vmagent"])
async def test_duplicates_by_any_label(serve: Serve, doctor: Doctor, label: str) -> None:
    """Two scrapers whose series differ in a label that no list has: all is there twice.

    One of the three containers was restarted, and has a series of each run; that is no duplicate.
    """
    samples = [*stacks.containers(), *stacks.objects(), *stacks.linkerd(), *stacks.istio()]
    twice = [(metric, {**labels, label: one}) for metric, labels in samples for one in "ab"]
    again = {"id": "/kubepods/second-run", "name": "second-run"}
    restarted = [
        (metric, {**labels, **again}) for metric, labels in stacks.containers() if labels["pod"] == REPORT
    ]

    single = await doctor(serve([*samples, *restarted]).url)
    double = await doctor(serve(twice).url)

    shares = [
        {row.duplicated_share for row in metric_rows(one.seen) if row.series} for one in (single, double)
    ]
    assert shares == [{0}, {1}]
    assert reasons(double) == ["ScrapedTwice"]


async def test_two_endpoints_of_the_kubelets(serve: Serve, doctor: Doctor) -> None:
    """/metrics/resource has usage too, without the labels `id`, `name` and `image`."""
    samples = [*stacks.containers(), *stacks.objects()]
    other = [
        (metric, {name: labels[name] for name in ("namespace", "pod", "container", "instance", "job")})
        for metric, labels in stacks.containers({**stacks.KUBELET, "job": "resource"})
        if metric.startswith(("container_cpu_usage", "container_memory"))
    ]

    diagnosis = await doctor(serve([*samples, *other]).url)

    assert reasons(diagnosis) == ["ScrapedTwice", "SeveralJobs", "NoMesh"]


async def test_a_pair_without_honor_labels(serve: Serve, doctor: Doctor) -> None:
    """Two kube-state-metrics whose series have renamed labels: their own names are not those of the Pods."""
    pairs = [
        {"namespace": "monitoring", "pod": f"kube-state-metrics-{number}", "container": "main"}
        for number in range(2)
    ]
    renamed = [sample for target in pairs for sample in stacks.renamed(stacks.objects(), target)]

    diagnosis = await doctor(serve([*stacks.containers(), *renamed]).url)

    assert reasons(diagnosis) == ["ScrapedTwice", "LabelsRenamed", "NoMesh"]


async def test_a_store_that_lags(full: Prometheus, doctor: Doctor) -> None:
    """12 minutes and 20 seconds after the newest sample everything is still found, as of then."""
    diagnosis = await doctor(full.url, now=NOW + 720)

    assert reasons(diagnosis) == ["LateSamples", "NoMesh"]
    assert message(diagnosis, "LateSamples") == (
        "the newest samples are old: kube-state-metrics (job kube-state-metrics): 12 minutes,"
        " kubelet (job kubelet): 12 minutes"
    )
    assert [states(diagnosis)[name] for name in USAGE] == ["yes", "yes"]
    assert as_json(diagnosis)["metrics"][0]["lagSeconds"] == 740


async def test_one_of_two_writers_lags(serve: Serve, doctor: Doctor) -> None:
    """The samples of one node of two are 12 minutes late: it is missing at the time of the newest samples."""
    nodes = [
        (metric, {**labels, "instance": node, "pod": f"{labels['pod']}-{node}"})
        for metric, labels in stacks.containers()
        for node in ("node-1", "node-2")
    ]

    diagnosis = await doctor(serve([*nodes, *stacks.objects()], late={"node-2": 720}).url)

    assert reasons(diagnosis) == ["TargetsGone", "NoMesh"]
    assert message(diagnosis, "TargetsGone").startswith("1 of the 2 kubelets of an hour ago")


async def test_targets_that_are_scraped_a_minute_apart(serve: Serve, doctor: Doctor) -> None:
    """The newest sample is of one node, 10 seconds after a step's end; the other node is not called gone.

    So is it in each step that is not over: its samples are of the targets that were scraped so far.
    """
    nodes = [
        (metric, {**labels, "instance": node, "pod": f"{labels['pod']}-{node}"})
        for metric, labels in stacks.containers()
        for node in ("node-1", "node-2")
    ]
    url = serve(nodes, scrape_seconds=60, early_seconds=-10, late={"node-2": 1}).url

    assert reasons(await doctor(url)) == ["NoKubeStateMetrics", "NoMesh"]


async def test_a_store_that_has_ended(full: Prometheus, doctor: Doctor) -> None:
    """5 hours and 50 minutes after the newest sample there is neither CPU nor memory.

    6 hours before the examination is 10 minutes before the newest sample, so it is said that they were there.
    """
    diagnosis = await doctor(full.url, now=NOW + 6 * 3600 - 600)

    assert reasons(diagnosis) == ["Ended"]
    assert not diagnosis.is_healthy


async def test_linkerd_viz_has_its_own_prometheus(serve: Serve, doctor: Doctor) -> None:
    """No kube-state-metrics, OOM events or PSI, and hours of history; connections work."""
    cadvisor = {"job": "kubernetes-nodes-cadvisor", "instance": "node-1"}
    kept = stacks.dropping(stacks.containers(cadvisor), *stacks.LINKERD_VIZ_DROPS)
    diagnosis = await doctor(serve([*kept, *stacks.linkerd()], oldest_seconds=0).url)

    assert diagnosis.distribution.name == "Linkerd viz"
    assert states(diagnosis)["Connection profiles (linkerd)"] == "yes"
    assert states(diagnosis)["More memory after OOM kills"] == "no"
    assert reasons(diagnosis) == ["NoKubeStateMetrics", "MetricDropped", "ShortHistory"]


@pytest.mark.parametrize(
    ("dropped", "reason"),
    [("up", "UpDropped"), ("process_start", "StartDropped"), ("istio_agent", "StartDropped")],
)
async def test_what_says_when_a_proxy_was_scraped(
    serve: Serve, doctor: Doctor, dropped: str, reason: str
) -> None:
    """A keep-list of remote write has the counters of the proxies, and not what counts rest on."""
    proxies = list(stacks.istio() if dropped == "istio_agent" else stacks.linkerd())
    kept = stacks.dropping(proxies, dropped)

    diagnosis = await doctor(serve([*stacks.containers(), *stacks.objects(), *kept]).url)

    assert reasons(diagnosis) == [reason]
    assert message(diagnosis, reason).startswith("1 of the 1 proxies")


async def test_an_empty_prometheus(
    prometheus_factory: Callable[[Path | None], Prometheus], doctor: Doctor
) -> None:
    """Neither CPU nor memory can be profiled; each says how to get it."""
    diagnosis = await doctor(prometheus_factory(None).url)

    assert reasons(diagnosis) == ["NotScraped", "NoKubeStateMetrics", "NoMesh"]
    assert {state for name, state in states(diagnosis).items() if name in USAGE} == {"no"}
    assert not diagnosis.is_healthy


async def test_several_clusters(serve: Serve, doctor: Doctor) -> None:
    """Two clusters in one Prometheus are named, since no Pod is known here. A wrong name shows the right."""
    samples = [*stacks.containers(), *stacks.objects()]
    clusters = [
        (
            metric,
            {**labels, "cluster": name, "namespace": labels["namespace"].replace("shop", f"{name}-shop")},
        )
        for metric, labels in samples
        for name in ("east", "west")
    ]
    url = serve(clusters).url

    unnamed = await doctor(url)
    named = await doctor(url, prometheus_cluster="east")
    wrong = await doctor(url, prometheus_cluster="north")

    assert reasons(unnamed)[0] == "SeveralClusters"
    assert message(unnamed, "SeveralClusters").endswith("cluster: east (1 namespace), west (1 namespace)")
    assert unnamed.is_healthy
    assert reasons(named) == ["NoMesh"]
    assert reasons(wrong) == ["UnknownCluster"]
    assert message(wrong, "UnknownCluster").endswith("there is cluster: east, west")


GOOGLE = {"project_id": "shop", "location": "europe-west1", "cluster": "prod"}


async def test_google_behind_a_frontend(serve: Serve, doctor: Doctor) -> None:
    """The address is that of a proxy, and jobs are those of a kube-prometheus-stack; labels are Google's."""
    samples = stacks.dropping([*stacks.containers(), *stacks.objects()], "container_oom", "container_press")

    diagnosis = await doctor(serve((metric, {**labels, **GOOGLE}) for metric, labels in samples).url)

    assert diagnosis.distribution.name == "GKE managed Prometheus"
    assert reasons(diagnosis) == ["MetricDropped", "NoMesh"]


async def test_two_clusters_of_amazon(serve: Serve, doctor: Doctor) -> None:
    """A workspace with two clusters, which differ in `clusterArn`: named by it."""
    arn = "arn:aws:eks:eu-west-1:123456789012:cluster"
    samples = [
        (metric, {**labels, "clusterArn": f"{arn}/{name}", "namespace": f"{name}-shop"})
        for metric, labels in [*stacks.containers(), *stacks.objects()]
        for name in "ab"
    ]
    url = serve(samples).url

    unnamed = await doctor(url)
    named = await doctor(url, prometheus_cluster=f"{arn}/a", prometheus_cluster_label="clusterArn")

    assert unnamed.distribution.name == "Amazon Managed Prometheus"
    assert reasons(unnamed) == ["SeveralClusters", "NoMesh"]
    assert unnamed.findings[0].remedy.lines == (
        f"prometheus: {{cluster: '{arn}/b', clusterLabel: clusterArn}}",
    )
    assert reasons(named) == ["NoMesh"]


async def test_a_scrape_every_five_minutes(serve: Serve, doctor: Doctor) -> None:
    """Scrapes 7 seconds before each step's end: no step has two, so there is no CPU. Memory needs one."""
    diagnosis = await doctor(serve(stacks.containers(), scrape_seconds=300, early_seconds=7).url)

    assert reasons(diagnosis)[0] == "ScrapedTooRarely"
    assert [states(diagnosis)[name] for name in USAGE] == ["no", "yes"]


async def test_a_scrape_every_two_minutes(serve: Serve, doctor: Doctor) -> None:
    """All steps have two or three samples, until a scrape is missed: a minute is advised."""
    samples = [*stacks.containers(), *stacks.objects(), *stacks.linkerd()]

    minute = await doctor(serve(samples, scrape_seconds=60).url)
    two_minutes = await doctor(serve(samples, scrape_seconds=120).url)

    assert reasons(minute) == []
    assert reasons(two_minutes) == ["ScrapedRarely"]
    assert message(two_minutes, "ScrapedRarely").startswith("scraped every 120 s: kubelet, linkerd;")
    assert states(two_minutes)["CPU profiles"] == "yes"


async def test_a_prometheus_that_was_just_started(serve: Serve, doctor: Doctor) -> None:
    """A minute of samples does not show the interval: the few that there are don't mean that it is long."""
    samples = [*stacks.containers(), *stacks.objects()]

    diagnosis = await doctor(serve(samples, recent_seconds=60, oldest_seconds=0).url)

    assert reasons(diagnosis) == ["ShortHistory", "NoMesh"]
    assert as_json(diagnosis)["metrics"][0]["scrapeIntervalSeconds"] is None


async def test_a_matcher_that_fits_nothing(full: Prometheus, doctor: Doctor) -> None:
    """The message names the matcher, and the jobs that there are."""
    diagnosis = await doctor(full.url, container_metrics_matcher='job="cadvisor"')

    assert reasons(diagnosis) == ["NothingMatches", "NoMesh"]
    assert 'matches job="cadvisor"; the jobs are kubelet' in message(diagnosis, "NothingMatches")


async def test_windows_nodes(serve: Serve, doctor: Doctor) -> None:
    """Windows nodes have usage in /metrics/resource only, which a matcher of the path leaves out."""
    names = ("namespace", "container", "job", "endpoint", "service")
    windows = [
        (
            metric,
            {name: labels[name] for name in names}
            | {
                "pod": f"windows-{labels['pod']}",
                "metrics_path": "/metrics/resource",
                "instance": "10.0.0.9",
            },
        )
        for metric, labels in stacks.containers()
        if metric.startswith(("container_cpu_usage", "container_memory"))
    ]
    url = serve([*stacks.containers(), *stacks.objects(), *windows]).url

    everything = await doctor(url)
    by_path = await doctor(url, container_metrics_matcher='job="kubelet",metrics_path="/metrics/cadvisor"')

    assert reasons(everything) == ["NoMesh"]
    assert everything.features[0].basis == "containers: 6"
    assert reasons(by_path) == ["NotSelected", "NoMesh"]
    assert message(by_path, "NotSelected").startswith("3 containers have no series that matches job=")


@pytest.mark.parametrize("width", [80, 120])
async def test_the_width_of_a_terminal(serve: Serve, doctor: Doctor, width: int) -> None:
    """No word is cut, and only lines of configuration are wider: they are to be copied."""
    arn = "arn:aws:eks:eu-west-1:123456789012:cluster/production"
    jobs = ("integrations/kubernetes/cadvisor", "integrations/kubernetes/kube-state-metrics")
    samples = [
        *stacks.dropping(stacks.containers({**stacks.KUBELET, "job": jobs[0]}), "container_oom"),
        *stacks.dropping(stacks.objects({**stacks.KUBE_STATE_METRICS, "job": jobs[1]}), "kube_job_owner"),
    ]
    diagnosis = await doctor(
        serve([(metric, {**labels, "clusterArn": arn}) for metric, labels in samples]).url
    )

    text = printed(diagnosis, width)

    configuration = {line for finding in diagnosis.findings for line in finding.remedy.lines}
    assert all(len(line) <= width or line.strip() in configuration for line in text.splitlines())
    words = {arn, *jobs, "kube_pod_container_status_last_terminated_reason"}
    assert {word for word in words if word in text} == words


async def test_dropped_metrics_are_named_with_the_line_that_keeps_them(serve: Serve, doctor: Doctor) -> None:
    """AKS' minimal ingestion profile: no OOM events, ended containers' reasons, or owners of Jobs."""
    cadvisor, objects = {**stacks.KUBELET, "job": "cadvisor"}, stacks.objects()
    dropped = ("container_oom_events_total", "kube_job_owner", "kube_pod_container_status_terminated_reason")
    samples = stacks.dropping([*stacks.containers(cadvisor), *objects], *dropped)

    diagnosis = await doctor(serve(samples).url)

    assert diagnosis.distribution.name == "AKS"
    keep_lists = [finding.remedy.lines for finding in diagnosis.findings if finding.reason == "MetricDropped"]
    assert keep_lists == [
        ('cadvisor = "container_oom_events_total"',),
        ('kubestate = "kube_job_owner|kube_pod_container_status_terminated_reason"',),
    ]


async def test_the_meshs_own_prometheus(full: Prometheus, serve: Serve, doctor: Doctor) -> None:
    """Containers are in one server and the mesh in the other: each is asked for its own."""
    mesh = serve(stacks.linkerd())

    diagnosis = await doctor(full.url, connections_prometheus_url=mesh.url)

    assert reasons(diagnosis) == []
    assert states(diagnosis)["Connection profiles (linkerd)"] == "yes"


async def test_thanos_and_victoriametrics(full: Prometheus, doctor: Doctor) -> None:
    """Neither answers for the retention; a partial answer is no answer, and nothing is called absent for it.

    The number of requests is within the limit.
    """
    partial: list[str] = []

    def play(request: ReceivedRequest) -> Reply | None:
        if not request.path.endswith("/query_range"):
            return Reply(404, "404 page not found\n")
        body = request.answer()
        body["data"].pop("stats", None)
        if partial == ["thanos"]:
            return Reply(200, body | {"warnings": ["store-3 is unavailable"]})
        return Reply(200, body | {"isPartial": bool(partial)})

    with Backend(full.url, play) as backend:
        whole = await doctor(backend.url)
        asked = len(backend.requests)
        answers = []
        for kind in ("thanos", "victoriametrics"):
            partial[:] = [kind]
            answers.append(await doctor(backend.url))

    assert (reasons(whole), whole.retention_seconds) == (["NoMesh"], None)
    assert asked <= MAX_QUERIES
    for incomplete in answers:
        assert set(reasons(incomplete)) == {"Unanswered"}
        assert "stores (Thanos) or storage nodes (VictoriaMetrics)" in incomplete.findings[0].remedy.text
        assert set(states(incomplete).values()) == {"unknown"}
        assert not incomplete.is_healthy
        assert "not there" not in printed(incomplete)


async def test_a_query_that_is_too_large(full: Prometheus, doctor: Doctor) -> None:
    """A proxy that gives up on rates: the profiler would send smaller ones, so CPU can be profiled."""

    def play(request: ReceivedRequest) -> Reply | None:
        if not request.path.endswith("/query_range"):
            return Reply(404, "404 page not found\n")
        return Reply(504, "<html>504 Gateway Time-out</html>") if "rate(" in request.form["query"] else None

    with Backend(full.url, play) as backend:
        diagnosis = await doctor(backend.url)

    assert reasons(diagnosis) == ["Unanswered", "NoMesh"]
    assert [states(diagnosis)[name] for name in USAGE] == ["yes", "yes"]
    assert diagnosis.is_healthy


async def test_a_full_stack_in_victoriametrics(
    victoria_metrics_factory: Callable[[Path | None], VictoriaMetrics], tmp_path: Path, doctor: Doctor
) -> None:
    """The same findings as in Prometheus; it does not answer for its retention."""
    stacks.write(tmp_path / "stack.openmetrics", [*stacks.containers(), *stacks.objects()])

    diagnosis = await doctor(victoria_metrics_factory(tmp_path / "stack.openmetrics").url)

    assert reasons(diagnosis) == ["NoMesh"]
    assert set(states(diagnosis).values()) == {"yes", "no"}
    assert diagnosis.retention_seconds is None
    cpu = as_json(diagnosis)["metrics"][0]
    assert (cpu["scrapeIntervalSeconds"], cpu["lagSeconds"]) == (30, 20)
    assert cpu["sinceSecondsAtLeast"] == 7 * 86400


async def test_a_server_that_is_away(doctor: Doctor) -> None:
    """The error is the only finding, and no second query is sent to wait for."""
    diagnosis = await doctor("http://127.0.0.1:1")

    assert reasons(diagnosis) == ["Unreachable"]
    assert (diagnosis.features, diagnosis.is_healthy) == ((), False)


async def test_a_login_page(full: Prometheus, doctor: Doctor) -> None:
    """401 for every query is a fault of the credentials, not an empty Prometheus."""
    with Backend(full.url, lambda _: Reply(401, "Unauthorized\n")) as backend:
        diagnosis = await doctor(backend.url)

    [fault] = diagnosis.findings
    assert "401 Unauthorized" in fault.message
    assert "PROMETHEUS_PASSWORD_FILE" in fault.remedy.text
    assert fault.page == "docs/pages/prometheus.md#credentials"
    assert len(backend.requests) == 1


async def test_a_wrong_password(full: Prometheus, doctor: Doctor, tmp_path: Path) -> None:
    """With the right one everything is read; with another one the credentials are named."""
    login = f"Basic {base64.b64encode(b'profiler:right').decode()}"
    password = tmp_path / "password"

    def play(request: ReceivedRequest) -> Reply | None:
        if request.headers.get("authorization") != login:
            return Reply(401, "Unauthorized\n")
        return None if request.path.endswith("/query_range") else Reply(404, "404 page not found\n")

    file = str(password)
    with Backend(full.url, play) as backend:
        password.write_text("right")
        right = await doctor(backend.url, prometheus_username="profiler", prometheus_password_file=file)
        password.write_text("wrong")
        wrong = await doctor(backend.url, prometheus_username="profiler", prometheus_password_file=file)

    assert (reasons(right), reasons(wrong)) == (["NoMesh"], ["HTTPError"])
    assert "PROMETHEUS_PASSWORD_FILE" in wrong.findings[0].remedy.text


async def test_a_server_below_a_path(full: Prometheus, doctor: Doctor) -> None:
    """Mimir answers below /prometheus; without that in the URL it is said where others answer."""

    def play(request: ReceivedRequest) -> Reply | None:
        is_query = request.path == "/prometheus/api/v1/query_range"
        return None if is_query else Reply(404, "404 page not found\n")

    with Backend(full.url, play) as backend:
        below = await doctor(f"{backend.url}/prometheus")
        above = await doctor(backend.url)

    assert (reasons(below), reasons(above)) == (["NoMesh"], ["HTTPError"])
    assert "Mimir and Cortex have /prometheus" in above.findings[0].remedy.text
