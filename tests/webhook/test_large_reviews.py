"""Reviews as large as API servers make them are answered, and absurd ones are given up on cheaply."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from app.settings.environment import Settings
from app.webhook.turns import Turns
from tests.floods.flooder import MEBIBYTE, annotations, containers, escaped
from tests.webhook.profiles import WEB_ANNOTATIONS, web_profiles
from tests.webhook.reviews import applied, encoded, patch_in, pod, review, web_pod
from tests.webhook.served_webhook import ServedWebhook, exchange
from tests.webhook.webhooks import SETTINGS, Webhook, sizing_webhook

DEFAULT_LIMIT = Settings.model_fields["max_review_bytes"].default
LARGE = SETTINGS.model_copy(update={"max_review_bytes": DEFAULT_LIMIT})


@pytest.fixture(scope="module")
def served() -> Iterator[ServedWebhook]:
    """A webhook that sets requests, with the default limit of reviews."""
    with ServedWebhook(sizing_webhook(*web_profiles(), settings=LARGE)) as running:
        yield running


@pytest.fixture(scope="module")
def webhook(served: ServedWebhook) -> Webhook:
    """Its parts."""
    return served.webhook


@pytest.mark.parametrize("characters", [550_000, 3 * MEBIBYTE])
def test_a_pod_of_escaped_characters_is_annotated(served: ServedWebhook, characters: int) -> None:
    r"""`<` is `\u003c` in JSON: 550 kB become 3.3 MB, and 3 MiB, the largest Pod, become 18 MiB."""
    body = escaped(characters)
    assert len(body) > 6 * characters
    answer = served.ask(body)

    assert answer.status == 200
    assert applied(answer.body, web_pod())["metadata"]["annotations"].items() >= WEB_ANNOTATIONS.items()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(containers(160_000), id="containers"),
        pytest.param(annotations(100_000), id="annotations"),
        pytest.param(annotations(1001), id="annotations-of-few-bytes"),
    ],
)
def test_an_absurd_pod_passes_without_a_patch(webhook: Webhook, body: bytes) -> None:
    """It is counted with its reason; 160,000 containers took 0.3 s and 100 MB, now they take 5 ms."""
    before = webhook.counted("skipped", "too_complex")
    began = time.thread_time()
    answer = webhook.mutator.review(body)
    print(f"{len(body) / 1e6:.1f} MB: {(time.thread_time() - began) * 1000:.1f} ms")

    assert patch_in(answer) == []
    assert webhook.counted("skipped", "too_complex") == before + 1


def repeated(field: str, item: Any, count: int) -> bytes:
    """A review whose Pod has *field* in its metadata, with so many equal items."""
    return encoded(review(pod({field: [item] * count})))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(repeated("ownerReferences", {"kind": "", "name": ""}, 100_000), id="owners"),
        pytest.param(
            encoded(review(pod({"labels": {f"a{number}": "" for number in range(100_000)}}))), id="labels"
        ),
        pytest.param(
            encoded(review(web_pod({f"a{number}": "\\" for number in range(100_000)}))), id="backslashes"
        ),
        pytest.param(
            json.dumps(review(web_pod({f"a{n}": "" for n in range(100_000)})), indent=1).encode(), id="spaces"
        ),
    ],
)
def test_other_shapes_of_absurdity_are_found_too(webhook: Webhook, body: bytes) -> None:
    """Each string costs time and memory, wherever it is and however it is written."""
    assert patch_in(webhook.mutator.review(body)) == []
    assert webhook.counted("skipped", "too_complex") >= 1


def test_a_pod_with_a_thousand_annotations_and_variables_is_annotated(webhook: Webhook) -> None:
    """The limits are far above Pods that exist: 900 annotations, 3,000 variables in 600 kB."""
    busy = web_pod({f"example.org/a{number}": "value" for number in range(900)})
    busy["spec"]["containers"][0]["env"] = [
        {"name": f"VARIABLE_{number}", "value": "a" * 150} for number in range(3000)
    ]
    answer = webhook.mutator.review(encoded(review(busy)))

    assert applied(answer, busy)["metadata"]["annotations"].items() >= WEB_ANNOTATIONS.items()


def test_a_long_uid_is_refused(served: ServedWebhook) -> None:
    """The answer repeats it: a uid of 10 MB would make a response of 10 MB, which a client may not read."""
    answer = served.ask(encoded(review(web_pod(), uid="a" * 10_000_000)))

    assert (answer.status, answer.error) == (400, "the uid has more than 256 characters")


def test_over_the_budget_an_incomplete_body_is_refused_and_a_review_is_answered(
    served: ServedWebhook,
) -> None:
    """Three bodies of 18 MiB, each short of one byte, exceed 48 MiB: the oldest gets 429 and is closed."""
    before = served.webhook.counted("error", "overloaded")
    body = escaped(3 * MEBIBYTE)
    connections = [served.connect() for _ in range(3)]
    try:
        for connection in connections:
            connection.putrequest("POST", "/mutate")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            connection.send(body[:-1])
        refused = connections[0].getresponse()
        with closing(served.connect()) as honest:
            assert exchange(honest, encoded(review(web_pod()))).status == 200
    finally:
        for connection in connections:
            connection.close()

    assert (refused.status, refused.headers["connection"]) == (429, "close")
    assert served.webhook.counted("error", "overloaded") == before + 1


async def status_of_complete(webhook: Webhook, body: bytes) -> int:
    """The status of the response to a body that arrives at once, in parts of 64 KiB."""
    parts = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    messages = iter(
        [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]
    )
    statuses = list[int]()

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await webhook.mutator({"headers": [], "client": ("10.0.0.1", 1)}, receive, send)
    return statuses[0]


async def test_complete_bodies_count_until_they_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five reviews of 18 MiB one is answered at once, and two that wait fit into 48 MiB: two get 429.

    The webhook is the test's own: the served one counts bodies of closed connections until it has noticed.
    Its reviews may wait for a minute: each takes long on a busy machine.
    """
    monkeypatch.setattr("app.webhook.endpoint.Turns", partial(Turns, max_wait_seconds=60))
    webhook, body = sizing_webhook(*web_profiles(), settings=LARGE), escaped(3 * MEBIBYTE)
    statuses = await asyncio.gather(*(status_of_complete(webhook, body) for _ in range(5)))

    assert statuses == [200, 429, 429, 200, 200]
