"""The way from the API server to the webhook and back, gone once: nothing of it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from app.domain.self_probe import config_map, is_answered, new_question
from app.errors import ClusterError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import rendered_by_chart
from app.kubernetes.self_probe.findings import Finding, answer_finding, entry_findings, refusal_finding


@dataclass(frozen=True, slots=True)
class ProbeTerms:
    """The probed webhook configuration, how it was rendered (*expected*), and when it is probed."""

    namespace: str
    configuration: str
    expected: Mapping[str, Any]
    is_enabled: bool = True
    period_seconds: float = 60
    retry_seconds: float = 2.0
    installation_seconds: float = 120.0  # in which failures are not reported: the webhook starts too


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """All that was checked, and how long the API server took with the question, if it was asked."""

    findings: tuple[Finding, ...]
    seconds: float | None

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What is not as it should be."""
        return tuple(finding for finding in self.findings if finding.reason)


class Probe:
    """Asks the webhook by a ConfigMap that is created by dry run."""

    def __init__(self, client: ClusterClient, terms: ProbeTerms) -> None:
        self._client, self._terms = client, terms

    async def run_once(self) -> ProbeReport:
        """Look at the webhook configuration, and ask.

        Raises:
            ClusterError: the API server itself is in trouble, so that nothing is known of the webhook.
        """
        findings = list(await self._configuration_findings())
        if any(finding.reason == "EntryMissing" for finding in findings):
            return ProbeReport(tuple(findings), None)
        began = perf_counter()
        findings.append(await self._ask())
        return ProbeReport(tuple(findings), perf_counter() - began)

    async def _configuration_findings(self) -> tuple[Finding, ...]:
        name = self._terms.configuration
        try:
            with rendered_by_chart(f"MutatingWebhookConfiguration {name}"):
                configuration = await self._client.get(paths.mutating_webhook_configuration(name))
        except NotFoundError as error:
            return (Finding(str(error), "EntryMissing"),)
        except ForbiddenError as error:
            told = f"MutatingWebhookConfiguration {name} can't be read: the account needs the right to get it"
            return (Finding(f"{told} ({error})", "ConfigurationUnreadable"),)
        return tuple(entry_findings(configuration, self._terms.expected))

    async def _ask(self) -> Finding:
        question, path = new_question(), paths.config_maps(self._terms.namespace)
        try:
            created = await self._client.create(path, config_map(question), dry_run=True)
        except ClusterError as error:
            if finding := refusal_finding(error):
                return finding
            raise
        return answer_finding(is_answered=is_answered(created["metadata"].get("annotations") or {}, question))
