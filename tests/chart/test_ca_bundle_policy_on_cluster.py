"""The token of the profiler's service account against the webhook configuration, on a real API server.

Its right to patch the whole object would let it add a webhook for Secrets or role bindings. The policy leaves
it `caBundle` of the release's two entries.
"""

import base64
import copy
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.webhook_configuration import WebhookConfiguration
from tests.chart.limited_release import ACCOUNT, ADMISSION, CONFIGURATION, NAME, LimitedRelease
from tests.chart.served import FIRST
from tests.cluster.api_account import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Object
from tests.cluster.open_connections import cut_connections
from tests.cluster.waiting import wait_until
from tests.tls.issued import issue_authority

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

FORBIDDEN, INVALID = 403, 422
POLICY = f"ValidatingAdmissionPolicy '{NAME}-ca-bundle'"
PODS, PROBE, FOREIGN = "pods.job-profiler.liqo.io", "probe.job-profiler.liqo.io", "other.example.org"
NOBODY = {"matchLabels": {"example.org/nobody": "true"}}
# The garbage collector deletes an object whose owner does not exist.
OWNER = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "name": "gone",
    "uid": "b7c1e9f0-0000-4000-8000-000000000000",
}
AUTHORITY, SUCCESSOR = (issue_authority(datetime.now(UTC)).certificate for _ in range(2))


def entry(name: str, group: str, resource: str) -> Object:
    """A webhook of an attacker, outside of the cluster, that may answer for every object of a resource."""
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": [resource]}
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "rules": [rule],
    }


@pytest.fixture
def stored(limited_release: LimitedRelease) -> Iterator[Object]:
    """The configuration with the entries in another order, and a foreign one between them.

    Afterwards it is as rendered again.
    """
    rendered = limited_release.admin.get(CONFIGURATION)
    pods, probe = rendered["webhooks"]
    foreign = entry(FOREIGN, "example.org", "nothings")
    entries = [{"op": "replace", "path": "/webhooks", "value": [probe, foreign, pods]}]
    answer = limited_release.admin.patch(CONFIGURATION, entries, JSON_PATCH)
    assert not answer.is_refused, answer
    yield answer.body
    limited_release.admin.patch(
        CONFIGURATION, [{"op": "replace", "path": "/webhooks", "value": [pods, probe]}], JSON_PATCH
    )


Change = Callable[[Object], Any]


def added(name: str, group: str, resource: str) -> Change:
    return lambda manifest: manifest["webhooks"].append(entry(name, group, resource))


def changed(**fields: Any) -> Change:
    """A change of the entry for Pods."""
    return lambda manifest: manifest["webhooks"][2].update(fields)


def moved(**fields: Any) -> Change:
    """A change of the address in the entry for Pods."""
    return lambda manifest: manifest["webhooks"][2]["clientConfig"]["service"].update(fields)


def annotated(manifest: Object) -> None:
    manifest["metadata"].setdefault("annotations", {})["cert-manager.io/inject-ca-from"] = "x/y"


def described(**metadata: Any) -> Change:
    return lambda manifest: manifest["metadata"].update(metadata)


def redirected(manifest: Object) -> None:
    config = manifest["webhooks"][2]["clientConfig"]
    del config["service"]
    config["url"] = "https://127.0.0.1:1/mutate"


def trusting_foreign(manifest: Object) -> None:
    manifest["webhooks"][1]["clientConfig"]["caBundle"] = encoded(AUTHORITY)


def more_resources(manifest: Object) -> None:
    manifest["webhooks"][2]["rules"][0]["resources"].append("secrets")


def more_operations(manifest: Object) -> None:
    manifest["webhooks"][2]["rules"].append(entry("", "rbac.authorization.k8s.io", "*")["rules"][0])


ATTACKS: dict[str, Change] = {
    "entry-for-secrets": added("a.example.org", "", "secrets"),
    "entry-for-pods": added("b.example.org", "", "pods"),
    "entry-for-role-bindings": added("c.example.org", "rbac.authorization.k8s.io", "clusterrolebindings"),
    "entry-named-like-ours": added(f"x.{PODS}", "", "secrets"),
    "entry-removed": lambda manifest: manifest["webhooks"].pop(),
    "all-entries-removed": lambda manifest: manifest["webhooks"].clear(),
    "entries-reordered": lambda manifest: manifest["webhooks"].reverse(),
    "entry-renamed": changed(name="pods.example.org"),
    "timeout": changed(timeoutSeconds=30),
    "failure-policy": changed(failurePolicy="Fail"),
    "reinvocation-policy": changed(reinvocationPolicy="IfNeeded"),
    "match-policy": changed(matchPolicy="Exact"),
    "side-effects": changed(sideEffects="NoneOnDryRun"),
    "review-versions": changed(admissionReviewVersions=["v1", "v1beta1"]),
    "object-selector": changed(objectSelector={}),
    "namespace-selector": changed(namespaceSelector={}),
    "narrower-selector": changed(namespaceSelector=NOBODY),
    "conditions": changed(matchConditions=[{"name": "always", "expression": "true"}]),
    "no-conditions": lambda manifest: manifest["webhooks"][2].pop("matchConditions"),
    "rule": more_resources,
    "second-rule": more_operations,
    "rules": changed(rules=[]),
    "service-name": moved(name="other"),
    "service-namespace": moved(namespace="default"),
    "service-path": moved(path="/other"),
    "service-port": moved(port=444),
    "url": redirected,
    "ca-bundle-of-others": trusting_foreign,
    "annotation": annotated,
    "labels": described(labels={"a": "b"}),
    "finalizers": described(finalizers=["example.org/kept"]),
    "generate-name": described(generateName="a-"),
    "owner": described(ownerReferences=[OWNER]),
}


def encoded(pem: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(pem).decode()


def replaced(stored: Object, change: Change) -> Object:
    """The stored object with the change."""
    manifest = copy.deepcopy(stored)
    change(manifest)
    return manifest


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_token_changes_nothing_else(limited_release: LimitedRelease, stored: Object, attack: str) -> None:
    """A changed entry, field or metadata is refused by the policy, and nothing is stored."""
    wanted = replaced(stored, ATTACKS[attack])

    answer = limited_release.profiler.patch(CONFIGURATION, wanted)

    assert (answer.status, POLICY in answer.message) == (INVALID, True), answer
    assert limited_release.admin.get(CONFIGURATION) == stored


def test_the_administrator_may_change_all_of_it(limited_release: LimitedRelease, stored: Object) -> None:
    """The same changes are valid, and are accepted from another account: the policy is the reason."""
    for attack, change in ATTACKS.items():
        answer = limited_release.admin.patch(f"{CONFIGURATION}?dryRun=All", replaced(stored, change))
        assert not answer.is_refused, (attack, answer.message)


def test_every_kind_of_patch_is_refused(limited_release: LimitedRelease, stored: Object) -> None:
    """JSON patch, merge patch, strategic merge patch, and apply as another field manager, forced."""
    profiler, attack = limited_release.profiler, entry("a.example.org", "", "secrets")
    manifest = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": {"name": NAME}}
    without_timeouts = [
        {field: value for field, value in webhook.items() if field != "timeoutSeconds"}
        for webhook in stored["webhooks"]
        if webhook["name"] != FOREIGN
    ]
    answers = [
        profiler.patch(CONFIGURATION, [{"op": "add", "path": "/webhooks/-", "value": attack}], JSON_PATCH),
        profiler.patch(CONFIGURATION, {"webhooks": [*stored["webhooks"], attack]}, MERGE_PATCH),
        profiler.patch(CONFIGURATION, {"webhooks": [attack]}, STRATEGIC_PATCH),
        profiler.apply(CONFIGURATION, manifest | {"webhooks": [attack]}, "job-profiler-ca-bundle"),
        # Applied as Helm without it, a field that only Helm owns is removed, and gets the API's default.
        profiler.apply(CONFIGURATION, manifest | {"webhooks": without_timeouts}, "helm"),
    ]

    assert [POLICY in answer.message for answer in answers] == [True] * 5, answers
    assert limited_release.admin.get(CONFIGURATION) == stored


def test_an_update_is_refused_like_a_patch(limited_release: LimitedRelease, stored: Object) -> None:
    """With the right to update, which the chart does not give, the policy refuses a PUT too."""
    rule = {"apiGroups": ["*"], "resources": ["mutatingwebhookconfigurations"], "verbs": ["update"]}
    rbac, name = "/apis/rbac.authorization.k8s.io/v1", "may-update-configurations"
    role = {"metadata": {"name": name}, "rules": [rule]}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": FIRST}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    attack = replaced(stored, ATTACKS["entry-for-secrets"])
    assert limited_release.profiler.send("PUT", CONFIGURATION, attack).status == FORBIDDEN
    limited_release.admin.send("POST", f"{rbac}/clusterroles", role)
    limited_release.admin.send("POST", f"{rbac}/clusterrolebindings", binding)
    try:
        wait_until(
            lambda: limited_release.profiler.send("PUT", CONFIGURATION, attack).status != FORBIDDEN,
            30,
            "the right to update",
        )
        answer = limited_release.profiler.send("PUT", CONFIGURATION, attack)
    finally:
        limited_release.admin.send("DELETE", f"{rbac}/clusterrolebindings/{name}")
        limited_release.admin.send("DELETE", f"{rbac}/clusterroles/{name}")

    assert (answer.status, POLICY in answer.message) == (INVALID, True), answer


def test_no_other_configuration_can_be_written(limited_release: LimitedRelease) -> None:
    """Neither created, also not by apply, nor changed or deleted, whatever its name begins with."""
    collection = CONFIGURATION.rpartition("/")[0]
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"{NAME}-2"},
        "webhooks": [entry("a.example.org", "", "secrets")],
    }
    send = limited_release.profiler.send
    validating = f"{ADMISSION}/validatingwebhookconfigurations/{NAME}"
    answers = [
        send("POST", collection, manifest),
        limited_release.profiler.apply(f"{collection}/{NAME}-2", manifest, "job-profiler"),
        limited_release.profiler.patch(validating, {"webhooks": []}),
        limited_release.profiler.patch(f"{ADMISSION}/validatingadmissionpolicies/{NAME}-ca-bundle", {}),
        send("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/{NAME}-ca-bundle"),
        send("DELETE", CONFIGURATION),
        send("DELETE", collection),
    ]

    assert [answer.status for answer in answers] == [FORBIDDEN] * 7, answers


@pytest.fixture
async def client(limited_release: LimitedRelease) -> AsyncIterator[ClusterClient]:
    """The product's client with the account's token."""
    kubeconfig = limited_release.control_plane.kubeconfig_of(ACCOUNT, FIRST)
    async with open_cluster(str(kubeconfig)) as opened:
        yield opened
    await cut_connections()


async def test_the_product_publishes_its_bundle(
    limited_release: LimitedRelease, stored: Object, client: ClusterClient
) -> None:
    """The real apply passes, twice, in whatever order the entries are stored; only the two bundles change.

    Sent in another order than the stored one, the same apply is refused: it would reorder the entries.
    """
    configuration = WebhookConfiguration(client, NAME)
    for bundle in (AUTHORITY, SUCCESSOR + AUTHORITY):
        await configuration.publish_ca_bundle(bundle)

        live = limited_release.admin.get(CONFIGURATION)
        bundles = [webhook["clientConfig"].pop("caBundle", "") for webhook in live["webhooks"]]
        assert bundles == [encoded(bundle), "", encoded(bundle)]
        assert live["webhooks"] == stored["webhooks"]

    pods_first = [{"name": name, "clientConfig": {"caBundle": encoded(AUTHORITY)}} for name in (PODS, PROBE)]
    manifest = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": {"name": NAME}}
    answer = limited_release.profiler.apply(
        CONFIGURATION, manifest | {"webhooks": pods_first}, "job-profiler-ca-bundle"
    )
    assert "may not add, remove or reorder webhooks" in answer.message


def test_what_the_token_can_still_do(limited_release: LimitedRelease, stored: Object) -> None:
    """It can empty its own caBundle, and reset managedFields: docs/pages/security.md says so."""
    assert stored["metadata"]["managedFields"]
    emptied = [{"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": ""}]
    reset = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]

    answers = [limited_release.profiler.patch(CONFIGURATION, patch, JSON_PATCH) for patch in (emptied, reset)]

    assert [answer.status for answer in answers] == [200, 200], answers
