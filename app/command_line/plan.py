"""`job-profiler plan`: the requests that the webhook would set, from a cluster's objects of now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import NEEDS, ClusterObjects
from app.command_line.clusters import opened
from app.command_line.plan_autoscalers import planned_autoscalers
from app.command_line.plan_report import PlanFacts, plan_printout
from app.command_line.printout import OutputFormat
from app.command_line.releases import with_variables
from app.command_line.terminal import print_out, run
from app.decisions.plan import Planner, WorkloadPlan
from app.decisions.scaling_targets import Autoscalers, pairs
from app.decisions.templates import WorkloadObject
from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import ProfileKind, Resource, RiskLevel
from app.domain.untyped import mapping_in, text_in
from app.kubernetes.list_options import Object
from app.runtime.logs import configure_logs
from app.runtime.planning import ListedObjects, open_planner
from app.runtime.scheduling import scheduling_policy
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.task_group import task_group

Profiles = Mapping[ProfileKind, Iterable[Mapping[str, Any]]]
# What the release says of these is what its webhook decides by.
_DECIDING = tuple(
    name
    for name in Settings.model_fields
    if name.startswith("scheduling_") or name in {"excluded_namespaces", "vpa_recommender_name"}
)


def plan_and_print(
    settings: Settings, access: ClusterAccess, *, output: OutputFormat, risk: RiskLevel | None
) -> None:
    """Prints the plan for all workloads in scope."""
    configure_logs("warning", LogFormat.CONSOLE)
    plans, notes = run(_plan(settings, access, risk))
    print_out(plan_printout(plans, PlanFacts(risk.value if risk else "", notes)), output)


async def _plan(
    settings: Settings, access: ClusterAccess, risk: RiskLevel | None
) -> tuple[list[WorkloadPlan], list[str]]:
    async with opened(settings, access) as objects:
        settings = with_variables(settings, objects.variables, _DECIDING)
        cluster = await read_cluster(settings, objects, risk)
        autoscalers = planned_autoscalers(
            cluster.vertical_autoscalers,
            cluster.autoscalers,
            cluster.profiles,
            scheduling_policy(settings),
            settings.vpa_recommender_name,
        )
        workloads = await objects.workloads()
        plans = [replace(cluster.plan(found), vpa=autoscalers.notes_on(found)) for found in workloads]
        return plans, objects.notes


@dataclass(frozen=True, slots=True)
class PlannedCluster:
    """The webhook's decision for the workloads of a cluster."""

    planner: Planner
    limit_ranges: dict[str, list[Object]]
    autoscalers: Autoscalers
    unscaled: Planner | None  # the same without autoscalers
    profiles: Profiles
    vertical_autoscalers: Sequence[Object]

    def plan(self, found: WorkloadObject) -> WorkloadPlan:
        """The plan for one workload, with the defaults of its namespace."""
        plan = self.planner.plan(found, self.limit_ranges[found.workload.namespace])
        scaling = self.autoscalers.get(found.workload)
        if not scaling:
            return plan
        without = self.plan_unscaled(found)
        requests = {
            resource: {
                one.name: (one.changes[resource].old, one.changes[resource].new)
                for one in without.containers
                if resource in one.changes
            }
            for resource in Resource
        }
        return replace(plan, scaling=pairs(scaling, requests, without.added))

    def plan_unscaled(self, found: WorkloadObject) -> WorkloadPlan:
        """The plan for one workload as if nothing scaled it."""
        planner = self.unscaled or self.planner
        return planner.plan(found, self.limit_ranges[found.workload.namespace])


async def read_cluster(
    settings: Settings,
    objects: ClusterObjects,
    risk: RiskLevel | None = None,
    profiles: Profiles | None = None,
) -> PlannedCluster:
    """Reads the constraints, and the profiles unless they are given.

    The settings of the installed release stand for defaults.
    """
    settings = with_variables(settings, objects.variables, _DECIDING)
    async with task_group() as tasks:
        read = tasks.create_task(objects.profiles(() if profiles is not None else NEEDS))
        limit_ranges = tasks.create_task(objects.limit_ranges())
        quotas = tasks.create_task(objects.quotas())
        horizontal = tasks.create_task(objects.horizontal_autoscalers())
        targets = tasks.create_task(objects.scaling_targets())
        vertical = tasks.create_task(objects.vertical_autoscalers())
    listed = ListedObjects(
        read.result() if profiles is None else profiles,
        limit_ranges.result(),
        quotas.result(),
        horizontal.result(),
        vertical.result(),
    )
    excluded = frozenset((*settings.excluded_namespaces, objects.own_namespace, objects.profiles_home))
    scope = NamespaceSelection(None, excluded)
    policy = scheduling_policy(settings)
    planner, unscaled = open_planner(listed, policy, scope.covers, risk), None
    if targets.result():
        unscaled = open_planner(replace(listed, horizontal_autoscalers=()), policy, scope.covers, risk)
    return PlannedCluster(
        planner,
        _by_namespace(limit_ranges.result()),
        targets.result(),
        unscaled,
        listed.profiles,
        vertical.result(),
    )


def _by_namespace(manifests: Iterable[Object]) -> dict[str, list[Object]]:
    found: defaultdict[str, list[Object]] = defaultdict(list)
    for manifest in manifests:
        found[text_in(mapping_in(manifest.get("metadata")).get("namespace"))].append(manifest)
    return found
