"""`job-profiler probe`: runs the leader's self-probe once and prints its findings; used by `helm test`."""

from app.command_line.cluster import open_access
from app.command_line.cluster_access import ClusterAccess
from app.command_line.namespaces import asked_namespaces, require_namespaces
from app.command_line.plain_console import console
from app.command_line.releases import release_of
from app.command_line.terminal import run
from app.command_line.webhook_check import installed_settings
from app.errors import ProfilerError
from app.kubernetes.self_probe.probe import Probe, ProbeReport
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import Settings

_OF_POD = frozenset(
    {"own_namespace", "expected_webhook"}
)  # set in the release's Pods, which may not look for it


def probe_and_print(settings: Settings, access: ClusterAccess) -> None:
    """Runs the self-probe and prints each finding.

    Raises:
        ProfilerError: a check failed.
    """
    report = run(_probe(settings, access))
    out = console()
    for finding in report.findings:
        out.print(f"{finding.reason or 'ok'}: {finding.message}", soft_wrap=True)
    if report.faults:
        raise ProfilerError(f"{len(report.faults)} of {len(report.findings)} checks failed: see above")
    out.print(f"The webhook answered in {report.seconds or 0:.3f} s.")


async def _probe(settings: Settings, access: ClusterAccess) -> ProbeReport:
    is_told = settings.model_fields_set >= _OF_POD
    async with open_access(access) as client:
        if not is_told:
            await require_namespaces(client, asked_namespaces(settings))
            if release := await release_of(client, settings, access):
                settings = installed_settings(settings, release)
        return await Probe(client, probe_policy(settings)).run_once()
