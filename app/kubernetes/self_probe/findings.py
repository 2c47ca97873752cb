"""What is wrong on the way from the API server to the webhook, and what to check, in words; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import ClusterError, ConflictError, ExpiredError, UnavailableError
from app.kubernetes.list_options import Object
from app.kubernetes.webhook_configuration import PROBE_WEBHOOK, WEBHOOK

# What decides which Pods are sent to the webhook; a cluster that does not know a field has nothing there.
_SELECTING = ("rules", "namespaceSelector", "objectSelector", "matchConditions")
_SHOWN_CHARACTERS = 200
_QUOTED = re.compile(r'"[^"]*"')

_NOT_TRUSTED = (
    "API servers do not accept the webhook's certificate: the caBundle of the webhook configuration must "
    "hold the authority that signed it. The leading profiler publishes it (see its log), or cert-manager"
)
_TIMED_OUT = (
    "API servers got no answer in time: does a firewall or a NetworkPolicy stand between them and the "
    "webhook's port? Private clusters often let through 443 and 10250 only"
)
_UNREACHABLE = "API servers do not reach the webhook: do its Pods run? /readyz tells what one waits for"
# What API servers say where a call failed, as one word and as advice; the first that fits counts.
_CAUSES = {
    ("x509:", "tls:", "certificate"): ("NotTrusted", _NOT_TRUSTED),
    ("deadline exceeded", "timeout", "timed out"): ("TimedOut", _TIMED_OUT),
    ("refused", "no endpoints", "eof", "reset", "no route", "not found", "no such host", "unreachable"): (
        "Unreachable",
        _UNREACHABLE,
    ),
}
_NOT_ANSWERED = (
    "a ConfigMap that was created by dry run came back without the webhook's answer. Either API servers "
    "can't reach the webhook: see its Pods and their /readyz, a firewall before its port, and the caBundle. "
    f"Or they did not ask it: see the selectors of {PROBE_WEBHOOK}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. Where it is not as it should be, *reason* is one CamelCase word."""

    message: str
    reason: str = ""


def entry_findings(configuration: Object, expected: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the entry for Pods is the one that was rendered, and leads where the probe's leads."""
    name = configuration["metadata"]["name"]
    entries = {entry["name"]: entry for entry in configuration.get("webhooks") or ()}
    if missing := [entry for entry in (WEBHOOK, PROBE_WEBHOOK) if entry not in entries]:
        told = f"MutatingWebhookConfiguration {name} has no entry {' and no entry '.join(missing)}"
        yield Finding(f"{told}: it comes with the Helm chart, so upgrade the release", "EntryMissing")
    if pods := entries.get(WEBHOOK):
        yield _selection_finding(pods, expected)
    if pods and (probe := entries.get(PROBE_WEBHOOK)):
        yield _client_finding(pods["clientConfig"], probe["clientConfig"])


def refusal_finding(error: ClusterError) -> Finding | None:
    """What it means that the question was refused; None where the API server itself is in trouble."""
    told = str(error)
    if call := told.partition(f'failed calling webhook "{PROBE_WEBHOOK}": ')[2]:
        return _call_finding(call)
    if isinstance(error, UnavailableError | ConflictError | ExpiredError) and "webhook" not in told:
        return None
    advice = (
        "the account needs the right to create ConfigMaps in its own namespace, and quotas, policies and "
        "other webhooks must let one pass that is created by dry run"
    )
    return Finding(f"the probe was refused: {advice} ({told})", "Refused")


def answer_finding(*, is_answered: bool) -> Finding:
    """What it means that the question came back as it did."""
    if is_answered:
        return Finding("a ConfigMap that was created by dry run came back with the webhook's answer")
    return Finding(_NOT_ANSWERED, "NotAnswered")


def _selection_finding(entry: Object, expected: Mapping[str, Any]) -> Finding:
    if not expected:
        return Finding(f"what selects Pods for {WEBHOOK} was not compared: EXPECTED_WEBHOOK is not set")
    changed = [
        f"{key} is {_shown(entry.get(key))}, not {_shown(expected.get(key))}"
        for key in dict.fromkeys((*_SELECTING, *expected))
        if _significant(entry.get(key)) != _significant(expected.get(key))
    ]
    if not changed:
        return Finding(f"{WEBHOOK} selects the Pods that the release rendered it for")
    advice = "Somebody edited it, or an upgrade is under way: upgrade the release to set it right"
    told = f"{WEBHOOK} is not as the release rendered it: {'; '.join(changed)}. {advice}"
    return Finding(told, "EntryChanged")


def _client_finding(pods: Object, probe: Object) -> Finding:
    """A probe that is sent elsewhere, or trusted otherwise, says nothing of Pods."""
    differing = [key for key in ("caBundle", "service", "url") if pods.get(key) != probe.get(key)]
    if not differing:
        return Finding(f"{WEBHOOK} leads where {PROBE_WEBHOOK} leads, and trusts whom that trusts")
    advice = (
        "Somebody edited it: the caBundle is set right by the leading profiler or by cert-manager, anything "
        "else by an upgrade of the release"
    )
    told = f"{WEBHOOK} leads elsewhere than {PROBE_WEBHOOK}: another {' and '.join(differing)}. {advice}"
    return Finding(told, "EntryChanged")


def _call_finding(said: str) -> Finding:
    words = _QUOTED.sub("", said).casefold()  # the URL holds words, too
    for signs, (reason, advice) in _CAUSES.items():
        if any(sign in words for sign in signs):
            return Finding(f"{advice} ({said})", reason)
    return Finding(f"API servers fail to call the webhook: {said}", "CallFailed")


def _significant(value: Any) -> Any:
    """The value without what is empty: API servers leave that out."""
    if isinstance(value, Mapping):
        kept = {key: _significant(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return [_significant(each) for each in value] or None
    return None if value == "" else value


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if value else "nothing"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
