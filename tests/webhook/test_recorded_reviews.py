"""One review per kind of owner, and recorded reviews of a real API server, if available."""

from typing import Any

import pytest

from app.domain.workloads import Workload
from tests.webhook.profiles import WEB, WEB_ANNOTATIONS, cpu, name_of, web_profiles
from tests.webhook.recorded_reviews import RECORDED, recorded
from tests.webhook.reviews import OWNERS, applied, encoded, patch_in
from tests.webhook.webhooks import webhook_with

RECORDED_OWNERS = {
    "deployment": WEB,
    "deployment-sidecars": Workload("shop", "checkout"),
    "bare-replicaset": Workload("shop", "bare-rs", "ReplicaSet"),
    "statefulset": Workload("shop", "redis-cart", "StatefulSet"),
    "daemonset": Workload("shop", "log-agent", "DaemonSet"),
    "job": Workload("shop", "migrate-db", "Job"),
    "cronjob": Workload("shop", "nightly-report-29924310", "Job"),
    "replicationcontroller": Workload("shop", "legacy-1", "ReplicationController"),
    "bare-pod": None,
}


ALL_WORKLOADS = {workload for _, workload in OWNERS.values() if workload}
ALL_WORKLOADS |= {workload for workload in RECORDED_OWNERS.values() if workload}
CASES = [pytest.param(document, workload, id=name) for name, (document, workload) in OWNERS.items()] + [
    pytest.param(recorded(name), workload, id=f"recorded-{name}")
    for name, workload in RECORDED_OWNERS.items()
    if (RECORDED / f"admission-review-{name}.json").exists()
]


@pytest.mark.parametrize(("document", "workload"), CASES)
def test_a_pod_of_every_kind_of_owner_gets_its_workloads_profile(
    document: dict[str, Any], workload: Workload | None
) -> None:
    """The owner's profile is found, and other annotations stay; a bare Pod gets none."""
    webhook = webhook_with(*(cpu(owner) for owner in ALL_WORKLOADS))
    reviewed, uid = document["request"]["object"], document["request"]["uid"]

    patched = applied(webhook.mutator.review(encoded(document)), reviewed, uid)

    ours = {"liqo.io/cpuProfile": name_of(cpu(workload))} if workload else {}
    assert patched["metadata"].get("annotations", {}) == reviewed["metadata"].get("annotations", {}) | ours


@pytest.mark.parametrize(
    "document",
    [case.values[0] for case in CASES if case.values[1] == WEB],
    ids=lambda document: document["request"]["uid"],
)
def test_a_pod_of_web_carries_exactly_the_contracts_annotations(document: dict[str, Any]) -> None:
    """CPU, memory and the three connections by the contract's formula, connections in name order.

    sha1hex("webemojivoto") begins 9b9e; in name order the connections are web → voting (b2d1), vote-bot →
    web (d4cb) and web → emoji (fc09). A second review changes nothing.
    """
    webhook = webhook_with(*web_profiles())
    reviewed, uid = document["request"]["object"], document["request"]["uid"]

    patched = applied(webhook.mutator.review(encoded(document)), reviewed, uid)

    assert patched["metadata"]["annotations"] == reviewed["metadata"].get("annotations", {}) | WEB_ANNOTATIONS
    again = document | {"request": document["request"] | {"object": patched}}
    assert patch_in(webhook.mutator.review(encoded(again)), uid) == []
