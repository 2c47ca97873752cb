"""Requests from profiles at a Pod's creation, the summary annotation, and faults.

The profiles of `web` have 0.250 cores and 200,000,000 bytes for container `server`: 250m, and in whole MiB
200,000,000 / 1,048,576 = 190.7, rounded up to 191Mi.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from app.domain.annotation_index import AnnotationIndex
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.constraints import Quota
from app.rightsizing.governors import Governor, GovernorKind
from app.runtime.scheduling import scheduling_policy
from app.webhook import pod_sizer
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from app.webhook.decisions import decide
from app.webhook.need_index import NeedIndex
from app.webhook.outcomes import Decision
from app.webhook.pod_sizer import PodSizer
from app.webhook.reviews import decode_review
from app.webhook.sizing import SizingOutcome
from tests.webhook.profiles import (
    WEB,
    WEB_ANNOTATIONS,
    connection,
    cpu,
    memory,
    synced_catalogue,
    web_profiles,
    with_containers,
)
from tests.webhook.reviews import applied, encoded, owned_by, patch_in, pod, review, web_pod
from tests.webhook.webhooks import (
    SETTINGS,
    Webhook,
    constraint_index,
    sizing_webhook,
    state_from,
    webhook_with,
)

NOTE = "job-profiler.liqo.io/requests"
LABEL = "job-profiler.liqo.io/scheduling"
NEEDED = {"cpu": "250m", "memory": "191Mi"}
SIZED_PROFILES = (
    *(manifest for manifest in web_profiles() if manifest["kind"] == "ConnectionProfile"),
    with_containers(cpu(WEB, "0.250"), {"server": "0.250"}),
    with_containers(memory(WEB, "200000000"), {"server": "200000000"}),
)


def web_pod_with(
    resources: object = None, *, label: str | None = None, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A Pod of `web` with this scheduling label, annotations, and resources of its one container."""
    reviewed = web_pod(annotations)
    if resources is not None:
        reviewed["spec"]["containers"][0]["resources"] = resources
    if label is not None:
        reviewed["metadata"]["labels"][LABEL] = label
    return reviewed


def patched_by(webhook: Webhook, reviewed: dict[str, Any], namespace: str = "emojivoto") -> dict[str, Any]:
    """The patched Pod, after a check that a second review changes nothing."""
    patched = applied(webhook.mutator.review(encoded(review(reviewed, namespace))), reviewed)
    assert patch_in(webhook.mutator.review(encoded(review(patched, namespace)))) == []
    return patched


def resources_of(reviewed: Mapping[str, Any]) -> Any:
    return reviewed["spec"]["containers"][0].get("resources")


def test_a_pod_without_scheduling_gets_the_prepared_decision() -> None:
    """Two Pods get the same object; a Pod with a requests summary needs an individual decision."""
    catalogue = synced_catalogue(*SIZED_PROFILES)
    index = AnnotationIndex(catalogue, max_connections=64)
    sizer = PodSizer(NeedIndex(catalogue, index), ConstraintIndex(), scheduling_policy(SETTINGS))
    state = state_from(catalogue, index, sizer=sizer)

    def decided(annotations: dict[str, str] | None = None) -> Decision:
        document = review(web_pod_with(label="false", annotations=annotations))
        return decide(decode_review(encoded(document)), state)

    assert decided() is decided()
    assert decided({NOTE: "forged"}) is not decided({NOTE: "forged"})


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        pytest.param(None, {"requests": NEEDED}, id="no-resources"),
        pytest.param({}, {"requests": NEEDED}, id="empty-resources"),
        pytest.param({"requests": None}, {"requests": NEEDED}, id="null-requests"),
        pytest.param(
            {"requests": {"cpu": "2", "memory": "1Gi"}}, {"requests": NEEDED}, id="requests-too-large"
        ),
        pytest.param(
            {"requests": {"cpu": "2", "ephemeral-storage": "1Gi"}, "limits": {"example.org/gpu": "1"}},
            {
                "requests": {"ephemeral-storage": "1Gi", **NEEDED},
                "limits": {"example.org/gpu": "1"},
            },
            id="foreign-resources-stay",
        ),
        pytest.param(
            {"requests": {"cpu": "240m"}},
            {"requests": {"cpu": "240m", "memory": "191Mi"}},
            id="near-enough-stays",
        ),
        pytest.param(
            {"requests": {"cpu": "10m"}, "limits": {"cpu": "100m"}},
            {"requests": {"cpu": "100m", "memory": "191Mi"}, "limits": {"cpu": "100m"}},
            id="never-above-its-limit",
        ),
    ],
)
def test_a_pod_with_scheduling_gets_the_requests_of_its_profiles(
    resources: object, expected: dict[str, Any]
) -> None:
    """Beside its annotations with the summary, only requests change; limits stay unchanged."""
    webhook = sizing_webhook(*SIZED_PROFILES)
    reviewed = web_pod_with(resources)

    patched = patched_by(webhook, reviewed)

    assert resources_of(patched) == expected
    note = patched["metadata"]["annotations"].pop(NOTE)
    assert patched["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert expected["requests"]["cpu"] in note
    patched["spec"]["containers"][0].pop("resources")
    reviewed["spec"]["containers"][0].pop("resources", None)
    assert patched["spec"] == reviewed["spec"]
    assert (webhook.resized, webhook.not_resized("unchanged")) == (1, 1)


@pytest.mark.parametrize(
    ("namespace_enabled", "label", "enabled"),
    [
        (True, None, True),
        (True, "true", True),
        (True, "false", False),
        (True, "no", True),
        (False, None, False),
        (False, "true", True),
        (False, "false", False),
        (False, "True", False),
        (False, "", False),
    ],
)
def test_the_label_of_the_pod_overrides_that_of_its_namespace(
    label: str | None, *, namespace_enabled: bool, enabled: bool
) -> None:
    """Only the exact values `true` and `false` count; without scheduling a Pod is annotated, not counted."""
    webhook = sizing_webhook(*SIZED_PROFILES, constraints=constraint_index(["emojivoto"] * namespace_enabled))

    patched = patched_by(webhook, web_pod_with(label=label))

    assert resources_of(patched) == ({"requests": NEEDED} if enabled else None)
    ours = patched["metadata"]["annotations"]
    assert {key: ours[key] for key in WEB_ANNOTATIONS} == WEB_ANNOTATIONS
    assert (NOTE in ours, webhook.resized) == (enabled, enabled)
    assert [webhook.not_resized(outcome) for outcome in SizingOutcome if outcome != "unchanged"] == [0] * 7


@pytest.mark.parametrize("label", [None, "false"])
def test_a_forged_summary_is_replaced_or_removed(label: str | None) -> None:
    """It is replaced if requests are set, and removed otherwise; other annotations stay."""
    forged = {NOTE: "forged", "example.org/own": "kept"}

    patched = patched_by(sizing_webhook(*SIZED_PROFILES), web_pod_with(label=label, annotations=forged))

    note = patched["metadata"]["annotations"].get(NOTE)
    assert note is None if label else note not in {None, "forged"}
    assert patched["metadata"]["annotations"]["example.org/own"] == "kept"


def test_a_forged_summary_is_removed_without_a_profile() -> None:
    """No requests are set, so there is no summary; the Pod counts as not resized."""
    webhook = sizing_webhook(*SIZED_PROFILES)
    reviewed = pod(owned_by("StatefulSet", "db") | {"annotations": {NOTE: "forged"}})

    patched = patched_by(webhook, reviewed)

    assert patched["metadata"]["annotations"] == {}
    assert resources_of(patched) is None
    assert webhook.not_resized("no_profile") == 2


def test_connections_alone_set_no_request() -> None:
    """Connection profiles have no needs."""
    itself = connection(WEB, WEB)
    webhook = sizing_webhook(itself)

    patched = patched_by(webhook, web_pod())

    assert patched["metadata"]["annotations"] == {"liqo.io/connectionProfile0": itself["metadata"]["name"]}
    assert webhook.not_resized("no_profile") == 2


def test_an_opted_out_pod_keeps_everything() -> None:
    """Its requests and any summary stay unchanged."""
    reviewed = web_pod_with(label="true", annotations={NOTE: "own"})
    reviewed["metadata"]["labels"]["job-profiler.liqo.io/ignore"] = "true"

    assert patched_by(sizing_webhook(*SIZED_PROFILES), reviewed) == reviewed


@pytest.mark.parametrize("label", [None, "true"])
def test_before_the_constraints_are_known_a_pod_is_only_annotated(label: str | None) -> None:
    """A summary stays unchanged, since another replica may have written it."""
    webhook = sizing_webhook(*SIZED_PROFILES, constraints=ConstraintIndex())
    reviewed = web_pod_with(label=label, annotations={NOTE: "of another replica"})

    patched = patched_by(webhook, reviewed)

    assert patched["spec"] == reviewed["spec"]
    assert patched["metadata"]["annotations"] == WEB_ANNOTATIONS | {NOTE: "of another replica"}
    assert webhook.not_resized("constraints_not_synced") == 2


def test_what_an_autoscaler_scales_on_is_left_alone() -> None:
    """The autoscaler's target is a percentage of the CPU request, so that stays; memory is set."""
    scaled = Governor(GovernorKind.HORIZONTAL, WEB, frozenset({Resource.CPU}))
    autoscaler = ConstraintObject("emojivoto", "web", scaled)
    webhook = sizing_webhook(*SIZED_PROFILES, constraints=constraint_index(horizontal=[autoscaler]))

    patched = patched_by(webhook, web_pod_with({"requests": {"cpu": "2"}}))

    assert resources_of(patched) == {"requests": {"cpu": "2", "memory": "191Mi"}}


@pytest.mark.parametrize(
    ("governed", "requests", "note"),
    [
        (frozenset({Resource.CPU}), {"cpu": "2", "memory": "191Mi"}, "server: cpu unchanged ({}), memory"),
        (frozenset(Resource), {"cpu": "2"}, "server: unchanged ({})"),
        (frozenset[Resource](), NEEDED, "server: cpu request 2000m → 250m, memory"),
    ],
    ids=["one resource", "both", "no recommendation"],
)
def test_what_a_vertical_autoscaler_sets_is_left_alone(
    governed: frozenset[Resource], requests: dict[str, str], note: str
) -> None:
    """The summary says so, and a second review, as after the autoscaler's own webhook, changes nothing."""
    sets = Governor(
        GovernorKind.VERTICAL, WEB, containers=(("server", governed), ("gone", frozenset(Resource)))
    )
    autoscaler = ConstraintObject("emojivoto", "web", sets)
    webhook = sizing_webhook(*SIZED_PROFILES, constraints=constraint_index(vertical=[autoscaler]))

    patched = patched_by(webhook, web_pod_with({"requests": {"cpu": "2"}}))

    assert resources_of(patched) == {"requests": requests}
    summary = patched["metadata"]["annotations"][NOTE]
    assert summary.startswith(note.format("a VerticalPodAutoscaler sets it"))
    assert patched_by(webhook, patched) == patched


def test_a_quota_on_requests_lets_them_only_fall() -> None:
    """The rest of a quota is unknown, so no request rises above that of the original Pod."""
    counted = Quota(frozenset(Resource), frozenset(), has_best_effort_scope=False)
    constraints = constraint_index(quotas=[ConstraintObject("emojivoto", "q", counted)])
    webhook = sizing_webhook(*SIZED_PROFILES, constraints=constraints)

    patched = patched_by(webhook, web_pod_with({"requests": {"cpu": "100m", "memory": "1Gi"}}))

    assert resources_of(patched) == {"requests": {"cpu": "100m", "memory": "191Mi"}}


def test_limits_follow_if_a_ratio_is_set() -> None:
    """With a ratio of 2, the limits are 500m and 382Mi."""
    ratios = {"scheduling_cpu_limit_ratio": 2.0, "scheduling_memory_limit_ratio": 2.0}
    webhook = sizing_webhook(*SIZED_PROFILES, settings=SETTINGS.model_copy(update=ratios))

    patched = patched_by(webhook, web_pod_with({"limits": {"cpu": "4"}}))

    assert resources_of(patched) == {"requests": NEEDED, "limits": {"cpu": "500m", "memory": "382Mi"}}


def test_a_profile_with_low_confidence_sets_nothing() -> None:
    """The confidence is 0.49, the minimum 0.50."""
    unsure = with_containers(cpu(WEB, "0.250"), {"server": "0.250"}, "0.49")
    webhook = sizing_webhook(unsure)

    patched = patched_by(webhook, web_pod())

    assert resources_of(patched) is None
    assert "confidence below the minimum" in patched["metadata"]["annotations"][NOTE]
    assert webhook.not_resized("unchanged") == 2


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"containers": [{"name": "server", "resources": {"requests": {"cpu": 2}}}]},
        {"containers": [{"resources": {}}]},
        {"containers": "server"},
    ],
)
def test_an_unreadable_spec_does_not_prevent_annotations(spec: object) -> None:
    """The Pod is admitted with the names of its profiles, and a forged summary is removed."""
    webhook = sizing_webhook(*SIZED_PROFILES)
    reviewed = web_pod({NOTE: "forged"}) | {"spec": spec}

    patched = patched_by(webhook, reviewed)

    assert patched["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert patched["spec"] == spec
    assert webhook.not_resized("unreadable_resources") == 2


@pytest.mark.parametrize("broken", ["resize", "resource_operations", "read_resources"])
def test_a_fault_in_sizing_does_not_prevent_annotations(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any exception: annotated, not resized, counted, and logged with the workload."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError("sizing is broken")

    webhook = sizing_webhook(*SIZED_PROFILES)
    monkeypatch.setattr(pod_sizer, broken, fails)
    reviewed = web_pod()
    with structlog.testing.capture_logs() as lines:
        patched = patched_by(webhook, reviewed)

    assert patched["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert patched["spec"] == reviewed["spec"]
    assert webhook.not_resized("internal_error") == 2
    assert [(line["event"], line["workload"]) for line in lines] == [
        ("resizing_failed_open", "emojivoto/web")
    ] * 2


@pytest.mark.parametrize(("beyond", "is_resized"), [(0, True), (1, False)])
def test_a_pod_without_room_for_the_summary_keeps_its_requests(beyond: int, *, is_resized: bool) -> None:
    """One byte above 200 KiB of annotations, neither the summary nor requests are set; profiles are named."""
    note = patched_by(sizing_webhook(*SIZED_PROFILES), web_pod())["metadata"]["annotations"][NOTE]
    needs = {key: value for key, value in WEB_ANNOTATIONS.items() if "connection" not in key}
    taken = sum(len(key) + len(value.encode()) for key, value in {**needs, NOTE: note}.items())
    own = {"own": "x" * (200 * 1024 - taken - len("own") + beyond)}
    webhook = sizing_webhook(*SIZED_PROFILES)

    patched = patched_by(webhook, web_pod(own))

    assert (resources_of(patched) is not None) is is_resized
    assert patched["metadata"]["annotations"] == own | needs | ({NOTE: note} if is_resized else {})
    assert webhook.not_resized("annotations_too_large") == (0 if is_resized else 2)


def test_a_webhook_that_sets_no_requests_ignores_the_summary() -> None:
    """In profiling mode the summary is a foreign annotation, and resources are not read."""
    reviewed = web_pod_with({"requests": {"cpu": "2"}}, label="true", annotations={NOTE: "own"})

    patched = patched_by(webhook_with(*SIZED_PROFILES), reviewed)

    assert patched["spec"] == reviewed["spec"]
    assert patched["metadata"]["annotations"] == WEB_ANNOTATIONS | {NOTE: "own"}


@pytest.mark.parametrize(("count", "is_sized"), [(100, True), (101, False)])
def test_a_pod_with_absurdly_many_containers_keeps_its_requests(count: int, *, is_sized: bool) -> None:
    """Up to 100 are sized, since each takes time in which no other review is answered; all are annotated."""
    webhook = sizing_webhook(*SIZED_PROFILES)
    reviewed = web_pod_with()
    others = [{"name": f"other-{number}"} for number in range(count - 1)]
    reviewed["spec"]["initContainers"] = others

    patched = patched_by(webhook, reviewed)

    assert patched["metadata"]["annotations"].items() >= WEB_ANNOTATIONS.items()
    has_given_up = webhook.not_resized("too_many_containers") > 0
    assert (webhook.resized > 0, has_given_up) == (is_sized, not is_sized)


def test_each_pod_of_a_workload_with_roles_gets_its_own_needs() -> None:
    """The profile of a Ray cluster has 2 cores for a worker, 0.5 and 0.1 for the containers of the head.

    A worker gets 2 cores and the head 0.5 and 0.1, although the profile's value is 2 for both.
    """
    needs = {"ray-worker": "2.000", "ray-head": "0.500", "autoscaler": "0.100"}
    ray = Workload("emojivoto", "ray", "RayCluster")
    webhook = sizing_webhook(with_containers(cpu(ray, "2.000"), needs))

    def requested(*containers: str) -> dict[str, str]:
        """The CPU requests of a Pod with these containers."""
        created = pod(owned_by("RayCluster", "ray"))
        created["spec"]["containers"] = [{"name": name, "image": "ray:2"} for name in containers]
        patched = patched_by(webhook, created)
        return {
            container["name"]: container["resources"]["requests"]["cpu"]
            for container in patched["spec"]["containers"]
        }

    assert requested("ray-worker") == {"ray-worker": "2000m"}
    assert requested("ray-head", "autoscaler") == {"ray-head": "500m", "autoscaler": "100m"}
