"""The self-probe of the installed release, as `probe` and `doctor` run it."""

from dataclasses import dataclass

from app.command_line.cluster import open_access
from app.command_line.cluster_access import ClusterAccess
from app.command_line.releases import release_of, with_variables
from app.errors import ClusterError, ProfilerError
from app.kubernetes.release import Release
from app.kubernetes.self_probe.findings import Finding
from app.kubernetes.self_probe.probe import Probe
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import Settings

_OF_RELEASE = ("webhook_configuration", "expected_webhook")
NOT_INSTALLED = "no release of the job profiler was found in this cluster"


@dataclass(frozen=True, slots=True)
class WebhookCheck:
    """The findings of the probe, and the time that the webhook took; a `skipped` one has a reason only."""

    findings: tuple[Finding, ...] = ()
    seconds: float | None = None
    skipped: str = ""

    @property
    def has_failed(self) -> bool:
        """True if a check failed."""
        return any(finding.reason for finding in self.findings)


def installed_settings(settings: Settings, release: Release) -> Settings:
    """The *settings*, with what *release* expects of its webhook where they don't say it themselves."""
    told = with_variables(settings, release.variables, _OF_RELEASE)
    return told.model_copy(update={"own_namespace": release.namespace})


async def check_webhook(settings: Settings, access: ClusterAccess) -> WebhookCheck:
    """Probes the webhook of the only release in the cluster, by a dry run that stores nothing."""
    try:
        async with open_access(access) as client:
            release = await release_of(client, settings, access)
            if release is None:
                return WebhookCheck(skipped=NOT_INSTALLED)
            report = await Probe(client, probe_policy(installed_settings(settings, release))).run_once()
    except ClusterError as error:
        return WebhookCheck(skipped=f"the cluster can't be asked: {error}")
    except ProfilerError as error:
        return WebhookCheck(skipped=str(error))
    return WebhookCheck(report.findings, report.seconds)
