"""The same against a real API server: what it really takes, refuses and sends."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.catalogue import ProfileCatalogue, ProfileSink
from app.domain.custom_resources import to_manifest, to_status
from app.domain.profiles import Basis, Identity, ProfileKind, Resource, ResourceProfile
from app.domain.workloads import Workload
from app.errors import ConflictError, ExpiredError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.election import LeaderElector, LeaseTiming
from app.kubernetes.events import EventRecorder, InvolvedObject
from app.kubernetes.list_options import ListOptions, Object, WatchEvent
from app.kubernetes.pods import PodAnnotationWriter, running_pods
from app.kubernetes.profiles import ProfileWriter
from app.kubernetes.reflector import Reflector
from app.kubernetes.secrets import SecretStore
from app.kubernetes.status_map import StatusMap
from app.kubernetes.webhook_configuration import (
    CaBundleSink,
    WebhookConfiguration,
    ca_bundle_of,
    configuration_selection,
)
from app.kubernetes.workloads import PodDecoder, WorkloadClient
from app.periodic import Backoff
from app.profiler.registries.pods import PodRegistry, PodSink
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ended_connections import cut_connections
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.profile_crds import ensure_crds
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import NameSink, running

pytestmark = pytest.mark.cluster

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
async def cluster(control_plane: ControlPlane) -> AsyncIterator[ClusterClient]:
    """The administrator's client of the real API server."""
    async with open_cluster(str(control_plane.kubeconfig)) as client:
        yield client
    await cut_connections()


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].rstrip("-")
    return kubectl.create_namespace(f"k-{name}")


@pytest.fixture(scope="module")
def crds(kubectl: Kubectl) -> None:
    """The three kinds are served."""
    ensure_crds(kubectl)


async def first_event(client: ClusterClient, selection: ListOptions, resource_version: str) -> WatchEvent:
    async with client.watch(selection, resource_version, timeout_seconds=5) as events:
        return await anext(events)


OURS = "made-by=test"


def config_map(name: str) -> Object:
    """With a label, since a distribution may put ConfigMaps of its own into each namespace."""
    metadata = {"name": name, "labels": {"made-by": "test"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value"}}


def cpu_profile(value: str) -> ResourceProfile:
    basis = Basis(NOON, NOON, samples=12, coverage=1, confidence=0.5)
    return ResourceProfile(Workload("shop", "web"), Resource.CPU, value, basis)


async def test_a_reflector_follows(cluster: ClusterClient, namespace: str) -> None:
    """Objects that were there, appear and vanish are in and out of the sink, without a second list."""
    collection = paths.config_maps(namespace)
    await cluster.create(collection, config_map("before"))
    sink = NameSink()
    selection = ListOptions(collection, label_selector=OURS, metadata_only=True)

    async with running(Reflector(cluster, selection, sink)):
        await until(lambda: sink.names == {"before"})
        await cluster.create(collection, config_map("after"))
        await until(lambda: sink.names == {"before", "after"})
        await cluster.delete(paths.config_map(namespace, "before"))
        await until(lambda: sink.names == {"after"})

    assert sink.calls == ["replace", "upsert", "delete"]


async def test_pages_make_the_whole_list(
    cluster: ClusterClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five objects in pages of two are five objects."""
    monkeypatch.setattr("app.kubernetes.client.PAGE_SIZE", 2)
    for index in range(5):
        await cluster.create(paths.config_maps(namespace), config_map(f"map-{index}"))

    listing = await cluster.list_all(ListOptions(paths.config_maps(namespace), label_selector=OURS))

    names = {item["metadata"]["name"] for item in listing.items}
    assert names == {f"map-{index}" for index in range(5)}


async def test_a_real_refusal(cluster: ClusterClient, namespace: str) -> None:
    """The message of a real refusal names verb, path, status and the API server's reason."""
    with pytest.raises(NotFoundError) as caught:
        await cluster.get(paths.secret(namespace, "none"))

    assert str(caught.value) == (
        f'GET /api/v1/namespaces/{namespace}/secrets/none: 404 Not Found: secrets "none" not found'
    )


async def test_profiles_reach_the_catalogue(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """An applied profile is created, changed and read back by a reflector; its status survives an apply."""
    writer, catalogue = ProfileWriter(cluster, namespace), ProfileCatalogue()
    selection = ListOptions(paths.profiles("cpuprofiles", namespace))
    identity = Identity(ProfileKind.CPU, Workload("shop", "web"))

    def manifest(value: str) -> Object:
        return to_manifest(cpu_profile(value), name="cpuprofile-1", namespace=namespace, updated_at=NOON)

    def stored_value() -> str | None:
        stored = catalogue.get(identity)
        return stored.value if stored else None

    sink = ProfileSink(catalogue, ProfileKind.CPU)
    async with running(Reflector(cluster, selection, sink, transform=sink.read)):
        await writer.apply("cpuprofiles", manifest("0.020"))
        await until(lambda: stored_value() == "0.020")
        status = to_status(cpu_profile("0.020"), refreshed_at=NOON)
        await writer.apply_status("cpuprofiles", "cpuprofile-1", status)
        await writer.apply("cpuprofiles", manifest("0.030"))
        await until(lambda: stored_value() == "0.030")
        await until(lambda: catalogue.get(identity).status_refreshed_at == NOON)  # type: ignore[union-attr]
        await writer.delete("cpuprofiles", "cpuprofile-1")
        await until(lambda: stored_value() is None)


async def test_an_unchanged_apply_changes_nothing(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """Profile and status applied again leave spec, status, annotations and generation as they were."""
    writer = ProfileWriter(cluster, namespace)
    manifest = to_manifest(cpu_profile("0.020"), name="cpuprofile-1", namespace=namespace, updated_at=NOON)
    status = to_status(cpu_profile("0.020"), refreshed_at=NOON)
    path = paths.profile("cpuprofiles", namespace, "cpuprofile-1")
    seen = []
    for _ in range(2):
        await writer.apply("cpuprofiles", manifest)
        await writer.apply_status("cpuprofiles", "cpuprofile-1", status)
        stored = await cluster.get(path)
        metadata = stored["metadata"]
        seen.append(
            (
                stored["spec"],
                stored["status"],
                metadata["annotations"],
                metadata["generation"],
                metadata["uid"],
            )
        )

    assert seen[0] == seen[1]
    assert seen[0][0] == manifest["spec"]
    assert seen[0][1] == status


async def test_profile_and_status_do_not_disown_each_other(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """An annotation that is no longer applied vanishes, although the status was applied since."""
    writer = ProfileWriter(cluster, namespace)
    manifest = to_manifest(cpu_profile("0.020"), name="cpuprofile-1", namespace=namespace, updated_at=NOON)
    old = manifest["metadata"]["annotations"] | {"old": "1"}
    await writer.apply("cpuprofiles", manifest | {"metadata": manifest["metadata"] | {"annotations": old}})
    await writer.apply_status("cpuprofiles", "cpuprofile-1", {"samples": 12})

    await writer.apply("cpuprofiles", manifest)

    stored = await cluster.get(paths.profile("cpuprofiles", namespace, "cpuprofile-1"))
    assert stored["metadata"]["annotations"] == manifest["metadata"]["annotations"]
    assert stored["status"] == {"samples": 12}


async def test_the_status_of_no_profile_is_refused(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """A status never creates the profile it belongs to."""
    with pytest.raises(NotFoundError):
        await ProfileWriter(cluster, namespace).apply_status("cpuprofiles", "cpuprofile-1", {"samples": 1})


async def test_a_secret_that_changed_meanwhile(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """Of two writes that rest on the same reading the second is a conflict, and a new reading solves it."""
    kubectl.run("create", "secret", "generic", "ca", f"--namespace={namespace}")
    store = SecretStore(cluster, namespace, "ca")
    snapshot = await store.read()
    assert snapshot.data == {}

    await store.write(snapshot, {"ca.key": b"\x00\xff"})
    with pytest.raises(ConflictError):
        await store.write(snapshot, {"ca.key": b"late"})

    again = await store.read()
    assert again.data == {"ca.key": b"\x00\xff"}
    written = await store.write(again, {"ca.crt": PEM})
    assert written.data == (await store.read()).data == {"ca.crt": PEM}


async def test_a_secret_that_was_deleted_stays_deleted(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """A write to a Secret that vanished creates none."""
    kubectl.run("create", "secret", "generic", "ca", f"--namespace={namespace}")
    store = SecretStore(cluster, namespace, "ca")
    snapshot = await store.read()
    kubectl.run("delete", "secret", "ca", f"--namespace={namespace}")

    with pytest.raises((NotFoundError, ConflictError)):
        await store.write(snapshot, {"ca.key": b"key"})
    with pytest.raises(NotFoundError):
        await store.read()


async def test_the_status_map_keeps_other_keys(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """The document is written and read back beside a foreign key; a missing map is not created."""
    status_map = StatusMap(cluster, namespace)
    with pytest.raises(NotFoundError):
        await status_map.write({"sources": {}})
    kubectl.run(
        "create", "configmap", "job-profiler-status", "--from-literal=mine=1", f"--namespace={namespace}"
    )
    assert await status_map.read() is None

    await status_map.write({"sources": {"cpu": "ok"}})

    assert await status_map.read() == {"sources": {"cpu": "ok"}}
    stored = await cluster.get(paths.config_map(namespace, "job-profiler-status"))
    assert stored["data"]["mine"] == "1"


async def test_an_event_is_shown(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """`kubectl get events` shows a recorded Event with its reason and object."""
    about = InvolvedObject("v1", "ConfigMap", namespace, "job-profiler-status")

    await EventRecorder(cluster, "profiler-0").record(
        about, "SourceFailed", "no samples", now=datetime.now(UTC), kind="Warning"
    )

    [shown] = kubectl.json("get", "events", f"--namespace={namespace}")["items"]
    assert (shown["type"], shown["reason"], shown["message"]) == ("Warning", "SourceFailed", "no samples")
    assert shown["involvedObject"]["name"] == "job-profiler-status"


async def test_pods_and_deployments(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """The Pods that controllers made of a Deployment and a StatefulSet belong to these two."""
    kubectl.run("create", "deployment", "web", "--image=web", "--replicas=2", f"--namespace={namespace}")
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db", "image": "db"}]}}
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": namespace},
            "spec": {"serviceName": "db", "selector": {"matchLabels": labels}, "template": template},
        }
    )
    workloads = WorkloadClient(cluster, [namespace])

    async with asyncio.timeout(60):
        while len(await workloads.pods()) < 3:  # noqa: ASYNC110 - the controllers take their time
            await asyncio.sleep(0.2)

    owners = sorted(str(record.workload) for record in await workloads.pods())
    assert owners == [f"StatefulSet/{namespace}/db", *2 * [f"{namespace}/web"]]
    records = await workloads.records()
    assert [record.workload for record in records] == [
        Workload(namespace, "web"),
        Workload(namespace, "db", "StatefulSet"),
    ]
    web = kubectl.json("get", "deployment", "web", f"--namespace={namespace}")
    assert records[0].uid == web["metadata"]["uid"]
    everywhere = await WorkloadClient(cluster).pods()
    assert {record.namespace for record in everywhere} >= {namespace}


async def test_pods_are_watched_until_they_end(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """Metadata is enough; a Pod that succeeds leaves the watch as a deleted one does."""
    registry = PodRegistry(time.monotonic)
    sink, decode = PodSink(registry, namespace), PodDecoder().decode
    kubectl.run("create", "deployment", "web", "--image=web", "--replicas=2", f"--namespace={namespace}")

    async with running(Reflector(cluster, running_pods(namespace), sink, transform=decode)):
        await until(lambda: len(registry) == 2, within_seconds=60)
        ended, staying = registry
        assert {ended.workload, staying.workload} == {Workload(namespace, "web")}
        await PodAnnotationWriter(cluster).annotate(staying, {"liqo.io/cpuProfile": "one"})
        await until(lambda: {"liqo.io/cpuProfile": "one"} in [pod.annotations for pod in registry])
        path = f"{paths.pod(namespace, ended.name)}/status"
        await cluster.patch(path, {"status": {"phase": "Succeeded"}})
        await until(lambda: ended.name not in [pod.name for pod in registry])

    assert registry.owners()[namespace, ended.name] == Workload(namespace, "web")


async def test_an_election_on_a_real_lease(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """On a Lease without a spec, as the chart renders it, one leads; when it is cancelled the other leads."""
    timing = LeaseTiming(duration_seconds=15, renew_deadline_seconds=2, retry_period_seconds=0.2)
    kubectl.apply(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "election", "namespace": namespace},
        }
    )

    async def lead() -> None:
        await asyncio.Event().wait()

    electors = [LeaderElector(cluster, namespace, "election", each, timing=timing) for each in "ab"]
    tasks = [asyncio.create_task(elector.run(lead)) for elector in electors]
    await until(lambda: any(elector.is_leader for elector in electors))
    await asyncio.sleep(1)
    assert [elector.is_leader for elector in electors].count(True) == 1
    first = 0 if electors[0].is_leader else 1

    tasks[first].cancel()
    await until(lambda: electors[1 - first].is_leader, within_seconds=5)
    spec = kubectl.json("get", "lease", "election", f"--namespace={namespace}")["spec"]
    tasks[1 - first].cancel()
    await asyncio.wait(tasks)

    assert spec["holderIdentity"] == "ab"[1 - first]
    assert spec["leaseTransitions"] == 1
    assert abs(datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds() < 60
    released = await cluster.get(paths.lease(namespace, "election"))
    assert released["spec"]["holderIdentity"] == ""


def webhooks(name: str, timeout_seconds: int = 3) -> dict[str, Any]:
    """A configuration as the chart renders it: every field but the caBundle."""
    ours = {
        "name": "pods.job-profiler.liqo.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
        "rules": [
            {"apiGroups": ["none"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}
        ],
        "sideEffects": "None",
        "timeoutSeconds": timeout_seconds,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [ours, ours | {"name": "other.example.org"}],
    }


@pytest.mark.parametrize("apply_as_helm", [(), ("--server-side", "--field-manager=helm")], ids=["3", "4"])
async def test_the_ca_bundle_and_an_upgrade(
    cluster: ClusterClient, kubectl: Kubectl, apply_as_helm: tuple[str, ...], tmp_path: Path
) -> None:
    """The published bundle changes nothing else, and an upgrade by Helm 3 or 4 keeps the bundle."""
    name = f"upgrade-{len(apply_as_helm)}"
    file = tmp_path / "configuration.json"

    def upgrade(manifest: dict[str, Any]) -> Object:
        file.write_text(json.dumps(manifest))
        kubectl.run("apply", f"--filename={file}", *apply_as_helm)
        stored: Object = kubectl.json("get", "mutatingwebhookconfiguration", name)
        return stored

    before = upgrade(webhooks(name))
    configuration = WebhookConfiguration(cluster, name)
    assert await configuration.read_ca_bundle() == b""

    await configuration.publish_ca_bundle(PEM)

    after = kubectl.json("get", "mutatingwebhookconfiguration", name)
    expected = before["webhooks"]
    expected[0]["clientConfig"]["caBundle"] = base64.b64encode(PEM).decode()
    assert after["webhooks"] == expected
    upgraded = upgrade(webhooks(name, timeout_seconds=5))
    assert upgraded["webhooks"][0]["timeoutSeconds"] == 5
    assert await configuration.read_ca_bundle() == PEM
    await configuration.publish_ca_bundle(2 * PEM)
    assert await configuration.read_ca_bundle() == 2 * PEM
    kubectl.run("delete", "mutatingwebhookconfiguration", name)


async def test_a_bundle_that_was_published_meanwhile_is_not_undone(
    cluster: ClusterClient, kubectl: Kubectl
) -> None:
    """Of two leaders that read the same, the later one to publish meets a conflict and has to read again."""
    kubectl.apply(webhooks("two-leaders"))
    former, current = (WebhookConfiguration(cluster, "two-leaders") for _ in range(2))
    for leader in (former, current):
        await leader.read_ca_bundle()
    await current.publish_ca_bundle(2 * PEM)

    with pytest.raises(ConflictError):
        await former.publish_ca_bundle(PEM)

    assert await former.read_ca_bundle() == 2 * PEM
    await former.publish_ca_bundle(3 * PEM)
    assert await current.read_ca_bundle() == 3 * PEM
    kubectl.run("delete", "mutatingwebhookconfiguration", "two-leaders")


def grant(namespace: str, name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A ClusterRole for the default account of *namespace*."""
    api = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    return [role, binding]


async def test_the_bundle_is_followed_with_rights_on_that_one_configuration_alone(
    control_plane: ControlPlane, cluster: ClusterClient, kubectl: Kubectl, namespace: str
) -> None:
    """An account that may get, list and watch the object by its name, and no other, learns of each bundle."""
    rule = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": ["followed"],
        "verbs": ["get", "list", "watch"],
    }
    for manifest in (*grant(namespace, "follows-bundle", [rule]), webhooks("followed"), webhooks("other")):
        kubectl.apply(manifest)
    told: list[bytes | None] = []
    followed = WebhookConfiguration(cluster, "followed")
    async with open_cluster(str(control_plane.kubeconfig_of("default", namespace))) as client:
        sink, selection = CaBundleSink(told.append), configuration_selection("followed")
        async with running(Reflector(client, selection, sink, transform=ca_bundle_of)):
            await until(lambda: told == [b""])
            await followed.publish_ca_bundle(PEM)
            await until(lambda: told[-1] == PEM)
            kubectl.run("delete", "mutatingwebhookconfiguration", "followed", "other")
            await until(lambda: told[-1] is None)
        with pytest.raises(ForbiddenError):
            await client.list_all(configuration_selection("other"))


async def test_a_configuration_that_was_deleted_stays_deleted(
    cluster: ClusterClient, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the release is uninstalled between our read and our apply, nothing is created."""
    kubectl.apply(webhooks("deleted"))
    manifest = await cluster.get(paths.mutating_webhook_configuration("deleted"))
    kubectl.run("delete", "mutatingwebhookconfiguration", "deleted")

    async def as_it_was(_: str) -> Object:
        return manifest

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "get", as_it_was)
        with pytest.raises(ConflictError):
            await WebhookConfiguration(cluster, "deleted").publish_ca_bundle(PEM)

    with pytest.raises(KubectlError, match="NotFound"):
        kubectl.run("get", "mutatingwebhookconfiguration", "deleted")


async def test_a_service_account_whose_token_rotates(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a Pod the token is read from its file again: a bad one is refused, and the next good one is taken.

    The service account may do nothing, so a good token shows in the kind of refusal: 403, and not 401 as for
    nobody.
    """
    loader = "kubernetes_asyncio.config.incluster_config"
    token_file = tmp_path / "token"
    token_file.write_text(control_plane.token_of("default", namespace))
    host, port = control_plane.server_url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token_file))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(control_plane.ca_file))
    monkeypatch.setattr(f"{loader}.TOKEN_REFRESH_PERIOD", timedelta(0))
    refusals = []

    async with open_cluster(None) as client:
        for token in (token_file.read_text(), "wrong", token_file.read_text()):
            token_file.write_text(token)
            with pytest.raises(ForbiddenError) as caught:
                await client.get(paths.secret(namespace, "any"))
            refusals.append("401" in str(caught.value))

    assert refusals == [False, True, False]


async def test_a_reflector_survives_the_api_server(
    cluster: ClusterClient, control_plane: ControlPlane, namespace: str
) -> None:
    """While the API server restarts, the sink keeps its objects; objects created later arrive.

    A new API server remembers nothing before its start: there a watch from resourceVersion 1 has expired.
    """
    collection = paths.config_maps(namespace)
    sink = NameSink()
    backoff = Backoff(first_seconds=0.2, limit_seconds=1)
    selection = ListOptions(collection, label_selector=OURS)

    async with running(Reflector(cluster, selection, sink, backoff=backoff)):
        await cluster.create(collection, config_map("before"))
        await until(lambda: sink.names == {"before"})
        await asyncio.to_thread(control_plane.stop_api_server)
        assert sink.names == {"before"}
        # From this very thread, though that holds up the loop: the child dies with the thread that starts it.
        control_plane.start_api_server()
        await cluster.create(collection, config_map("after"))
        await until(lambda: sink.names == {"before", "after"}, within_seconds=30)
        with pytest.raises(ExpiredError):
            await first_event(cluster, ListOptions(collection), "1")
