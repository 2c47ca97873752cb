"""One self-probe: checks the webhook configuration, then creates a ConfigMap by dry run; stores nothing."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from app.domain.self_probe import ReplicaFaults, config_map, is_answered, read_faults
from app.errors import ClusterError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_malformed_object, explain_missing_object
from app.kubernetes.self_probe.findings import Finding, entry_findings, error_finding, response_finding

_QUESTION_BYTES = 16  # random, so that no earlier answer is taken for this one


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """The probed webhook configuration, its rendered entry (*expected*), and the schedule of probes."""

    namespace: str
    configuration: str
    expected: Mapping[str, Any]
    is_enabled: bool = True
    period_seconds: float = 60
    retry_seconds: float = 2.0
    installation_seconds: float = 120.0  # no failures are reported in this time: the webhook is starting too


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The findings, and the API server's response time; None if no ConfigMap was sent.

    `replica` has the faults of the replica that answered, which do not fail the probe.
    """

    findings: tuple[Finding, ...]
    seconds: float | None
    replica: ReplicaFaults | None = None

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings of failed checks."""
        return tuple(finding for finding in self.findings if finding.reason)


class Probe:
    """Checks the webhook configuration, and whether the webhook answers a ConfigMap created by dry run."""

    def __init__(self, client: ClusterClient, policy: ProbePolicy) -> None:
        self._client, self._policy = client, policy

    async def run_once(self) -> ProbeReport:
        """Run all checks once.

        Raises:
            ClusterError: the API server itself has an outage; the state of the webhook is unknown.
        """
        findings = list(await self._configuration_findings())
        if any(finding.reason == "EntryMissing" for finding in findings):
            return ProbeReport(tuple(findings), None)
        started_at = perf_counter()
        finding, replica = await self._create_config_map()
        return ProbeReport((*findings, finding), perf_counter() - started_at, replica)

    async def _configuration_findings(self) -> tuple[Finding, ...]:
        name = self._policy.configuration
        try:
            with explain_missing_object(f"MutatingWebhookConfiguration {name}"):
                configuration = await self._client.get(paths.mutating_webhook_configuration(name))
        except NotFoundError as error:
            return (Finding(str(error), "EntryMissing"),)
        except ForbiddenError as error:
            fault = (
                f"MutatingWebhookConfiguration {name} can't be read: the service account needs RBAC"
                " permission to get it"
            )
            return (Finding(f"{fault} ({error})", "ConfigurationUnreadable"),)
        with explain_malformed_object(f"MutatingWebhookConfiguration {name}"):
            return tuple(entry_findings(configuration, self._policy.expected))

    async def _create_config_map(self) -> tuple[Finding, ReplicaFaults | None]:
        question, path = secrets.token_hex(_QUESTION_BYTES), paths.config_maps(self._policy.namespace)
        try:
            created = await self._client.create(path, config_map(question), dry_run=True)
        except ClusterError as error:
            if finding := error_finding(error):
                return finding, None
            raise
        with explain_malformed_object("the dry-run ConfigMap"):
            annotations = created["metadata"].get("annotations") or {}
            finding = response_finding(is_answered=is_answered(annotations, question))
            return finding, None if finding.reason else read_faults(annotations)
