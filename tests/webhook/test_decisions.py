"""What is done with a Pod, the reason where that is nothing, and the two limits: of number and of size."""

from typing import Any

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
    synced_catalogue,
    web_profiles,
)
from tests.webhook.reviews import applied, encoded, owned_by, patch_in, pod, review, web_pod
from tests.webhook.webhooks import SETTINGS, known_from, webhook_on, webhook_with

FORGED = {"liqo.io/cpuProfile": "forged", "liqo.io/connectionProfile7": "forged"}


def decision(document: dict[str, Any], *manifests: dict[str, Any], max_connections: int = 64) -> Decision:
    """What is decided on the review where these profiles are stored; `web`'s, unless others are given."""
    catalogue = synced_catalogue(*(manifests or web_profiles()))
    index = AnnotationIndex(catalogue, max_connections=max_connections)
    return decide(decode_review(encoded(document)), known_from(catalogue, index))


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
        pytest.param(review(pod({"name": "debug"})), SkipReason.NO_OWNER, id="nobody-controls-it"),
        pytest.param(review(pod(owned_by("StatefulSet", "web"))), SkipReason.NO_PROFILE, id="not-profiled"),
        pytest.param(review(web_pod(WEB_ANNOTATIONS)), SkipReason.UP_TO_DATE, id="up-to-date"),
    ],
)
def test_a_pod_passes_unchanged_for_a_reason(document: dict[str, Any], reason: SkipReason) -> None:
    """Each circumstance has its own reason, and no patch."""
    assert decision(document) == Decision(NO_PATCH, reason)


@pytest.mark.parametrize("listed", [(), (ProfileKind.CPU,), (ProfileKind.CPU, ProfileKind.MEMORY)])
def test_an_index_that_is_not_synced_changes_nothing(listed: tuple[ProfileKind, ...]) -> None:
    """Before all three kinds were listed even a forged key stays: it might be the right one."""
    catalogue = ProfileCatalogue()
    for resource in listed:
        catalogue.replace(resource, [cpu(WEB)] if resource is ProfileKind.CPU else [])
    index = AnnotationIndex(catalogue, max_connections=64)

    found = decide(decode_review(encoded(review(web_pod(FORGED)))), known_from(catalogue, index))

    assert found == Decision(NO_PATCH, SkipReason.INDEX_NOT_SYNCED)


@pytest.mark.parametrize(
    ("claimed", "real", "annotated"),
    [("kube-system", "emojivoto", True), ("emojivoto", "kube-system", False), ("emojivoto", "shop", False)],
)
def test_the_namespace_of_the_request_counts_and_not_the_pods_own_word(
    claimed: str, real: str, *, annotated: bool
) -> None:
    """A Pod can write any `metadata.namespace`; it gets `web`'s names only where it is really created."""
    reviewed = web_pod()
    reviewed["metadata"]["namespace"] = claimed

    assert bool(decision(review(reviewed, real)).patch) is annotated


def test_only_listed_namespaces_are_in_scope_where_some_are_listed() -> None:
    """With PROFILING_NAMESPACE=shop a Pod of emojivoto passes, forged keys and all."""
    settings = SETTINGS.model_copy(update={"profiling_namespace": ("shop",)})
    webhook = webhook_on(synced_catalogue(*web_profiles()), settings)

    assert patch_in(webhook.mutator.review(encoded(review(web_pod(FORGED))))) == []
    assert webhook.counted("skipped", "namespace_out_of_scope") == 1


@pytest.mark.parametrize("value", ["false", "", "True"])
def test_only_the_exact_value_true_opts_out(value: str) -> None:
    """The same value as in the selector of the webhook configuration, so that both always agree."""
    reviewed = web_pod()
    reviewed["metadata"]["labels"]["job-profiler.liqo.io/ignore"] = value

    assert decision(review(reviewed)).patch


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({"name": "debug"}, SkipReason.NO_OWNER, id="nobody-controls-it"),
        pytest.param(owned_by("StatefulSet", "web"), SkipReason.NO_PROFILE, id="not-profiled"),
    ],
)
def test_forged_keys_are_removed_where_there_is_nothing_to_put_in_their_place(
    metadata: dict[str, Any], reason: SkipReason
) -> None:
    """The foreign annotation stays, and the reason says why nothing else was written."""
    reviewed = pod(metadata | {"annotations": FORGED | {"a": "b"}})
    webhook = webhook_with(*web_profiles())

    patched = applied(webhook.mutator.review(encoded(review(reviewed))), reviewed)

    assert patched["metadata"]["annotations"] == {"a": "b"}
    assert webhook.counted("mutated", reason) == 1


def test_the_largest_connections_are_written_in_name_order() -> None:
    """Of four with room for two: 90 and 80 a minute, numbered by name (`a` before `c`) and not by size."""
    manifests = [
        connection(WEB, Workload("emojivoto", f"peer-{name}"), rate, name=name)
        for name, rate in (("d", "7.00"), ("c", "90.00"), ("b", "9.50"), ("a", "80.00"))
    ]

    patch = decision(review(web_pod()), *manifests, max_connections=2).patch.operations

    assert patch[0]["value"] == {"liqo.io/connectionProfile0": "a", "liqo.io/connectionProfile1": "c"}


def test_no_connection_is_written_where_none_is_asked_for() -> None:
    """With MAX_CONNECTIONS=0 `web` carries its CPU and memory profiles alone."""
    patch = decision(review(web_pod()), max_connections=0).patch.operations

    assert patch[0]["value"] == {"liqo.io/cpuProfile": WEB_CPU, "liqo.io/memoryProfile": WEB_MEMORY}


def test_the_number_of_connections_decides_over_the_digits_of_their_keys() -> None:
    """12 connections are numbered 0 to 11 without a gap, `connectionProfile10` holding the 11th name."""
    manifests = [
        connection(WEB, Workload("shop", f"peer-{number}"), name=f"conn-{number:02}") for number in range(12)
    ]

    patch = decision(review(web_pod()), *manifests).patch.operations

    assert patch[0]["value"] == {f"liqo.io/connectionProfile{n}": f"conn-{n:02}" for n in range(12)}


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
    """At 200 KiB in all, keys and values in bytes (`ü` is two); forged keys go and do not count.

    `web` has 2 + 3 annotations of 141 + 234 bytes. The Pod never ends above 200 KiB because of us.
    """
    own = {"own": "ü" * ((own_bytes - 3) // 2) + "x" * ((own_bytes - 3) % 2)}
    reviewed = web_pod(own | FORGED)

    found = decision(review(reviewed))
    webhook = webhook_with(*web_profiles())
    annotations = applied(webhook.mutator.review(encoded(review(reviewed))), reviewed)["metadata"][
        "annotations"
    ]

    assert found.reason is reason
    ours = {key: value for key, value in annotations.items() if is_ours(key)}
    assert ours == dict(list(WEB_ANNOTATIONS.items())[:kept])
    assert {key: annotations[key] for key in annotations.keys() - ours.keys()} == own
    assert size_bytes(annotations) <= max(LIMIT_BYTES, own_bytes)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({"name": "debug"}, SkipReason.NO_OWNER, id="nobody-controls-it"),
        pytest.param(owned_by("StatefulSet", "web"), SkipReason.NO_PROFILE, id="not-profiled"),
    ],
)
def test_a_large_pod_for_which_there_is_nothing_is_not_called_too_large(
    metadata: dict[str, Any], reason: SkipReason
) -> None:
    """Nothing was left out, so the reason is the one of a small Pod."""
    reviewed = pod(metadata | {"annotations": {"own": "x" * LIMIT_BYTES}})

    assert decision(review(reviewed)) == Decision(NO_PATCH, reason)


def test_five_thousand_connections_do_not_make_a_pod_too_large() -> None:
    """The 64 largest of 5,000 are written: the rates 4937 to 5000, contiguous and in name order."""
    manifests = [
        connection(WEB, Workload("shop", f"peer-{rate}"), f"{rate}.00", name=f"conn-{rate:04}")
        for rate in range(1, 5001)
    ]

    patch = decision(review(web_pod()), *manifests).patch.operations

    names = [f"conn-{rate:04}" for rate in range(4937, 5001)]
    assert list(patch[0]["value"].items()) == [
        (f"liqo.io/connectionProfile{number}", name) for number, name in enumerate(names)
    ]


def test_both_ends_of_a_connection_carry_it() -> None:
    """The edge web → voting stands on Pods of both; `emoji` has no part in it."""
    manifests = [connection(WEB, VOTING, name="edge")]
    ends = {
        name: decision(review(pod(owned_by("ReplicaSet", f"{name}-x", pod_template_hash="x"))), *manifests)
        for name in (WEB.name, VOTING.name, EMOJI.name)
    }

    assert [bool(ends[name].patch) for name in ("web", "voting", "emoji")] == [True, True, False]
