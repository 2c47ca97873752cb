"""The webhook answers the self-probe, and no other ConfigMap."""

from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from app.domain.annotation_index import AnnotationIndex
from app.domain.self_probe import ReplicaFaults, config_map, read_faults
from app.webhook.decisions import decide
from app.webhook.reviews import decode_review
from tests.webhook.profiles import WEB_ANNOTATIONS, synced_catalogue, web_profiles
from tests.webhook.reviews import applied, encoded, patch_in, review, web_pod
from tests.webhook.webhooks import Webhook, state_from, webhook_with

KIND = {"group": "", "version": "v1", "kind": "ConfigMap"}
QUESTION = "job-profiler.liqo.io/probe-question"
ANSWER = "job-profiler.liqo.io/probe-answer"


@pytest.fixture
def webhook() -> Webhook:
    """A webhook with the profiles of emojivoto's `web`."""
    return webhook_with(*web_profiles())


def probe_request(manifest: dict[str, Any], **request: object) -> bytes:
    """The review of the creation of *manifest* in the product's own namespace, which is out of scope."""
    return encoded(review(manifest, "profiling", **{"kind": KIND, "dryRun": True, **request}))


def test_the_probe_is_answered(webhook: Webhook) -> None:
    """One annotation is added, nothing else changes, and it is counted under its own reason."""
    probe = config_map("a1b2")

    answered = applied(webhook.mutator.review(probe_request(probe)), probe)

    assert answered["metadata"]["annotations"] == {QUESTION: "a1b2", ANSWER: "a1b2"}
    assert answered["metadata"] | {"annotations": {}} == probe["metadata"] | {"annotations": {}}
    assert webhook.counted("mutated", "self_probe") == 1
    assert webhook.counted("mutated") == 0


FAULTS = "job-profiler.liqo.io/probe-faults"


def answered_by(faults: ReplicaFaults, probe: dict[str, Any]) -> dict[str, str]:
    """The annotations of the probe's ConfigMap after the answer of a replica with these faults."""
    catalogue = synced_catalogue()
    index = AnnotationIndex(catalogue, max_connections=64)
    state = replace(state_from(catalogue, index), read_faults=lambda: faults)
    answered = jsonpatch.apply_patch(
        probe, decide(decode_review(probe_request(probe)), state).patch.operations
    )
    annotations: dict[str, str] = answered["metadata"]["annotations"]
    return annotations


def test_the_answer_has_the_faults_of_the_replica() -> None:
    """Its name, and the reason of each fault: the account of the webhook may write nothing that stays."""
    faults = ReplicaFaults("webhook-a", {"watch of cpuprofiles": "403 Forbidden", "clock": "90 s behind"})

    assert read_faults(answered_by(faults, config_map("a1b2"))) == faults
    forged = config_map("a1b2")
    forged["metadata"]["annotations"][FAULTS] = "{}"
    assert read_faults(answered_by(faults, forged)) == faults
    assert read_faults(answered_by(ReplicaFaults("webhook-a"), config_map("a1b2"))) == ReplicaFaults(
        "webhook-a"
    )


def test_many_faults_are_cut() -> None:
    """Of 1000 faults with reasons of 10 kB the first 20 are stated, with 300 characters each."""
    faults = ReplicaFaults("webhook-a", {f"watch {number}": "x" * 10_000 for number in range(1000)})

    stated = read_faults(answered_by(faults, config_map("a1b2")))

    assert stated == ReplicaFaults("webhook-a", {f"watch {number}": "x" * 300 for number in range(20)})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"replica": 7}', '{"replica": "a", "faults": [1]}'])
def test_faults_of_other_types_are_none(text: str) -> None:
    """An older webhook states none, and another program may answer in its place."""
    assert read_faults({FAULTS: text}) is None


def test_an_answer_is_not_given_twice(webhook: Webhook) -> None:
    """A second review changes nothing; a wrong answer is replaced."""
    probe = config_map("a1b2")
    answered = applied(webhook.mutator.review(probe_request(probe)), probe)
    assert patch_in(webhook.mutator.review(probe_request(answered))) == []

    probe["metadata"]["annotations"][ANSWER] = "an older one"
    assert applied(webhook.mutator.review(probe_request(probe)), probe) == answered


def without(*path: str) -> dict[str, Any]:
    manifest = config_map("a1b2")
    parent = manifest
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return manifest


@pytest.mark.parametrize(
    ("manifest", "request_fields"),
    [
        pytest.param(without("metadata", "labels"), {}, id="without-the-label"),
        pytest.param(without("metadata", "annotations"), {}, id="without-a-question"),
        pytest.param({"metadata": {"name": "settings"}, "data": {"a": "b"}}, {}, id="another-config-map"),
        pytest.param(config_map("a1b2"), {"operation": "UPDATE"}, id="an-update"),
        pytest.param(config_map("a1b2"), {"kind": KIND | {"kind": "Secret"}}, id="another-kind"),
        pytest.param(config_map("a1b2"), {"kind": KIND | {"group": "example.org"}}, id="another-group"),
    ],
)
def test_anything_else_passes_as_it_is(
    webhook: Webhook, manifest: dict[str, Any], request_fields: dict[str, Any]
) -> None:
    """Other objects stay unchanged, even if the webhook configuration selects them."""
    assert patch_in(webhook.mutator.review(probe_request(manifest, **request_fields))) == []
    assert webhook.counted("skipped", "not_a_pod_creation") == 1


def test_a_pod_with_the_probes_annotation_is_a_pod(webhook: Webhook) -> None:
    """It gets the names of its profiles and no answer."""
    pod = web_pod({QUESTION: "a1b2"})
    pod["metadata"]["labels"] |= config_map("a1b2")["metadata"]["labels"]

    mutated = applied(webhook.mutator.review(encoded(review(pod))), pod)

    assert mutated["metadata"]["annotations"] == WEB_ANNOTATIONS | {QUESTION: "a1b2"}


def test_a_webhook_without_profiles_answers(webhook: Webhook) -> None:
    """The probe checks the path to the webhook; readiness covers missing profiles."""
    probe = config_map("a1b2")
    new = webhook_with()

    assert (
        applied(new.mutator.review(probe_request(probe)), probe)["metadata"]["annotations"][ANSWER] == "a1b2"
    )
