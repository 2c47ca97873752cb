"""`job-profiler profile`: runs one cycle and prints its profiles."""

import math
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.command_line.cluster import open_access
from app.command_line.cluster_access import ClusterAccess
from app.command_line.printout import OutputFormat
from app.command_line.profile_report import profiles_printout
from app.command_line.prometheus_access import Reached, reach_input
from app.command_line.recorded_usage import recorded_usage
from app.command_line.releases import in_release, release_of
from app.command_line.terminal import print_error, print_out, run
from app.domain.annotations import IGNORE_LABEL
from app.errors import ForbiddenError, ProfilerError, SettingsError
from app.profiler.cycle.collector import cycle_time
from app.profiler.cycle.cycle import CycleReport, ProfilingCycle
from app.profiler.cycle.query_context import Progress
from app.profiler.cycle.signals import Health
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles, LoggedReport
from app.profiler.ports import ClusterPorts, UsageSource
from app.profiler.registries.namespaces import NamespaceScope
from app.runtime.logs import configure_logs
from app.runtime.policies import cycle_policy
from app.runtime.prometheus import open_prometheus
from app.runtime.scope import SELECTOR_SETTING, namespace_scope
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.sources.query_observer import QueryCosts
from app.sources.recorded import read_recorded_history

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient


def compute_and_print(
    settings: Settings, access: ClusterAccess, *, history: Path | None, output: OutputFormat, apply: bool
) -> None:
    """Computes and prints the profiles; if a source failed, prints the rest and exits with code 1."""
    configure_logs("warning", LogFormat.CONSOLE)
    if apply and history is not None:
        raise SettingsError(
            ["--apply and --history cannot be combined: the history file may be from another cluster"]
        )
    report, manifests = run(_compute(settings, access, history, apply=apply))
    print_out(profiles_printout(manifests), output)
    for workload, reason in report.reasons.items():
        print_error(f"no profile for {workload}: {reason}")
    for state in report.states:
        if state.health.is_fault:
            print_error(f"{state.signal}: {state.message}")
    if apply:
        print_error(f"{report.written} profiles written, {report.failed_writes} failed")
    if not manifests:
        if any(state.health.is_fault for state in report.states):
            raise ProfilerError("no profile could be computed: see the errors above")
        raise ProfilerError(
            "no profile could be computed: see the messages above and the namespace settings in --help"
        )
    if report.failed_writes or any(state.health is Health.FAILING for state in report.states):
        sys.exit(1)


async def _compute(
    settings: Settings, access: ClusterAccess, history: Path | None, *, apply: bool
) -> tuple[CycleReport, list[dict[str, Any]]]:
    async with reach_input(settings, access, history, needs_cluster=apply) as reached:
        return await compute(reached, access, history, apply=apply)


async def compute(
    reached: Reached, access: ClusterAccess, history: Path | None, *, apply: bool
) -> tuple[CycleReport, list[dict[str, Any]]]:
    """Runs one cycle; returns its report, and the objects of the profiles that it could derive."""
    async with AsyncExitStack() as stack:
        settings = reached.settings
        client = await stack.enter_async_context(open_access(access)) if reached.uses_cluster else None
        if client:
            settings = in_release(settings, await release_of(client, settings, access))
        namespaces = await _namespaces(settings, client)
        opened = await stack.enter_async_context(_open_source(reached, history, namespaces))
        local = InMemoryProfiles(settings.profiles_home)
        cluster = ClusterPorts(opened.lister, local, LoggedReport())
        if client:
            cluster = await _ports_of(client, settings, local, apply=apply)
        policy = cycle_policy(settings)
        if not apply:  # the rate protects the API server, to which nothing is written
            policy = replace(policy, writes_per_second=math.inf, max_writes=math.inf)
        cycle = ProfilingCycle(opened.source, cluster, policy, opened.in_scope)
        with _shown_progress(opened.traffic) as progress:
            report = await cycle.run_once(opened.now, progress)
        return report, local.manifests_of(report.identities)


async def _ports_of(
    client: "ClusterClient", settings: Settings, local: InMemoryProfiles, *, apply: bool
) -> ClusterPorts:
    """The workloads of the cluster, and where profiles are written."""
    from app.command_line.cluster_profiles import copied_store
    from app.runtime.adapters import ClusterWorkloads

    store = await copied_store(client, settings.profiles_home, local) if apply else local
    workloads = ClusterWorkloads(client, settings.profiling_namespace, print_error)
    return ClusterPorts(workloads, store, LoggedReport())


async def _namespaces(settings: Settings, client: "ClusterClient | None") -> NamespaceScope:
    """The namespaces in scope; with a cluster, also by their labels."""
    selector = settings.profiling_namespace_selector
    if client is None:
        if selector:
            raise SettingsError(
                [f"{SELECTOR_SETTING} is {selector!r}: needs a cluster, use --kubeconfig without --history"]
            )
        return namespace_scope(settings)
    from app.runtime.watches.namespaces import list_scope

    try:
        return await list_scope(client, settings)
    except ForbiddenError as error:
        if selector:
            raise
        print_error(f"the opt-out label {IGNORE_LABEL} is ignored: cannot list namespaces: {error}")
        return namespace_scope(settings)


@dataclass(frozen=True, slots=True)
class _OpenedSource:
    """A source, the time of the cycle, the namespaces in scope, and the cost of its queries."""

    source: UsageSource
    now: datetime
    in_scope: Callable[[str], bool]
    lister: FixedSnapshot
    traffic: QueryCosts


@asynccontextmanager
async def _open_source(
    reached: Reached, history: Path | None, namespaces: NamespaceScope
) -> AsyncIterator[_OpenedSource]:
    settings, traffic = reached.settings, QueryCosts()
    if history is None:
        # A single run has no later cycle that could read the rest.
        async with open_prometheus(
            settings, namespaces, traffic, queries_per_cycle=math.inf, forwarded_by=reached.forwarded_by
        ) as prometheus:
            yield _OpenedSource(prometheus, datetime.now(UTC), namespaces.covers, FixedSnapshot(), traffic)
    else:
        usage = recorded_usage(read_recorded_history(history), str(history), settings.profiling_namespace)
        yield _OpenedSource(
            usage.source, cycle_time(usage.steps.last), usage.covers, FixedSnapshot(), traffic
        )


@contextmanager
def _shown_progress(traffic: QueryCosts) -> Iterator[Progress]:
    """A progress bar if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from app.command_line.query_bar import query_bar

    with query_bar(traffic) as progress:
        yield progress
