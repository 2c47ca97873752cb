"""Decisions on Pods: skip reasons, and the limits on the number and size of annotations."""

from typing import Any

import jsonpatch
import pytest

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import is_ours
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ProfileKind
from app.domain.workloads import Workload
from app.webhook.decisions import decide
from app.webhook.outcomes import Decision, SkipReason
from app.webhook.patching import NO_PATCH
from app.webhook.reviews import decode_review
from tests.webhook.generated_pods import size_bytes
from tests.webhook.profiles import (
    EMOJI,
    VOTING,
    WEB,
    WEB_ANNOTATIONS,
    WEB_CPU,
    WEB_MEMORY,
    connection,
    cpu,
    name_of,
    synced_catalogue,
    web_profiles,
)
from tests.webhook.reviews import applied, encoded, owned_by, patch_in, pod, review, web_pod
from tests.webhook.webhooks import SETTINGS, state_from, webhook_on, webhook_with

FORGED = {"liqo.io/cpuProfile": "forged", "liqo.io/connectionProfile7": "forged"}


def decision(document: dict[str, Any], *manifests: dict[str, Any], max_connections: int = 64) -> Decision:
    """The decision on the review with these stored profiles; by default those of `web`."""
    catalogue = synced_catalogue(*(manifests or web_profiles()))
    index = AnnotationIndex(catalogue, max_connections=max_connections)
    return decide(decode_review(encoded(document)), state_from(catalogue, index))


def pod_kind(group: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": "v1", "kind": kind}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(
            review(web_pod(FORGED), operation="UPDATE"), SkipReason.NOT_A_POD_CREATION, id="an-update"
        ),
        pytest.param(
            review(None, operation="DELETE", oldObject=web_pod()),
            SkipReason.NOT_A_POD_CREATION,
            id="a-deletion",
        ),
        pytest.param(
            review(web_pod(FORGED), kind=pod_kind("apps", "Deployment")),
            SkipReason.NOT_A_POD_CREATION,
            id="another-kind",
        ),
        pytest.param(
            review(web_pod(FORGED), kind=pod_kind("example.org", "Pod")),
            SkipReason.NOT_A_POD_CREATION,
            id="a-pod-of-another-group",
        ),
        pytest.param(
            review(web_pod(FORGED), subResource="eviction"), SkipReason.NOT_A_POD_CREATION, id="a-subresource"
        ),
        pytest.param(review(None), SkipReason.NOT_A_POD_CREATION, id="no-object"),
        pytest.param(
            review(web_pod(FORGED), "kube-system"), SkipReason.NAMESPACE_OUT_OF_SCOPE, id="excluded-namespace"
        ),
        pytest.param(
            review(web_pod(FORGED), "profiling"), SkipReason.NAMESPACE_OUT_OF_SCOPE, id="own-namespace"
        ),
        pytest.param(
            review(
                pod({"labels": {"job-profiler.liqo.io/ignore": "true"}, "annotations": {"a": "b"}}),
            ),
            SkipReason.OPTED_OUT,
            id="opted-out",
        ),
        pytest.param(
            review(web_pod(FORGED | {"kubernetes.io/config.mirror": "f5c7"})),
            SkipReason.MIRROR_POD,
            id="mirror-pod",
        ),
        pytest.param(review(pod({"name": "debug"})), SkipReason.NO_OWNER, id="no-controller"),
        pytest.param(review(pod(owned_by("StatefulSet", "web"))), SkipReason.NO_PROFILE, id="not-profiled"),
        pytest.param(review(web_pod(WEB_ANNOTATIONS)), SkipReason.UP_TO_DATE, id="up-to-date"),
    ],
)
def test_a_pod_passes_unchanged_for_a_reason(document: dict[str, Any], reason: SkipReason) -> None:
    """Each case has its own reason, and no patch."""
    assert decision(document) == Decision(NO_PATCH, reason)


def decided_with(document: dict[str, Any], *listed: ProfileKind) -> Decision:
    """The decision of a webhook that has a list of these kinds only: of `web`, its CPU profile."""
    catalogue = ProfileCatalogue()
    for kind in listed:
        catalogue.replace(kind, [cpu(WEB)] if kind is ProfileKind.CPU else [])
    index = AnnotationIndex(catalogue, max_connections=64)
    return decide(decode_review(encoded(document)), state_from(catalogue, index))


def test_an_index_without_a_list_changes_nothing() -> None:
    """Before any kind was listed even a forged key stays: it might be the right one."""
    assert decided_with(review(web_pod(FORGED))) == Decision(NO_PATCH, SkipReason.INDEX_NOT_SYNCED)


@pytest.mark.parametrize("present", [None, {"team": "web"}, FORGED], ids=["none", "foreign", "forged"])
def test_a_kind_that_is_not_listed_costs_only_its_own_annotations(present: dict[str, str] | None) -> None:
    """Only CPU profiles are listed: that annotation is set, and those of the other kinds stay as they are."""
    document = review(web_pod(present))

    decided = decided_with(document, ProfileKind.CPU)

    patched = jsonpatch.apply_patch(document["request"]["object"], decided.patch.operations)
    assert patched["metadata"]["annotations"] == {**(present or {}), "liqo.io/cpuProfile": WEB_CPU}


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ((ProfileKind.MEMORY, ProfileKind.CONNECTION), SkipReason.INDEX_NOT_SYNCED),
        (tuple(ProfileKind), SkipReason.NO_PROFILE),
    ],
    ids=["cpu-unknown", "all-known"],
)
def test_a_workload_that_may_have_a_profile_is_not_said_to_have_none(
    listed: tuple[ProfileKind, ...], reason: SkipReason
) -> None:
    """`vote-bot` has none of the listed kinds; it is said to have no profile only if all kinds are listed."""
    document = review(pod(owned_by("StatefulSet", "vote-bot")))

    assert decided_with(document, *listed) == Decision(NO_PATCH, reason)


@pytest.mark.parametrize(
    ("claimed", "real", "annotated"),
    [("kube-system", "emojivoto", True), ("emojivoto", "kube-system", False), ("emojivoto", "shop", False)],
)
def test_the_namespace_of_the_request_counts_not_that_of_the_pod(
    claimed: str, real: str, *, annotated: bool
) -> None:
    """A Pod can have any `metadata.namespace`; only the namespace of the request counts."""
    reviewed = web_pod()
    reviewed["metadata"]["namespace"] = claimed

    assert bool(decision(review(reviewed, real)).patch) is annotated


def test_only_listed_namespaces_are_in_scope_where_some_are_listed() -> None:
    """With PROFILING_NAMESPACE=shop a Pod of emojivoto passes unchanged, forged keys included."""
    settings = SETTINGS.model_copy(update={"profiling_namespace": ("shop",)})
    webhook = webhook_on(synced_catalogue(*web_profiles()), settings)

    assert patch_in(webhook.mutator.review(encoded(review(web_pod(FORGED))))) == []
    assert webhook.counted("skipped", "namespace_out_of_scope") == 1


@pytest.mark.parametrize("value", ["false", "", "True"])
def test_only_the_exact_value_true_opts_out(value: str) -> None:
    """The selector in the webhook configuration uses the same value."""
    reviewed = web_pod()
    reviewed["metadata"]["labels"]["job-profiler.liqo.io/ignore"] = value

    assert decision(review(reviewed)).patch


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({"name": "debug"}, SkipReason.NO_OWNER, id="no-controller"),
        pytest.param(owned_by("StatefulSet", "web"), SkipReason.NO_PROFILE, id="not-profiled"),
    ],
)
def test_forged_keys_are_removed_without_a_replacement(metadata: dict[str, Any], reason: SkipReason) -> None:
    """The foreign annotation stays, and the reason says why no annotation was added."""
    reviewed = pod(metadata | {"annotations": FORGED | {"a": "b"}})
    webhook = webhook_with(*web_profiles())

    patched = applied(webhook.mutator.review(encoded(review(reviewed))), reviewed)

    assert patched["metadata"]["annotations"] == {"a": "b"}
    assert webhook.counted("mutated", reason) == 1


def test_the_largest_connections_are_written_in_name_order() -> None:
    """Two of four connections: 90 and 80 per minute, numbered by name, not by rate."""
    manifests = [
        connection(WEB, Workload("emojivoto", f"peer-{rate}"), rate)
        for rate in ("7.00", "90.00", "9.50", "80.00")
    ]
    first, second = sorted((name_of(manifests[1]), name_of(manifests[3])))

    patch = decision(review(web_pod()), *manifests, max_connections=2).patch.operations

    assert patch[0]["value"] == {"liqo.io/connectionProfile0": first, "liqo.io/connectionProfile1": second}


def test_no_connection_is_written_if_the_maximum_is_zero() -> None:
    """With MAX_CONNECTIONS=0 `web` gets only its CPU and memory profiles."""
    patch = decision(review(web_pod()), max_connections=0).patch.operations

    assert patch[0]["value"] == {"liqo.io/cpuProfile": WEB_CPU, "liqo.io/memoryProfile": WEB_MEMORY}


def test_the_numbers_of_twelve_connections() -> None:
    """12 connections are numbered 0 to 11 without gaps; `connectionProfile10` has the 11th name."""
    manifests = [connection(WEB, Workload("shop", f"peer-{number}")) for number in range(12)]

    patch = decision(review(web_pod()), *manifests).patch.operations

    names = sorted(map(name_of, manifests))
    assert patch[0]["value"] == {f"liqo.io/connectionProfile{n}": names[n] for n in range(12)}


# `web`'s annotations: cpuProfile 18 + 51 bytes, memoryProfile 21 + 51, three connections of 26 + 52 each.
NEEDS_BYTES, CONNECTIONS_BYTES, LIMIT_BYTES = 141, 234, 204_800


@pytest.mark.parametrize(
    ("own_bytes", "kept", "reason"),
    [
        pytest.param(LIMIT_BYTES - NEEDS_BYTES - CONNECTIONS_BYTES, 5, None, id="all-fit"),
        pytest.param(
            LIMIT_BYTES - NEEDS_BYTES - CONNECTIONS_BYTES + 1,
            2,
            SkipReason.ANNOTATIONS_TOO_LARGE,
            id="one-byte-more",
        ),
        pytest.param(LIMIT_BYTES - NEEDS_BYTES, 2, SkipReason.ANNOTATIONS_TOO_LARGE, id="needs-fit"),
        pytest.param(LIMIT_BYTES - NEEDS_BYTES + 1, 0, SkipReason.ANNOTATIONS_TOO_LARGE, id="nothing-fits"),
        pytest.param(262_144, 0, SkipReason.ANNOTATIONS_TOO_LARGE, id="as-large-as-a-pod-can-be"),
    ],
)
def test_what_does_not_fit_is_left_out_connections_first(
    own_bytes: int, kept: int, reason: SkipReason | None
) -> None:
    """The limit is 200 KiB of keys and values in bytes (`ü` has two); forged keys do not count.

    `web` has 2 + 3 annotations of 141 + 234 bytes. Our annotations never bring a Pod above 200 KiB.
    """
    own = {"own": "ü" * ((own_bytes - 3) // 2) + "x" * ((own_bytes - 3) % 2)}
    reviewed = web_pod(own | FORGED)

    actual = decision(review(reviewed))
    webhook = webhook_with(*web_profiles())
    annotations = applied(webhook.mutator.review(encoded(review(reviewed))), reviewed)["metadata"][
        "annotations"
    ]

    assert actual.reason is reason
    ours = {key: value for key, value in annotations.items() if is_ours(key)}
    assert ours == dict(list(WEB_ANNOTATIONS.items())[:kept])
    assert {key: annotations[key] for key in annotations.keys() - ours.keys()} == own
    assert size_bytes(annotations) <= max(LIMIT_BYTES, own_bytes)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({"name": "debug"}, SkipReason.NO_OWNER, id="no-controller"),
        pytest.param(owned_by("StatefulSet", "web"), SkipReason.NO_PROFILE, id="not-profiled"),
    ],
)
def test_a_large_pod_without_profiles_is_not_too_large(metadata: dict[str, Any], reason: SkipReason) -> None:
    """No annotation is left out, so the reason is the same as for a small Pod."""
    reviewed = pod(metadata | {"annotations": {"own": "x" * LIMIT_BYTES}})

    assert decision(review(reviewed)) == Decision(NO_PATCH, reason)


def test_five_thousand_connections_do_not_make_a_pod_too_large() -> None:
    """The 64 largest of 5,000 are written: the rates 4937 to 5000, without gaps and in name order."""
    manifests = [connection(WEB, Workload("shop", f"peer-{rate}"), f"{rate}.00") for rate in range(1, 5001)]

    patch = decision(review(web_pod()), *manifests).patch.operations

    names = sorted(map(name_of, manifests[4936:]))
    assert list(patch[0]["value"].items()) == [
        (f"liqo.io/connectionProfile{number}", name) for number, name in enumerate(names)
    ]


def test_both_ends_of_a_connection_carry_it() -> None:
    """The edge web → voting is on Pods of both; `emoji` is not part of it."""
    manifests = [connection(WEB, VOTING)]
    ends = {
        name: decision(review(pod(owned_by("ReplicaSet", f"{name}-x", pod_template_hash="x"))), *manifests)
        for name in (WEB.name, VOTING.name, EMOJI.name)
    }

    assert [bool(ends[name].patch) for name in ("web", "voting", "emoji")] == [True, True, False]
