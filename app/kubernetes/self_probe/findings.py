"""Findings of the self-probe: why the API server cannot reach the webhook, and what to check; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import ClusterError, ConflictError, ExpiredError, UnavailableError
from app.kubernetes.list_options import Object
from app.kubernetes.webhook_entries import PROBE_WEBHOOK, WEBHOOK

# The fields that select Pods; older clusters drop the ones that they do not support.
_SELECTION_FIELDS = ("rules", "namespaceSelector", "objectSelector", "matchConditions")
_SHOWN_CHARACTERS = 200
_QUOTED = re.compile(r'"[^"]*"')

_NOT_TRUSTED = (
    "API servers do not trust the webhook's certificate: the caBundle of the webhook configuration must hold "
    "the CA that signed it. The leading profiler or cert-manager publishes it: see its log"
)
_TIMED_OUT = (
    "API servers got no response in time: check whether a firewall or a NetworkPolicy blocks the webhook's "
    "port. Private clusters often allow ports 443 and 10250 only"
)
_UNREACHABLE = (
    "API servers cannot reach the webhook: check that its Pods run and are ready (see their /readyz)"
)
# Parts of the API servers' error texts, with reason and advice; the first match applies.
_CAUSES = {
    ("x509:", "tls:", "certificate"): ("NotTrusted", _NOT_TRUSTED),
    ("deadline exceeded", "timeout", "timed out"): ("TimedOut", _TIMED_OUT),
    ("refused", "no endpoints", "eof", "reset", "no route", "not found", "no such host", "unreachable"): (
        "Unreachable",
        _UNREACHABLE,
    ),
}
_NOT_ANSWERED = (
    "the webhook did not mutate the dry-run ConfigMap. Either API servers cannot reach the "
    "webhook: check its Pods, their /readyz, a firewall in front of its port, and the caBundle. "
    f"Or they do not call it: check the selectors of {PROBE_WEBHOOK}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. *reason* is a CamelCase word; it is empty if the check passed."""

    message: str
    reason: str = ""


def entry_findings(configuration: Object, expected: Mapping[str, Any]) -> Iterator[Finding]:
    """Compares the entry for Pods with the rendered entry (*expected*) and with the probe's entry."""
    name = configuration["metadata"]["name"]
    entries = {entry["name"]: entry for entry in configuration.get("webhooks") or ()}
    if missing := [entry for entry in (WEBHOOK, PROBE_WEBHOOK) if entry not in entries]:
        fault = f"MutatingWebhookConfiguration {name} has no entry {' and no entry '.join(missing)}"
        yield Finding(f"{fault}: it comes with the Helm chart, so upgrade the release", "EntryMissing")
    if pods := entries.get(WEBHOOK):
        yield _selection_finding(pods, expected)
    if pods and (probe := entries.get(PROBE_WEBHOOK)):
        yield _client_finding(pods["clientConfig"], probe["clientConfig"])


def error_finding(error: ClusterError) -> Finding | None:
    """The finding for a failed creation of the ConfigMap; None if the API server itself has an outage."""
    text = str(error)
    if call := text.partition(f'failed calling webhook "{PROBE_WEBHOOK}": ')[2]:
        return _call_finding(call)
    if isinstance(error, UnavailableError | ConflictError | ExpiredError) and "webhook" not in text:
        return None
    advice = (
        "The service account needs RBAC permission to create ConfigMaps in its own namespace; quotas,"
        " policies and other webhooks must admit the ConfigMap"
    )
    return Finding(f"dry-run ConfigMap rejected: {text}. {advice}", "Refused")


def response_finding(*, is_answered: bool) -> Finding:
    """The finding for a created ConfigMap, with or without the webhook's answer."""
    if is_answered:
        return Finding("the webhook mutated the dry-run ConfigMap")
    return Finding(_NOT_ANSWERED, "NotAnswered")


def _selection_finding(entry: Object, expected: Mapping[str, Any]) -> Finding:
    if not expected:
        return Finding(f"the rules and selectors of {WEBHOOK} were not compared: EXPECTED_WEBHOOK is not set")
    changed = [
        f"{key} is {_shown(entry.get(key))}, not {_shown(expected.get(key))}"
        for key in dict.fromkeys((*_SELECTION_FIELDS, *expected))
        if _without_empty(entry.get(key)) != _without_empty(expected.get(key))
    ]
    if not changed:
        return Finding(f"the rules and selectors of {WEBHOOK} are as the release rendered them")
    advice = "It was edited, or an upgrade is under way: upgrade the release to restore it"
    fault = f"{WEBHOOK} differs from what the release rendered: {'; '.join(changed)}. {advice}"
    return Finding(fault, "EntryChanged")


def _client_finding(pods: Object, probe: Object) -> Finding:
    """The finding on `clientConfig`: if it differs between the entries, the probe says nothing about Pods."""
    differing = [key for key in ("caBundle", "service", "url") if pods.get(key) != probe.get(key)]
    if not differing:
        return Finding(f"{WEBHOOK} and {PROBE_WEBHOOK} have the same service and caBundle")
    advice = (
        "It was edited: the leading profiler or cert-manager restores the caBundle; to restore the other "
        "fields, upgrade the release"
    )
    fault = f"{WEBHOOK} differs from {PROBE_WEBHOOK} in {' and '.join(differing)}. {advice}"
    return Finding(fault, "EntryChanged")


def _call_finding(error_text: str) -> Finding:
    text = _QUOTED.sub("", error_text).casefold()  # without the quoted URL, which could match too
    for phrases, (reason, advice) in _CAUSES.items():
        if any(phrase in text for phrase in phrases):
            return Finding(f"{advice} ({error_text})", reason)
    return Finding(f"API servers fail to call the webhook: {error_text}", "CallFailed")


def _without_empty(value: Any) -> Any:
    """The value without empty fields, which API servers leave out."""
    if isinstance(value, Mapping):
        fields = {key: _without_empty(field) for key, field in value.items()}
        return {key: field for key, field in fields.items() if field is not None} or None
    if isinstance(value, list):
        return [_without_empty(item) for item in value] or None
    return None if value == "" else value


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if value else "nothing"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
