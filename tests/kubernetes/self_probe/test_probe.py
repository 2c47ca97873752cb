"""The self-probe: its request, comparisons of the webhook configuration, and the finding for each fault."""

from typing import Any

import pytest

from app.errors import ClusterError, ConflictError, ForbiddenError, InvalidError, UnavailableError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.self_probe.findings import Finding, entry_findings, error_finding
from app.kubernetes.self_probe.probe import Probe, ProbePolicy, ProbeReport
from tests.kubernetes.fake_api_server import Answer, FakeApiServer, answers, refuses
from tests.kubernetes.self_probe.probe_answers import NO_FAULT_MESSAGES, patches_config_map
from tests.kubernetes.webhook_configurations import EXPECTED, PODS, PROBE, client_config, configuration

CONFIGURATION = paths.mutating_webhook_configuration("job-profiler")
CONFIG_MAPS = paths.config_maps("profiling")
TERMS = ProbePolicy("profiling", "job-profiler", EXPECTED)


@pytest.fixture
def healthy(server: FakeApiServer) -> FakeApiServer:
    """An API server with a correct webhook configuration that calls the webhook."""
    server.on("GET", CONFIGURATION, answers(configuration()))
    server.on("POST", CONFIG_MAPS, patches_config_map())
    return server


async def probed(client: ClusterClient) -> ProbeReport:
    return await Probe(client, TERMS).run_once()


def messages(report: ProbeReport) -> list[str]:
    return [finding.message for finding in report.findings]


async def test_a_probe_that_is_answered(healthy: FakeApiServer, client: ClusterClient) -> None:
    """A probe without faults has three findings; its ConfigMap is created by dry run, so none is stored."""
    report = await probed(client)

    assert messages(report) == NO_FAULT_MESSAGES
    assert report.faults == ()
    assert report.seconds is not None
    assert 0 < report.seconds < 1
    [created] = healthy.received("POST")
    metadata = created.json["metadata"]
    assert created.query == {"dryRun": "All"}
    assert metadata["generateName"] == "job-profiler-probe-"
    assert metadata["labels"] == {"job-profiler.liqo.io/probe": "true"}
    assert list(metadata["annotations"]) == ["job-profiler.liqo.io/probe-question"]


async def test_each_question_is_a_new_one(healthy: FakeApiServer, client: ClusterClient) -> None:
    """Each probe has a new question, so the answer to an earlier one proves nothing."""
    for _ in range(3):
        await probed(client)

    questions = [request.json["metadata"]["annotations"].popitem()[1] for request in healthy.received("POST")]
    assert len(set(questions)) == 3


@pytest.mark.parametrize(
    "answer",
    [
        patches_config_map("example.org/other"),
        answers({"metadata": {"annotations": {"job-profiler.liqo.io/probe-answer": "an older question"}}}),
        answers({"metadata": {}}),
    ],
    ids=["another-annotation", "an-old-answer", "no-annotation"],
)
async def test_a_probe_that_is_not_answered(
    healthy: FakeApiServer, client: ClusterClient, answer: Answer
) -> None:
    """If the API server does not call the webhook, the finding lists all possible causes."""
    healthy.on("POST", CONFIG_MAPS, answer)

    [fault] = (await probed(client)).faults

    assert fault.reason == "NotAnswered"
    for word in ("Pods", "/readyz", "firewall", "caBundle", f"selectors of {PROBE}"):
        assert word in fault.message


@pytest.mark.parametrize(
    ("entry", "difference"),
    [
        (
            {"namespaceSelector": {"matchLabels": {"team": "web"}}},
            'namespaceSelector is {"matchLabels":{"team":"web"}}, not {"matchExpressions":[{"key":"job-prof',
        ),
        ({"objectSelector": {}}, 'objectSelector is nothing, not {"matchExpressions":'),
        ({"rules": []}, 'rules is nothing, not [{"apiGroups":[""]'),
        ({"matchPolicy": "Exact"}, 'matchPolicy is "Exact", not "Equivalent"'),
        (
            {"matchConditions": [{"name": "never", "expression": "false"}]},
            'matchConditions is [{"name":"never","expression":"false"}], not nothing',
        ),
    ],
)
def test_an_edited_entry(entry: dict[str, Any], difference: str) -> None:
    """The finding shows the live and the rendered value; `nothing` for a field without a value."""
    changed, _ = entry_findings(configuration(pods=entry), EXPECTED)

    assert changed.reason == "EntryChanged"
    assert changed.message.startswith(f"{PODS} differs from what the release rendered: {difference}")
    assert changed.message.endswith("upgrade the release to restore it")


def test_empty_and_absent_values_are_equal() -> None:
    """The stored entry may lack empty values of the rendered one, and may have defaults in addition."""
    expected = EXPECTED | {
        "matchConditions": [],
        "objectSelector": {"matchLabels": {}, "matchExpressions": []},
    }
    live = configuration(pods={"objectSelector": {}, "timeoutSeconds": 3, "failurePolicy": "Ignore"})

    assert [finding.reason for finding in entry_findings(live, expected)] == ["", ""]


def test_without_an_expected_entry_nothing_is_compared() -> None:
    """Without EXPECTED_WEBHOOK, the finding says that the entry was not compared."""
    selection, _ = entry_findings(configuration(pods={"rules": []}), {})

    assert selection == Finding(
        f"the rules and selectors of {PODS} were not compared: EXPECTED_WEBHOOK is not set"
    )


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        (client_config(b"foreign"), "caBundle"),
        ({"url": "https://127.0.0.1:1/mutate", "caBundle": client_config()["caBundle"]}, "url"),
        ({"service": {"name": "other"}}, "caBundle and service and url"),
    ],
    ids=["another-authority", "another-address", "all-different"],
)
def test_entries_of_pods_and_probe_differ(changed: dict[str, Any], fields: str) -> None:
    """With different addresses, a probe proves nothing about Pods: the finding names the fields."""
    _, address = entry_findings(configuration(pods={"clientConfig": changed}), EXPECTED)

    assert address.reason == "EntryChanged"
    assert address.message.startswith(f"{PODS} differs from {PROBE} in {fields}. It was edited")


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        (404, "EntryMissing", "MutatingWebhookConfiguration job-profiler is missing: it comes with the Helm"),
        (
            403,
            "ConfigurationUnreadable",
            "MutatingWebhookConfiguration job-profiler can't be read: the service account",
        ),
    ],
)
async def test_an_unreadable_configuration(
    healthy: FakeApiServer, client: ClusterClient, status: int, reason: str, message: str
) -> None:
    """A missing configuration and a missing permission are two faults, each with its advice."""
    healthy.on("GET", CONFIGURATION, refuses(status, "no"))

    [fault] = (await probed(client)).faults

    assert fault.reason == reason
    assert fault.message.startswith(message)


@pytest.mark.parametrize("missing", [PODS, PROBE])
async def test_a_missing_entry(healthy: FakeApiServer, client: ClusterClient, missing: str) -> None:
    """The finding names the missing entry, and no probe is sent: the webhook could not answer it."""
    live = configuration()
    live["webhooks"] = [entry for entry in live["webhooks"] if entry["name"] != missing]
    healthy.on("GET", CONFIGURATION, answers(live))

    report = await probed(client)

    assert [fault.reason for fault in report.faults] == ["EntryMissing"]
    assert f"job-profiler has no entry {missing}: it comes with the Helm chart" in report.faults[0].message
    assert report.seconds is None
    assert healthy.received("POST") == []


CALL = f'POST /api/v1/...: 500 Internal Server Error: failed calling webhook "{PROBE}": '
POST = 'failed to call webhook: Post "https://job-profiler-webhook.profiling.svc:443/mutate?timeout=3s": '


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        ("x509: certificate signed by unknown authority", "NotTrusted", "caBundle"),
        ("tls: failed to verify certificate: x509: certificate has expired", "NotTrusted", "caBundle"),
        ("context deadline exceeded", "TimedOut", "firewall"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "TimedOut", "NetworkPolicy"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "Unreachable", "check that its Pods run"),
        ("EOF", "Unreachable", "/readyz"),
        ('no endpoints available for service "timeout-x509"', "Unreachable", "check that its Pods run"),
        ("an unknown error", "CallFailed", "API servers fail to call the webhook"),
    ],
)
@pytest.mark.parametrize(
    "before", [POST, POST.removeprefix("failed to call webhook: ")], ids=["1.36", "1.20"]
)
def test_causes_of_failed_calls(before: str, error: str, reason: str, advice: str) -> None:
    """The finding has the API server's error beside the advice; `timeout` in the URL is no cause."""
    finding = error_finding(UnavailableError(CALL + before + error))

    assert finding is not None
    assert finding.reason == reason
    assert advice in finding.message
    assert error in finding.message


@pytest.mark.parametrize(
    "error",
    [
        ForbiddenError("configmaps is forbidden: User x cannot create resource configmaps"),
        ForbiddenError("exceeded quota: count/configmaps=1"),
        InvalidError('admission webhook "other.example" does not support dry run'),
        UnavailableError('500: failed calling webhook "other.example": EOF'),
    ],
)
def test_a_refusal_with_another_cause(error: ClusterError) -> None:
    """A missing permission, a quota and another webhook are one reason, with the API server's message."""
    finding = error_finding(error)

    assert finding is not None
    assert finding.reason == "Refused"
    assert finding.message.startswith(f"dry-run ConfigMap rejected: {error}. The service account needs ")


@pytest.mark.parametrize("error", [UnavailableError("503"), ConflictError("AlreadyExists")])
def test_an_unavailable_api_server_is_no_finding(error: ClusterError) -> None:
    """A 503 and a conflict are no finding about the webhook."""
    assert error_finding(error) is None


async def test_an_unavailable_api_server_is_an_error(healthy: FakeApiServer, client: ClusterClient) -> None:
    """A 503 to either request is an UnavailableError; a 500 that names the webhook is a finding."""
    healthy.on("POST", CONFIG_MAPS, refuses(500, f'failed calling webhook "{PROBE}": EOF'), refuses(503))
    assert [fault.reason for fault in (await probed(client)).faults] == ["Unreachable"]
    with pytest.raises(UnavailableError):
        await probed(client)
    healthy.on("GET", CONFIGURATION, refuses(503))
    with pytest.raises(UnavailableError):
        await probed(client)
