"""The self-probe: its request, its comparisons, and the finding for each fault."""

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
    """A cluster in which all is well."""
    server.on("GET", CONFIGURATION, answers(configuration()))
    server.on("POST", CONFIG_MAPS, patches_config_map())
    return server


async def probed(client: ClusterClient) -> ProbeReport:
    return await Probe(client, TERMS).run_once()


def messages(report: ProbeReport) -> list[str]:
    return [finding.message for finding in report.findings]


async def test_a_probe_that_is_answered(healthy: FakeApiServer, client: ClusterClient) -> None:
    """Three things were checked and are well; nothing is stored, for the creation is a dry run."""
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
    """An old answer proves nothing."""
    for _ in range(3):
        await probed(client)

    questions = [each.json["metadata"]["annotations"].popitem()[1] for each in healthy.received("POST")]
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
    """The API server went on without the webhook: the finding lists all possible causes."""
    healthy.on("POST", CONFIG_MAPS, answer)

    [fault] = (await probed(client)).faults

    assert fault.reason == "NotAnswered"
    for word in ("Pods", "/readyz", "firewall", "caBundle", f"selectors of {PROBE}"):
        assert word in fault.message


@pytest.mark.parametrize(
    ("entry", "told"),
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
def test_an_entry_that_somebody_edited(entry: dict[str, Any], told: str) -> None:
    """The live value is shown beside the rendered one, also for fields that the release does not render."""
    changed, _ = entry_findings(configuration(pods=entry), EXPECTED)

    assert changed.reason == "EntryChanged"
    assert changed.message.startswith(f"{PODS} differs from what the release rendered: {told}")
    assert changed.message.endswith("upgrade the release to restore it")


def test_what_an_api_server_leaves_out_is_no_change() -> None:
    """Empty values of the rendered entry are not in the stored one, and the other way round."""
    expected = EXPECTED | {
        "matchConditions": [],
        "objectSelector": {"matchLabels": {}, "matchExpressions": []},
    }
    live = configuration(pods={"objectSelector": {}, "timeoutSeconds": 3, "failurePolicy": "Ignore"})

    assert [finding.reason for finding in entry_findings(live, expected)] == ["", ""]


def test_an_entry_that_is_not_to_be_compared() -> None:
    """Without EXPECTED_WEBHOOK whatever selects Pods is right, and that is said."""
    selection, _ = entry_findings(configuration(pods={"rules": []}), {})

    assert selection == Finding(
        f"the rules and selectors of {PODS} were not compared: EXPECTED_WEBHOOK is not set"
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (client_config(b"foreign"), "caBundle"),
        ({"url": "https://127.0.0.1:1/mutate", "caBundle": client_config()["caBundle"]}, "url"),
        ({"service": {"name": "other"}}, "caBundle and service and url"),
    ],
    ids=["another-authority", "another-address", "all-different"],
)
def test_pods_that_are_sent_elsewhere(changed: dict[str, Any], what: str) -> None:
    """A probe that is answered says nothing of Pods then: what differs is named."""
    _, way = entry_findings(configuration(pods={"clientConfig": changed}), EXPECTED)

    assert way.reason == "EntryChanged"
    assert way.message.startswith(f"{PODS} differs from {PROBE} in {what}. It was edited")


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (404, "EntryMissing", "MutatingWebhookConfiguration job-profiler is missing: it comes with the Helm"),
        (
            403,
            "ConfigurationUnreadable",
            "MutatingWebhookConfiguration job-profiler can't be read: the account",
        ),
    ],
)
async def test_a_configuration_that_can_not_be_read(
    healthy: FakeApiServer, client: ClusterClient, status: int, reason: str, told: str
) -> None:
    """It is missing, or forbidden; that is the fault, and says what to do."""
    healthy.on("GET", CONFIGURATION, refuses(status, "no"))

    [fault] = (await probed(client)).faults

    assert fault.reason == reason
    assert fault.message.startswith(told)


@pytest.mark.parametrize("missing", [PODS, PROBE])
async def test_an_entry_that_is_missing(healthy: FakeApiServer, client: ClusterClient, missing: str) -> None:
    """It is named, and nothing is asked: the answer would say nothing."""
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
    ("said", "reason", "advice"),
    [
        ("x509: certificate signed by unknown authority", "NotTrusted", "caBundle"),
        ("tls: failed to verify certificate: x509: certificate has expired", "NotTrusted", "caBundle"),
        ("context deadline exceeded", "TimedOut", "firewall"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "TimedOut", "NetworkPolicy"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "Unreachable", "check that its Pods run"),
        ("EOF", "Unreachable", "/readyz"),
        ('no endpoints available for service "timeout-x509"', "Unreachable", "check that its Pods run"),
        ("an error nobody has seen before", "CallFailed", "API servers fail to call the webhook"),
    ],
)
@pytest.mark.parametrize(
    "before", [POST, POST.removeprefix("failed to call webhook: ")], ids=["1.36", "1.20"]
)
def test_why_the_api_server_could_not_call_the_webhook(
    before: str, said: str, reason: str, advice: str
) -> None:
    """Its words are kept beside the advice; the `timeout` within the URL is none of them."""
    finding = error_finding(UnavailableError(CALL + before + said))

    assert finding is not None
    assert finding.reason == reason
    assert advice in finding.message
    assert said in finding.message


@pytest.mark.parametrize(
    "error",
    [
        ForbiddenError("configmaps is forbidden: User x cannot create resource configmaps"),
        ForbiddenError("exceeded quota: count/configmaps=1"),
        InvalidError('admission webhook "other.example" does not support dry run'),
        UnavailableError('500: failed calling webhook "other.example": EOF'),
    ],
)
def test_a_refusal_that_is_not_the_webhook_s(error: ClusterError) -> None:
    """A missing right, a quota, another webhook: the words of the API server say which."""
    finding = error_finding(error)

    assert finding is not None
    assert finding.reason == "Refused"
    assert finding.message.endswith(f"({error})")


@pytest.mark.parametrize("error", [UnavailableError("503"), ConflictError("AlreadyExists")])
def test_an_api_server_in_trouble_says_nothing_of_the_webhook(error: ClusterError) -> None:
    """Nothing is known, and nothing is said."""
    assert error_finding(error) is None


async def test_an_api_server_in_trouble_is_an_error(healthy: FakeApiServer, client: ClusterClient) -> None:
    """At either request; what would fit the webhook's own trouble is a finding."""
    healthy.on("POST", CONFIG_MAPS, refuses(500, f'failed calling webhook "{PROBE}": EOF'), refuses(503))
    assert [fault.reason for fault in (await probed(client)).faults] == ["Unreachable"]
    with pytest.raises(UnavailableError):
        await probed(client)
    healthy.on("GET", CONFIGURATION, refuses(503))
    with pytest.raises(UnavailableError):
        await probed(client)
