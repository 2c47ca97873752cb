"""Ten thousand Pods as bytes, with patches applied by an RFC 6902 library, each reviewed twice."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webhook import profiles
from tests.webhook.generated_pods import (
    FOREIGN_KEYS,
    FORGED_KEYS,
    PROFILES,
    PodGenerator,
    document,
    expected_annotations,
)
from tests.webhook.reviews import applied, encoded, patch_in, pod, review, web_pod
from tests.webhook.webhooks import Webhook, webhook_with

REVIEWS = 10_000


def without_annotations(reviewed: dict[str, object]) -> dict[str, object]:
    rest = copy.deepcopy(reviewed)
    assert isinstance(rest["metadata"], dict)
    rest["metadata"].pop("annotations", None)
    return rest


def test_every_generated_pod_ends_with_exactly_the_right_annotations_and_stays_so() -> None:
    """Each of 10,000 Pods is admitted with the names of its workload's profiles and without forged keys.

    Nothing else of the Pod changes, for any owner and any annotations, and the review of the patched Pod has
    no patch. The metrics show that every kind of outcome occurred, and that 20,000 reviews were counted.
    """
    webhook = webhook_with(*PROFILES)
    for number, generated in enumerate(PodGenerator(seed=20260301).pods(REVIEWS)):
        uid = f"uid-{number}"
        body = encoded(review(generated.pod, generated.namespace, uid=uid))
        patched = applied(webhook.mutator.review(body), generated.pod, uid)

        annotations = patched["metadata"].get("annotations") or {}
        assert annotations == generated.expected, (number, document(generated))
        assert without_annotations(patched) == without_annotations(generated.pod)
        again = encoded(review(patched, generated.namespace, uid=uid))
        assert patch_in(webhook.mutator.review(again), uid) == [], (number, document(generated))

    assert outcomes(webhook) == 2 * REVIEWS
    assert webhook.counted("mutated") > REVIEWS / 4


def outcomes(webhook: Webhook) -> float:
    """The number of counted reviews, after a check that each possible outcome occurred."""
    reasons = ("up_to_date", "no_profile", "no_owner", "namespace_out_of_scope", "annotations_too_large")
    skipped = [webhook.counted("skipped", reason) for reason in reasons]
    mutated = [webhook.counted("mutated", reason) for reason in ("", "no_profile", "no_owner", reasons[-1])]
    assert 0 not in skipped + mutated
    return sum(skipped) + sum(mutated)


OF_WEB = webhook_with(*profiles.web_profiles())
KEYS = st.sampled_from(FOREIGN_KEYS + FORGED_KEYS) | st.text()


@settings(max_examples=200)
@given(present=st.dictionaries(KEYS, st.text(), max_size=12))
def test_annotations_may_have_any_text(present: dict[str, str]) -> None:
    """For any keys and values, foreign annotations stay and ours are those of `web`."""
    reviewed = web_pod(present)

    patched = applied(OF_WEB.mutator.review(encoded(review(reviewed))), reviewed)

    assert patched["metadata"]["annotations"] == expected_annotations(present, profiles.WEB_ANNOTATIONS)
    assert patch_in(OF_WEB.mutator.review(encoded(review(patched)))) == []


def test_a_pod_without_annotations_gets_the_whole_map() -> None:
    """If the map is absent or null, one operation adds all annotations."""
    absent = web_pod()
    null = pod(absent["metadata"] | {"annotations": None})
    for reviewed in (absent, null):
        patch = patch_in(OF_WEB.mutator.review(encoded(review(reviewed))))

        assert patch == [{"op": "add", "path": "/metadata/annotations", "value": profiles.WEB_ANNOTATIONS}]


def test_a_key_of_ours_is_addressed_with_its_slash_escaped() -> None:
    """`/` in a key is `~1` in a pointer; stale keys are replaced, forged ones removed, missing ones added."""
    webhook = webhook_with(profiles.cpu(profiles.WEB), profiles.memory(profiles.WEB))
    reviewed = web_pod({"liqo.io/cpuProfile": "stale", "liqo.io/connectionProfile7": "forged", "a/b": "c"})

    patch = patch_in(webhook.mutator.review(encoded(review(reviewed))))

    memory = "/metadata/annotations/liqo.io~1memoryProfile"
    assert sorted(patch, key=lambda operation: str(operation["op"])) == [
        {"op": "add", "path": memory, "value": profiles.WEB_MEMORY},
        {"op": "remove", "path": "/metadata/annotations/liqo.io~1connectionProfile7"},
        {"op": "replace", "path": "/metadata/annotations/liqo.io~1cpuProfile", "value": profiles.WEB_CPU},
    ]
