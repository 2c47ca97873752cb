"""The token of the profiler's account against Pods, ConfigMaps, Secrets and Events, on a real API server.

RBAC gives it whole objects; the policies leave it what the product writes. Each attack is one that RBAC
allows unless its status is 403.
"""

import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest

from app.domain.pod_record import PodRecord
from app.domain.self_probe import config_map as question
from app.domain.workloads import Workload
from app.kubernetes import paths
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.events import EventRecorder, InvolvedObject
from app.kubernetes.leases import LeaseLock
from app.kubernetes.pods import PodAnnotationWriter
from app.kubernetes.secrets import CachedSecret
from app.kubernetes.status_map import NAME as STATUS
from app.kubernetes.status_map import StatusMap
from tests.chart.limited_release import ACCOUNT, DRY_RUN, NAME, POLICIES, LimitedRelease, config_map, pod
from tests.chart.served import FIRST, SECOND
from tests.cluster.api_account import APPLY_PATCH, JSON_PATCH, STRATEGIC_PATCH, Object
from tests.cluster.open_connections import cut_connections
from tests.cluster.waiting import wait_until
from tests.webhook.profiles import WEB_ANNOTATIONS

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

FORBIDDEN, INVALID = 403, 422
DIGEST = "9b9e16387237056ac52a193ffbd6d695831cfe7f"
SUMMARY = "job-profiler.liqo.io/requests"
IGNORE = {"job-profiler.liqo.io/ignore": "true"}
# The garbage collector deletes an object whose owner does not exist.
OWNER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "gone",
    "uid": "b7c1e9f0-0000-4000-8000-000000000000",
}
# kubernetes-replicator copies any Secret or ConfigMap of the cluster into an object with this annotation.
REPLICATED = {"replicator.v1.mittwald.de/replicate-from": "kube-system/anything"}
# Grafana's sidecar loads ConfigMaps and Secrets with this label from every namespace.
LOADED = {"grafana_datasource": "1"}
METADATA: dict[str, Object] = {
    "label": {"labels": LOADED},
    "annotation": {"annotations": REPLICATED},
    "finalizer": {"finalizers": ["example.org/kept"]},
    "owner": {"ownerReferences": [OWNER]},
}


def refused(policy: str) -> tuple[int, str]:
    return INVALID, f"ValidatingAdmissionPolicy '{NAME}-{policy}'"


@pytest.fixture
def web(limited_release: LimitedRelease) -> Iterator[str]:
    """The path of a Pod with annotations of the product and of others; it is removed afterwards."""
    path = limited_release.path("pods", "web", SECOND)
    annotations = {
        "example.org/kept": "yes",
        "liqo.io/cpuProfile": "forged",
        SUMMARY: "main: cpu request 24m",
    }
    manifest = pod("web", annotations=annotations, labels={"app": "web"})
    del manifest["spec"]["serviceAccountName"]
    created = limited_release.admin.send("POST", limited_release.path("pods", namespace=SECOND), manifest)
    assert not created.is_refused, created
    yield path
    limited_release.admin.send("DELETE", f"{path}?gracePeriodSeconds=0")


ANNOTATIONS: dict[str, dict[str, str | None]] = {
    "another-key": {"example.org/other": "x"},
    "another-key-of-liqo": {"liqo.io/remote-cluster-id": "x"},
    "key-that-begins-like-ours": {"liqo.io/cpuProfiles": f"cpuprofile-{DIGEST}"},
    "connection-without-number": {"liqo.io/connectionProfile": f"connprofile-{DIGEST}"},
    "connection-with-more": {"liqo.io/connectionProfile0.x": f"connprofile-{DIGEST}"},
    "connection-beyond-1000": {"liqo.io/connectionProfile1000": f"connprofile-{DIGEST}"},
    "summary": {SUMMARY: "main: cpu request 1m"},
    "value-that-is-no-name": {"liqo.io/cpuProfile": "x"},
    "name-of-another-kind": {"liqo.io/cpuProfile": f"memprofile-{DIGEST}"},
    "name-with-more": {"liqo.io/cpuProfile": f"cpuprofile-{DIGEST}\n{DIGEST}"},
    "upper-case": {"liqo.io/cpuProfile": f"cpuprofile-{DIGEST.upper()}"},
    "foreign-one-removed": {"example.org/kept": None},
}
PATCHES: dict[str, Object] = {
    **{name: {"metadata": {"annotations": changes}} for name, changes in ANNOTATIONS.items()},
    **{f"metadata-{name}": {"metadata": metadata} for name, metadata in METADATA.items()},
    "generate-name": {"metadata": {"generateName": "a-"}},
    "label-removed": {"metadata": {"labels": {"app": None}}},
    "deadline": {"spec": {"activeDeadlineSeconds": 1}},
}
SPEC: dict[str, Object] = {
    "image": {"op": "replace", "path": "/spec/containers/0/image", "value": "evil.example/x:1"},
    "toleration": {"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}},
}


@pytest.mark.parametrize("attack", PATCHES)
def test_only_profile_annotations_of_a_pod_can_change(
    limited_release: LimitedRelease, web: str, attack: str
) -> None:
    """Other keys, values that name no profile, other metadata and the spec are refused."""
    answer = limited_release.profiler.patch(web, PATCHES[attack])

    status, policy = refused("backfill")
    assert (answer.status, policy in answer.message) == (status, True), answer


@pytest.mark.parametrize("attack", SPEC)
def test_the_spec_of_a_pod_cannot_change(limited_release: LimitedRelease, web: str, attack: str) -> None:
    """Neither an image nor a toleration, which the API server lets others change."""
    assert not limited_release.admin.patch(f"{web}?{DRY_RUN}", [SPEC[attack]], JSON_PATCH).is_refused

    answer = limited_release.profiler.patch(web, [SPEC[attack]], JSON_PATCH)

    assert "the profiler may not change the spec" in answer.message


def test_every_patch_of_a_pod_is_refused(limited_release: LimitedRelease, web: str) -> None:
    """A strategic merge patch, and apply as another field manager, forced."""
    attack = {"metadata": {"labels": {"app": "webhook"}}}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", **attack["metadata"]}}
    answers = [
        limited_release.profiler.patch(web, attack, STRATEGIC_PATCH),
        limited_release.profiler.patch(f"{web}?fieldManager=a&force=true", manifest, APPLY_PATCH),
    ]

    _, policy = refused("backfill")
    assert [policy in answer.message for answer in answers] == [True, True], answers


def test_subresources_of_a_pod_are_out_of_reach(limited_release: LimitedRelease, web: str) -> None:
    """No ephemeral container, resize, status, binding, eviction, exec or deletion; no token."""
    send = limited_release.profiler.send
    account = limited_release.path("serviceaccounts", f"{ACCOUNT}/token")
    answers = [
        *(
            send("PATCH", f"{web}/{subresource}", {}, STRATEGIC_PATCH)
            for subresource in ("ephemeralcontainers", "resize", "status")
        ),
        send("POST", f"{web}/binding", {}),
        send("POST", f"{web}/eviction", {}),
        send("POST", f"{web}/exec?command=id", {}),
        send("POST", account, {"spec": {}}),
        send("DELETE", web),
        send("POST", limited_release.path("pods"), pod("other")),
    ]

    assert [answer.status for answer in answers] == [FORBIDDEN] * 9, answers


@pytest.mark.parametrize("namespace", ["kube-system", FIRST])
def test_excluded_namespaces_are_left_alone(limited_release: LimitedRelease, namespace: str) -> None:
    """There even the right annotations are refused; the release's own namespace is one of them."""
    manifest = pod("excluded")
    del manifest["spec"]["serviceAccountName"]
    path = limited_release.path("pods", "excluded", namespace)
    limited_release.admin.send("POST", limited_release.path("pods", namespace=namespace), manifest)
    try:
        answer = limited_release.profiler.patch(path, {"metadata": {"annotations": WEB_ANNOTATIONS}})
    finally:
        limited_release.admin.send("DELETE", f"{path}?gracePeriodSeconds=0")

    assert "may not change Pods in excluded namespaces" in answer.message


def test_who_opted_out_is_left_alone(limited_release: LimitedRelease, web: str) -> None:
    """A Pod with the label, then a Pod whose namespace has it."""
    admin, annotations = limited_release.admin, {"metadata": {"annotations": WEB_ANNOTATIONS}}
    namespace = f"/api/v1/namespaces/{SECOND}"
    out, back = ({"metadata": {"labels": dict.fromkeys(IGNORE, value)}} for value in ("true", None))

    def is_refused() -> bool:
        answer = limited_release.profiler.patch(f"{web}?{DRY_RUN}", annotations)
        return "Pods that opted out" in answer.message

    assert not is_refused()
    admin.patch(web, out)
    assert is_refused()
    admin.patch(web, back)
    admin.patch(namespace, out)
    try:
        wait_until(is_refused, 30, "the label of the namespace to be observed")
    finally:
        admin.patch(namespace, back)
        wait_until(lambda: not is_refused(), 30, "the label to be gone")


def checkpoint(name: str = "job-profiler-checkpoint-0000000000ff", **fields: Any) -> Object:
    """A check-point as the product writes it, with these fields of its metadata or of the object."""
    manifest = config_map(name, binaryData={"checkpoint": "YQ=="})
    manifest["metadata"]["labels"] = {
        "job-profiler.liqo.io/checkpoint": "true",
        "app.kubernetes.io/part-of": "job-profiler",
    }
    metadata = fields.pop("metadata", {})
    manifest["metadata"] |= metadata
    return manifest | fields


CHECKPOINTS: dict[str, Object] = {
    **{name: checkpoint(metadata=metadata) for name, metadata in METADATA.items()},
    "text": checkpoint(data={"dashboard.json": "{}"}),
    "another-key": checkpoint(binaryData={"dashboard.json": "YQ=="}),
    "immutable": checkpoint(immutable=True),
    "another-name": checkpoint("grafana"),
    "similar-name": checkpoint("job-profiler-checkpoints"),
    "status": checkpoint(STATUS),
    "stored-probe": question("a"),
}


@pytest.mark.parametrize("attack", CHECKPOINTS)
def test_only_check_points_are_created(limited_release: LimitedRelease, attack: str) -> None:
    """Other names, and check-points with labels, annotations or data that others act on, are refused."""
    collection = limited_release.path("configmaps")
    assert not limited_release.profiler.send("POST", f"{collection}?{DRY_RUN}", checkpoint()).is_refused

    answer = limited_release.profiler.send("POST", collection, CHECKPOINTS[attack])

    status, policy = refused("configmaps")
    assert (answer.status, policy in answer.message) == (status, True), answer


def test_a_stored_check_point_cannot_become_more(limited_release: LimitedRelease) -> None:
    """A replacement is limited like a creation; removing one is allowed."""
    collection = limited_release.path("configmaps")
    stored = limited_release.profiler.send("POST", collection, checkpoint()).body
    path = f"{collection}/{stored['metadata']['name']}"
    attacks = [checkpoint(metadata=metadata) for metadata in METADATA.values()]
    answers = [limited_release.profiler.send("PUT", path, attack) for attack in attacks]
    removed = limited_release.profiler.send("DELETE", path)

    _, policy = refused("configmaps")
    assert [policy in answer.message for answer in answers] == [True] * 4, answers
    assert not removed.is_refused


@pytest.mark.parametrize(
    "attack",
    [
        *({"metadata": metadata} for metadata in METADATA.values()),
        {"binaryData": {"a": "YQ=="}},
        {"immutable": True},
    ],
    ids=[*METADATA, "binary", "immutable"],
)
def test_only_the_data_of_the_status_can_change(limited_release: LimitedRelease, attack: Object) -> None:
    """The status is a ConfigMap of the release, so its metadata belongs to Helm."""
    answer = limited_release.profiler.patch(limited_release.path("configmaps", STATUS), attack)

    assert "may change only the data of job-profiler-status" in answer.message


@pytest.mark.parametrize("name", [STATUS, "kube-root-ca.crt"])
def test_other_config_maps_are_not_deleted(limited_release: LimitedRelease, name: str) -> None:
    """The status owns the check-points, which would go with it."""
    answer = limited_release.profiler.send("DELETE", limited_release.path("configmaps", name))

    status, policy = refused("configmaps")
    assert (answer.status, policy in answer.message) == (status, True), answer


@pytest.mark.parametrize(
    "attack",
    [*({"metadata": metadata} for metadata in METADATA.values()), {"immutable": True}],
    ids=[*METADATA, "immutable"],
)
@pytest.mark.parametrize("secret", [f"{NAME}-ca", f"{NAME}-tls"])
def test_only_the_data_of_secrets_can_change(
    limited_release: LimitedRelease, secret: str, attack: Object
) -> None:
    """Because of labels or annotations other controllers copy, load or delete a Secret."""
    answer = limited_release.replaced_secret(secret, attack)

    status, policy = refused("secrets")
    assert (answer.status, policy in answer.message) == (status, True), answer


def test_other_secrets_are_out_of_reach(limited_release: LimitedRelease) -> None:
    """No list, no creation, which could make a token of another account, no other name, and no patch."""
    send, path = limited_release.profiler.send, limited_release.path
    token = {
        "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
    }
    answers = [
        send("GET", path("secrets")),
        send("GET", path("secrets", "token")),
        send("POST", path("secrets"), token),
        send("DELETE", path("secrets", f"{NAME}-ca")),
        send("GET", "/api/v1/secrets"),
        limited_release.profiler.patch(path("secrets", f"{NAME}-tls"), {"data": {}}),
    ]

    assert [answer.status for answer in answers] == [FORBIDDEN] * 6, answers
    assert limited_release.replaced_secret(f"{NAME}-tls", {"type": token["type"]}).is_refused


def test_events_are_in_its_own_name(limited_release: LimitedRelease) -> None:
    """An Event in the name of another component, or in an excluded namespace, is refused.

    Events of others can't be changed: the account may only create.
    """
    send, path, event = limited_release.profiler.send, limited_release.path, limited_release.event
    forged = [
        send("POST", path("events"), event("kubelet")),
        send("POST", path("events"), event("job-profiler", reportingComponent="kubelet")),
        send("POST", path("events", namespace="kube-system"), event("job-profiler", "kube-system")),
    ]
    own = send("POST", path("events", namespace=SECOND), event("job-profiler", SECOND))

    status, policy = refused("events")
    assert [(answer.status, policy in answer.message) for answer in forged] == [(status, True)] * 3, forged
    assert not own.is_refused, own
    patch = {"message": "edited"}
    name = own.body["metadata"]["name"]
    assert limited_release.profiler.patch(path("events", name, SECOND), patch).status == FORBIDDEN


@pytest.mark.parametrize("metadata", ["finalizer", "owner"])
def test_an_event_can_not_hold_up_a_deletion(limited_release: LimitedRelease, metadata: str) -> None:
    """A finalizer would hold up the deletion of the namespace; an owner would wait for the Event."""
    event = limited_release.event("job-profiler", SECOND)
    event["metadata"] |= METADATA[metadata]

    answer = limited_release.profiler.send("POST", limited_release.path("events", namespace=SECOND), event)

    status, policy = refused("events")
    assert (answer.status, policy in answer.message) == (status, True), answer


def crowded(limited_release: LimitedRelease, name: str, foreign: int) -> str:
    """The path of a Pod with so many annotations of its own, and a forged one."""
    manifest = pod(name, annotations={f"a{n}": "" for n in range(foreign)} | {"liqo.io/cpuProfile": "forged"})
    del manifest["spec"]["serviceAccountName"]
    pods = limited_release.path("pods", namespace=SECOND)
    assert not limited_release.admin.send("POST", pods, manifest).is_refused
    return f"{pods}/{name}"


def test_a_crowd_of_annotations_does_not_protect_a_forged_one(limited_release: LimitedRelease) -> None:
    """Among 30,000 annotations, 200 kB, CEL compares none: it took 34 s, and the API server refused.

    The other limits hold on such a Pod.
    """
    path = crowded(limited_release, "crowded", 30_000)
    try:
        started = monotonic()
        answer = limited_release.profiler.patch(path, {"metadata": {"annotations": WEB_ANNOTATIONS}})
        print(f"the patch took {monotonic() - started:.1f} s")
        other = limited_release.profiler.patch(path, PATCHES["metadata-label"])
    finally:
        limited_release.admin.send("DELETE", f"{path}?gracePeriodSeconds=0")

    assert answer.status == 200, answer.message
    assert answer.body["metadata"]["annotations"].items() >= WEB_ANNOTATIONS.items()
    assert "may change only annotations in the metadata" in other.message


def test_the_account_can_not_make_the_crowd(limited_release: LimitedRelease) -> None:
    """With 3,998 foreign annotations and all 1,002 of the product, 5,000, others are still refused."""
    path = crowded(limited_release, "busy", 3998)
    names = {f"liqo.io/connectionProfile{n}": f"connprofile-{DIGEST}" for n in range(1000)}
    allowed = WEB_ANNOTATIONS | names
    try:
        assert not limited_release.profiler.patch(path, {"metadata": {"annotations": allowed}}).is_refused
        answer = limited_release.profiler.patch(path, PATCHES["another-key"])
    finally:
        limited_release.admin.send("DELETE", f"{path}?gracePeriodSeconds=0")

    assert "only the annotations that name profiles" in answer.message


@pytest.fixture
async def client(limited_release: LimitedRelease) -> AsyncIterator[ClusterClient]:
    """The product's client with the account's token."""
    async with open_cluster(str(limited_release.control_plane.kubeconfig_of(ACCOUNT, FIRST))) as opened:
        yield opened
    await cut_connections()


async def test_the_product_annotates_pods(
    limited_release: LimitedRelease, web: str, client: ClusterClient
) -> None:
    """Back-fill's patch sets, replaces and removes profile annotations, and removes an outdated summary."""
    uid = limited_release.admin.get(web)["metadata"]["uid"]
    record = PodRecord(SECOND, "web", uid, 0, Workload(SECOND, "web"), {})
    writer = PodAnnotationWriter(client)

    last = {"liqo.io/connectionProfile999": f"connprofile-{DIGEST}"}
    await writer.annotate(record, {**WEB_ANNOTATIONS, **last, SUMMARY: None})
    annotations = limited_release.admin.get(web)["metadata"]["annotations"]
    assert annotations == WEB_ANNOTATIONS | last | {"example.org/kept": "yes"}

    await writer.annotate(record, dict.fromkeys(WEB_ANNOTATIONS | last))
    annotations = limited_release.admin.get(web)["metadata"]["annotations"]
    assert annotations == {"example.org/kept": "yes"}


async def test_the_product_writes_its_state(limited_release: LimitedRelease, client: ClusterClient) -> None:
    """Check-points, status, Secrets, Lease, Events and the self-probe's dry run pass all policies."""
    maps = CheckpointMaps(client, FIRST)
    version = await maps.write("0000000000aa", b"state", None)
    version = await maps.write("0000000000aa", b"new state", version)
    await maps.remove("0000000000aa", version)

    for key in ("status.json", "probe.json"):
        await StatusMap(client, FIRST, key).write({"a": 1})
    for name in (f"{NAME}-ca", f"{NAME}-tls"):
        secret = CachedSecret(client, FIRST, name)
        await secret.read()
        await secret.write({"tls.key": b"a"})
        await secret.write({"tls.key": b"b", "tls.crt": b"c"})
    assert await LeaseLock(client, FIRST, NAME, "a", duration_seconds=15).try_to_hold()
    answered = await client.create(paths.config_maps(FIRST), question("a"), dry_run=True)
    assert answered["metadata"]["name"].startswith("job-profiler-probe-")

    involved = InvolvedObject("v1", "ConfigMap", FIRST, STATUS)
    await EventRecorder(client, "a").record(involved, "Tested", "tested", now=datetime.now(UTC))
    events = limited_release.admin.get(limited_release.path("events"))["items"]
    assert [event["source"]["component"] for event in events if event["reason"] == "Tested"] == [NAME]
    stored = limited_release.admin.get(limited_release.path("secrets", f"{NAME}-tls"))
    assert base64.b64decode(stored["data"]["tls.key"]) == b"b"


@pytest.mark.parametrize("name", POLICIES)
def test_the_api_server_finds_no_fault_in_the_expressions(limited_release: LimitedRelease, name: str) -> None:
    """The types of all expressions are checked against the schemas of the resources, without a warning."""

    def checked() -> Object | None:
        status: Object = limited_release.policy(name).get("status", {})
        return status if "typeChecking" in status else None

    status = wait_until(checked, 60, "the types to be checked")
    assert status
    assert status["typeChecking"] == {}
