"""Objects of other types than the API's, from a fake API server: left out and counted, by every watch."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from app.domain.catalogue import ProfileCatalogue, ProfileSink
from app.domain.profiles import ProfileKind
from app.kubernetes import connection
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.object_types import MalformedObjectError, checked
from app.kubernetes.reflector import Reflector
from app.kubernetes.webhook_configuration import CaBundleSink, ca_bundle_of
from app.kubernetes.workloads import PodDecoder, WorkloadDecoder
from app.periodic import Backoff
from app.profiler.registries.namespaces import MatchedNamespaces
from app.profiler.registries.pods import PodRegistry, PodSink
from app.profiler.registries.workloads import WorkloadRegistry, WorkloadSink
from app.rightsizing.constraints import read_limit_range, read_quota
from app.runtime.adapters import ClusterWorkloads
from app.runtime.health_metrics import HealthMetrics
from app.runtime.watches.constraints import constraint_watches
from app.runtime.watches.namespaces import read_namespace
from app.runtime.watches.serving_certificate import ServingCertificateSink
from app.tls.serving import ServingContext
from app.webhook.constraint_index import ConstraintIndex
from tests.kubernetes.fake_api_server import FakeApiServer, answers, event, listed, refuses, thing
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import NameSink, running

THINGS = "/api/v1/things"


def _pods(client: ClusterClient) -> Reflector[Any]:
    sink = PodSink(PodRegistry(lambda: 0.0), None)
    return Reflector(client, ListOptions(THINGS), sink, transform=PodDecoder().decode)


def _workloads(client: ClusterClient) -> Reflector[Any]:
    sink = WorkloadSink(WorkloadRegistry(lambda: 0.0), "Deployment", None)
    return Reflector(client, ListOptions(THINGS), sink, transform=WorkloadDecoder("Deployment").decode)


def _profiles(client: ClusterClient) -> Reflector[Any]:
    sink = ProfileSink(ProfileCatalogue(with_containers=True), ProfileKind.CPU)
    return Reflector(client, ListOptions(THINGS), sink, transform=sink.read)


def _namespaces(client: ClusterClient) -> Reflector[Any]:
    return Reflector(
        client, ListOptions(THINGS), MatchedNamespaces(lambda *_: None), transform=read_namespace
    )


def _secrets(client: ClusterClient) -> Reflector[Any]:
    return Reflector(client, ListOptions(THINGS), ServingCertificateSink(ServingContext()))


def _webhook_configurations(client: ClusterClient) -> Reflector[Any]:
    sink = CaBundleSink(lambda _bundle: None)
    return Reflector(client, ListOptions(THINGS), sink, transform=ca_bundle_of)


def _constraint(name: str) -> Callable[[ClusterClient], Reflector[Any]]:
    def build(client: ClusterClient) -> Reflector[Any]:
        watch = constraint_watches(client, ConstraintIndex())[f"watch of {name}"]
        watch.selection = ListOptions(THINGS)
        return watch

    return build


WATCHES: dict[str, Callable[[ClusterClient], Reflector[Any]]] = {
    "pods": _pods,
    "workloads": _workloads,
    "profiles": _profiles,
    "namespaces": _namespaces,
    "secrets": _secrets,
    "webhook configurations": _webhook_configurations,
    "constrained namespaces": _constraint("namespaces"),
    "limit ranges": _constraint("limitranges"),
    "quotas": _constraint("resourcequotas"),
    "autoscalers": _constraint("horizontalpodautoscalers"),
    "vertical autoscalers": _constraint("verticalpodautoscalers"),
}
ANY: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MALFORMED = [
    {"metadata": None},
    {"metadata": []},
    {"metadata": {"name": 7}},
    {"metadata": {"name": ["a"], "namespace": "b"}},
    {"metadata": {"name": "x", "namespace": {}}},
    {"metadata": {"name": "x", "namespace": "b", "labels": 7}},
    {"metadata": {"name": "x", "namespace": "b", "labels": {"a": 1}}},
    {"metadata": {"name": "x", "namespace": "b", "annotations": ["a"]}},
    {"metadata": {"name": "x", "namespace": "b", "creationTimestamp": 7}},
    [],
    "text",
    7,
    None,
]
SPECS: list[object] = [
    *([], 7, None),
    {"template": []},
    {"limits": 7},
    {"hard": 7, "scopes": 7},
    {"scaleTargetRef": []},
]
ODD = [
    *(
        {"metadata": {"name": "o", "namespace": "b", "labels": None, "annotations": None}, "spec": spec}
        for spec in SPECS
    ),
    {"metadata": {"name": "o"}, "data": [], "webhooks": 7, "status": []},
    {
        "metadata": {"name": "o"},
        "data": {"tls.crt": 7},
        "webhooks": [{"name": "pods.job-profiler.liqo.io"}, 7],
    },
    {"metadata": {"name": "o", "ownerReferences": 7}},
    {"metadata": {"name": "o", "namespace": "b", "ownerReferences": [{"kind": 7}]}},
]


@pytest.mark.parametrize("name", WATCHES)
async def test_every_watch_leaves_out_what_is_malformed(
    server: FakeApiServer, client: ClusterClient, name: str
) -> None:
    """A list and then a watch of every malformed object: the task goes on, and each one is counted.

    Before, the first of them ended the process.
    """
    versioned = [
        {"type": kind, "object": item | {"metadata": item["metadata"] | {"resourceVersion": "11"}}}
        for item in [*MALFORMED, *ODD]
        if isinstance(item, dict) and isinstance(item["metadata"], dict)
        for kind in ("ADDED", "MODIFIED", "DELETED")
    ]
    last = event("ADDED", "good", "99")
    last["object"]["metadata"]["namespace"] = "b"
    server.on("GET", THINGS, listed(*MALFORMED, *ODD, thing("good")), listed())
    server.on("WATCH", THINGS, server.streams(*versioned, b"{\n", last), server.streams(then_hangs=True))
    reflector = WATCHES[name](client)
    reflector.backoff = Backoff(first_seconds=0.01, limit_seconds=0.05)

    async with running(reflector):
        await server.wait_for("WATCH", 2)

    assert reflector.is_synced
    assert reflector.left_out >= len(MALFORMED)


async def test_the_others_are_kept(server: FakeApiServer, client: ClusterClient) -> None:
    """Good objects before, between and after bad ones, in a list and a watch; the bad are counted."""
    bad = {"type": "ADDED", "object": {"metadata": {"name": 7, "resourceVersion": "11"}}}
    server.on("GET", THINGS, listed(thing("a"), *MALFORMED, thing("b")))
    server.on(
        "WATCH",
        THINGS,
        server.streams(
            event("ADDED", "c", "10"), bad, b"no event\n", event("ADDED", "d", "12"), then_hangs=True
        ),
    )
    sink, registry = NameSink(), CollectorRegistry()
    reflector = Reflector(client, ListOptions(THINGS), sink)
    HealthMetrics(registry).watches.append(lambda: [reflector])

    with capture_logs() as logs:
        async with running(reflector):
            await server.wait_for("WATCH", 1)
            await until(lambda: "d" in sink.names)

    assert sink.names == {"a", "b", "c", "d"}
    counted = registry.get_sample_value("job_profiler_cache_left_out_objects_total", {"resource": "things"})
    assert counted == reflector.left_out == len(MALFORMED) + 2
    assert [line["event"] for line in logs].count("object_left_out") < len(MALFORMED)


async def test_a_deletion_that_is_unreadable_lists_again(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """After the watch ends, a list removes the object: it may be the deletion that was left out."""
    gone = {"type": "DELETED", "object": {"metadata": {"name": 7, "resourceVersion": "11"}}}
    server.on("GET", THINGS, listed(thing("a"), thing("b")), listed(thing("b"), resource_version="50"))
    server.on("WATCH", THINGS, server.streams(gone), server.streams(then_hangs=True))
    sink = NameSink()
    reflector = Reflector(client, ListOptions(THINGS), sink, backoff=Backoff(0.01, 0.05))

    async with running(reflector):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"b"}


@settings(max_examples=300)
@given(
    metadata=st.fixed_dictionaries(
        {"name": ANY | st.just("a")},
        optional={"labels": ANY, "annotations": ANY, "namespace": ANY, "uid": ANY, "ownerReferences": ANY},
    )
)
def test_what_is_checked_has_the_types_of_the_api(metadata: dict[str, Any]) -> None:
    """Any JSON: it is refused, or its name is a text, and its labels are texts."""
    try:
        manifest = checked({"metadata": dict(metadata)})
    except MalformedObjectError:
        return
    assert manifest["metadata"]["name"]
    assert all(isinstance(value, str) for value in manifest["metadata"].get("labels", {}).values())


@settings(max_examples=300)
@given(
    content=st.dictionaries(
        st.sampled_from(["spec", "status"]),
        ANY | st.dictionaries(st.sampled_from(["limits", "hard", "scopes", "scopeSelector"]), ANY),
    )
)
def test_any_constraint_is_read(content: dict[str, Any]) -> None:
    """An object of other types forbids every change: an ignored bound could lead to a rejected Pod."""
    read_quota(content)
    read_limit_range(content)
    if not isinstance(content.get("spec"), dict):
        assert read_quota(content).has_best_effort_scope
        assert all(rule.maximum for rule in read_limit_range(content))


@pytest.mark.parametrize(
    "data", [None, [], 7, {"checkpoint": 7}, {"checkpoint": "ü"}, {"checkpoint": ["a"]}], ids=str
)
async def test_a_config_map_of_other_types_is_an_empty_check_point(
    server: FakeApiServer, client: ClusterClient, data: object
) -> None:
    """The leader names it and reads its past again, as with any check-point that is unreadable."""
    path = "/api/v1/namespaces/profiling/configmaps/job-profiler-checkpoint-000000000000"
    server.on("GET", path, answers({"metadata": {}, "binaryData": data}))

    assert await CheckpointMaps(client, "profiling").read("000000000000") == b""


async def test_large_objects_come_in_smaller_pages(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 objects of 1 kB with a limit of 20 kB: the list is asked for by 500, 125, 31 and then 7 objects."""
    monkeypatch.setattr(connection, "MAX_RESPONSE_BYTES", 20_000)
    items = [thing(f"a-{number}") | {"data": "x" * 1000} for number in range(100)]

    async def page(request: web.Request) -> web.StreamResponse:
        begin, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        end = begin + limit
        continuation = str(end) if end < len(items) else ""
        return await listed(*items[begin:end], continuation=continuation)(request)

    server.on("GET", THINGS, page)

    listing = await client.list_all(ListOptions(THINGS))

    assert [item["metadata"]["name"] for item in listing.items] == [f"a-{number}" for number in range(100)]
    assert [request.query["limit"] for request in server.received("GET")][:4] == ["500", "125", "31", "7"]


@pytest.mark.parametrize("line", [b"<html>\n", b"{\n", b'{"type": "ADDED", "object": {}}\n'], ids=str)
async def test_a_garbled_watch_is_a_fault_with_pauses(
    server: FakeApiServer, client: ClusterClient, line: bytes
) -> None:
    """A proxy answers each watch with something else: it is named, the list stays, and the pauses grow.

    Within a second, pauses of at least 0.05, 0.1, 0.2 and 0.4 s leave time for five watches at most.
    """
    server.on("GET", THINGS, listed(thing("a")))
    server.on("WATCH", THINGS, server.streams(line))
    sink = NameSink()
    reflector = Reflector(client, ListOptions(THINGS), sink, backoff=Backoff(0.1, 10, chance=lambda: 0.0))

    async with running(reflector):
        await server.wait_for("WATCH", 2)
        await until(lambda: "a line of the watch is no event" in str(reflector.fault))
        await asyncio.sleep(1)
        assert len(server.received("WATCH")) <= 2 + 4
        assert sink.names == {"a"}

        server.on("WATCH", THINGS, server.streams(event("ADDED", "b", "12"), then_hangs=True))
        await until(lambda: reflector.fault is None and "b" in sink.names)


async def test_a_list_without_a_version_removes_nothing(server: FakeApiServer, client: ClusterClient) -> None:
    """Another server answers `{"metadata": {}, "items": null}`, which would be an empty list: a fault."""
    server.on("GET", THINGS, listed(thing("a")), answers({"metadata": {}, "items": None}))
    server.on("WATCH", THINGS, refuses(410, "too old"))
    sink = NameSink()
    reflector = Reflector(client, ListOptions(THINGS), sink, backoff=Backoff(0.01, 0.05))

    async with running(reflector):
        await until(lambda: "no resourceVersion" in str(reflector.fault))

    assert sink.names == {"a"}


async def test_a_single_list_leaves_out_what_can_not_be_read(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """The readable objects are returned; one log line has the number of the others, and the first of them."""
    server.on("GET", THINGS, listed(thing("a"), *MALFORMED, 7, thing("b")))

    with capture_logs() as logs:
        listing = await client.list_all(ListOptions(THINGS))

    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    [line] = [line for line in logs if line["event"] == "objects_left_out"]
    assert (line["path"], line["objects"]) == (THINGS, len(MALFORMED) + 1)


async def test_a_single_run_leaves_out_workloads_that_can_not_be_read(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Pods and Deployments of other types among good ones; StatefulSets are forbidden, and so are unread."""
    good = thing("web") | {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}}
    server.on("GET", "/api/v1/pods", listed(*MALFORMED, good, {"metadata": {**good["metadata"], "uid": 7}}))
    odd = {"metadata": good["metadata"], "spec": {"template": {"spec": {"initContainers": [7]}}}}
    server.on("GET", "/apis/apps/v1/deployments", listed(odd, good, *MALFORMED))
    for path in ("/apis/apps/v1/daemonsets", "/apis/batch/v1/jobs"):
        server.on("GET", path, listed())
    server.on("GET", "/apis/apps/v1/statefulsets", refuses(403, "no"))

    with capture_logs() as logs:
        snapshot = await ClusterWorkloads(client, ()).snapshot()

    assert list(snapshot.pods) == [("shop", "web")]
    assert [workload.name for workload in snapshot.workloads] == ["web"]
    assert snapshot.unread == {("StatefulSet", "")}
    assert [line["path"] for line in logs if line["event"] == "objects_left_out"] == [
        "/api/v1/pods",
        "/apis/apps/v1/deployments",
    ]
