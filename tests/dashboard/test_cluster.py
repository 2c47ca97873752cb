"""The dashboard of a cluster: what it reads with the user's kubeconfig, and usage from a Prometheus."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.command_line.cluster_access import choose_access
from app.command_line.dashboard import served
from app.command_line.dashboard_sources import ClusterFacts
from app.command_line.prometheus_access import Reached
from app.command_line.workload_usage import narrowed
from app.domain.workloads import Workload
from app.kubernetes import paths
from app.kubernetes.overrides import NO_OVERRIDES
from app.settings.environment import read_settings
from tests.command_line.decided_cluster import serve_cluster
from tests.command_line.served_prometheus import serve
from tests.decisions.manifests import container, deployment, need
from tests.kubernetes.fake_api_server import FakeApiServer, answers, listed, refuses
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

WEB = need("cpu", "web", "0.050", namespace="emojivoto", containers=({"name": "web-svc", "value": "0.050"},))


@pytest.fixture
async def api_server() -> AsyncIterator[FakeApiServer]:
    """A fake API server with the profiles of a shop."""
    async with FakeApiServer() as running:
        serve_cluster(running, "shop")
        yield serve_cluster(running)


@asynccontextmanager
async def dashboard(
    api_server: FakeApiServer, directory: Path, prometheus_url: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a dashboard of the cluster, as the command serves it."""
    settings = read_settings(
        {"prometheus_url": prometheus_url} if prometheus_url else {}, ("prometheus_url",)
    )
    access = choose_access(api_server.kubeconfig(directory), NO_OVERRIDES, all_namespaces=True)
    async with (
        ClusterFacts(settings, access) as facts,
        served(facts, 0) as server,
        httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        yield client


async def test_a_cluster_is_read_as_the_commands_read_it(api_server: FakeApiServer, tmp_path: Path) -> None:
    """The totals of `savings`, the change of `changes` and the patch of `export patch`; without a release."""
    async with dashboard(api_server, tmp_path) as client:
        overview = (await client.get("")).text
        web = (await client.get("workload?namespace=shop&name=web")).text
        edges = (await client.get("connections")).text

    assert re.search(r"1\.42</span> cores", overview)
    assert '<p class="source">context fake</p>' in overview  # the context of the kubeconfig
    assert "Health can't be read:" in overview  # there is no status without a release
    assert "usage fell" in web
    assert "memory: 347Mi" in web
    assert "app keeps its CPU request: a HorizontalPodAutoscaler scales on it." in web
    assert web.count("No curve.") == 2
    assert "60.00" in edges


async def test_requests_replicas_and_limits_are_those_of_now(
    api_server: FakeApiServer, tmp_path: Path
) -> None:
    """In its profile web has 3 Pods of 500m without a limit, now 5 of 250m: 5 x 0.224 = 1.12 cores."""
    web = deployment("web", container(requests={"cpu": "250m"}, limits={"cpu": "700m"}), replicas=5)
    api_server.on("GET", paths.deployments(None), listed(web))
    async with dashboard(api_server, tmp_path) as client:
        page = (await client.get("workload?namespace=shop&name=web")).text

    assert "5 Pods, scaled by HPA cpu." in page
    for label, amount in (("Request", "250m"), ("Limit", "700m"), ("All Pods", "+1.12")):
        assert re.search(rf'{label}</span> <span class="number[^"]*">{re.escape(amount)}<', page)


async def test_amounts_of_profiles_are_named_where_workloads_may_not_be_listed(
    api_server: FakeApiServer, tmp_path: Path
) -> None:
    """A user who may read profiles only has all views; the overview says how old its amounts may be."""
    for path_of in (paths.deployments, paths.stateful_sets, paths.daemon_sets):
        api_server.on("GET", path_of(None), refuses(403, "forbidden"))
    settings = read_settings({"own_namespace": "profiling"}, ("own_namespace",))
    access = choose_access(api_server.kubeconfig(tmp_path), NO_OVERRIDES, all_namespaces=True)
    refused = "this user has no right to list them."
    async with ClusterFacts(settings, access) as facts:
        needs = await facts.needs()

    assert needs.figures[Workload("shop", "web")].replicas == 3
    assert [note for note in needs.notes if "profiles" in note] == [
        f"Deployments have the requests and replicas that their profiles state: {refused}"
    ]


async def test_only_the_namespaces_that_are_asked_for_are_shown(
    api_server: FakeApiServer, tmp_path: Path
) -> None:
    """A report for the people of one namespace names no workload of another one; nor does it count them."""
    status = {
        "workloadsWithoutProfile": {
            "shop/new": "NoSamples: none",
            "CronJob/bank/ledger": "NoSamples: none",
            "x": "",
        },
        "workloadsWithoutProfileTotal": 2,
    }
    status_map = {"metadata": {"name": "job-profiler-status"}, "data": {"status.json": json.dumps(status)}}
    api_server.on("GET", paths.config_map("profiling", "job-profiler-status"), answers(status_map))
    api_server.on("GET", paths.lease("profiling", "job-profiler"), answers({}))
    access = choose_access(api_server.kubeconfig(tmp_path, namespace="shop"), NO_OVERRIDES)
    async with ClusterFacts(read_settings({}, ()), access) as facts:
        health = await facts.health()

    assert (dict(health.without_profile), health.without_profile_total) == (
        {"shop/new": "NoSamples: none"},
        1,
    )


async def test_what_may_not_be_listed_is_named(api_server: FakeApiServer, tmp_path: Path) -> None:
    """Without the right to list profiles, the page says so; it is no error of the server."""
    api_server.on("GET", paths.profiles("cpuprofiles", "profiling"), refuses(403, "forbidden"))
    async with dashboard(api_server, tmp_path) as client:
        page = await client.get("workloads")

    assert page.status_code == 200
    assert "Profiles can't be read:" in page.text
    assert "Ask for the right to read it" in page.text


async def test_curves_and_usage_from_a_prometheus(api_server: FakeApiServer, tmp_path: Path) -> None:
    """The usage of web in its row, and a curve in its view; only its Pods are asked for."""
    prometheus = EmojivotoPrometheus()
    serve(api_server, prometheus)
    api_server.on("GET", paths.profiles("cpuprofiles", "profiling"), listed(WEB))
    async with dashboard(api_server, tmp_path, api_server.url) as client:
        rows = (await client.get("workloads")).text
        page = (await client.get("workload?namespace=emojivoto&name=web&kind=Deployment")).text

    assert re.search(r">web</a>", rows)
    assert 'class="chart" role="img"' in page
    asked = [request.body.decode() for request in api_server.received("POST")]
    assert [body for body in asked if "pod%3D~%22web.%2A%22" in body or 'pod=~"web.*"' in body]


async def test_stored_profiles_do_not_wait_for_the_search_for_prometheus(
    api_server: FakeApiServer, tmp_path: Path
) -> None:
    """The list of Services, in which a Prometheus is looked for, does not end; the overview is complete."""
    api_server.on("GET", paths.services(None), api_server.hangs())
    async with dashboard(api_server, tmp_path) as client, asyncio.timeout(20):
        first = (await client.get("workloads")).text
        overview = (await client.get("")).text

    assert ">web</a>" in first
    assert "Health can't be read:" in overview


def test_only_the_pods_of_the_workloads_are_read() -> None:
    """Dots are no wildcards, long names are cut, and Pods of a kind with other names are not left out."""
    reached = Reached(
        read_settings({"container_metrics_matcher": 'job="kubelet"'}, ("container_metrics_matcher",))
    )
    web, long = Workload("shop", "web.eu"), Workload("shop", "a" * 60, "StatefulSet")

    one, several = narrowed(reached, [web]), narrowed(reached, [web, long])
    other = narrowed(reached, [web, Workload("x", "etl", "Workflow")])

    assert one.container_metrics_matcher == 'job="kubelet",pod=~"web\\\\.eu.*"'
    assert several.container_metrics_matcher.endswith(f'|{"a" * 40}.*"')
    assert (other.container_metrics_matcher, other.profiling_namespace) == ('job="kubelet"', ("shop", "x"))
