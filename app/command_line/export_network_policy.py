"""`job-profiler export network-policy`: NetworkPolicies that allow the connections that were seen."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import typer
import yaml

from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_objects import ClusterObjects
from app.command_line.clusters import opened
from app.command_line.exposing_objects import read_exposure
from app.command_line.releases import with_variables
from app.command_line.terminal import print_error, run
from app.command_line.workload_names import one_namespace
from app.decisions.label_selectors import pod_selector
from app.decisions.network_policies import NetworkPolicyResult, PolicyInput, network_policy
from app.decisions.outside_traffic import SourceHealth, Surroundings, read_health
from app.decisions.running_pods import PodObject, RunningPod, running_pod
from app.decisions.savings import Ignored
from app.decisions.templates import WorkloadObject
from app.decisions.unseen_peers import NAMESPACE_LABEL, SeenEdge, seen_edges, unseen_peers
from app.domain.profiles import ProfileKind
from app.domain.untyped import mapping_in, text_in
from app.domain.workloads import Workload
from app.errors import ClusterError, ForbiddenError, ProfilerError, SettingsError
from app.kubernetes import paths
from app.kubernetes.list_options import ListOptions
from app.kubernetes.status_map import REPORT, StatusMap
from app.printable import printable
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_FORMS = ("yaml", "json")
_INTRODUCTION = (
    "Each policy allows the connections that were seen, on all ports, since no source reports ports.",
    "Calls that can't be seen stay allowed: of Pods without a proxy, and UDP. So do DNS, the metrics of",
    "proxies, and by Kubernetes' own rule calls from a Pod's node, such as the kubelet's probes.",
)


@dataclass(frozen=True, slots=True)
class PolicyQuestion:
    """A form, and the patterns of workloads on the host network that call none of the namespace."""

    form: str
    ignore: tuple[str, ...]


def policies_and_print(settings: Settings, access: ClusterAccess, question: PolicyQuestion) -> None:
    """Prints the policies; a warning stands in the place of one that could cut traffic.

    Raises:
        ProfilerError: no connection of the namespace was seen.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    if question.form not in _FORMS:
        raise SettingsError([f"--output is {question.form!r}: use yaml or json"])
    results, notes = run(_results(settings, access, question))
    policies = [one.policy for one in results if one.policy]
    if question.form == "json":
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": policies}, indent=2))
        for one in results:
            for line in _warnings(one):
                print_error(line)
    else:
        typer.echo("\n".join(_documents(results)))
    for note in notes:
        print_error(note)
    print_error(f"{len(policies)} of {len(results)} workloads have a policy; {_left_open(results)}")


def _documents(results: Sequence[NetworkPolicyResult]) -> Iterator[str]:
    """The policies as YAML, each below the warnings on its workload."""
    yield from (f"# {line}" for line in _INTRODUCTION)
    for one in results:
        yield ""
        yield from (f"# WARNING: {printable(line)}" for line in _warnings(one))
        if one.policy:
            yield "---"
            yield yaml.safe_dump(one.policy, sort_keys=False).rstrip()


def _warnings(one: NetworkPolicyResult) -> Iterator[str]:
    """A line for each direction without a rule."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for direction, reason in one.warnings:
        reasons[direction].append(reason)
    for direction, listed in reasons.items():
        subject = f"{one.workload}, {direction}" if direction else str(one.workload)
        yield f"no policy for {subject}: {'; '.join(listed)}"


def _left_open(results: Sequence[NetworkPolicyResult]) -> str:
    count = sum(bool(one.warnings) for one in results)
    return f"{count} are left open, in part or whole, for a reason" if count else "none is left open"


async def _results(
    settings: Settings, access: ClusterAccess, question: PolicyQuestion
) -> tuple[list[NetworkPolicyResult], list[str]]:
    async with opened(settings, access) as objects:
        namespace = one_namespace(objects.namespaces)
        profiles = await objects.profiles([ProfileKind.CONNECTION])
        edges = seen_edges(profiles[ProfileKind.CONNECTION])
        own = [edge for edge in edges if namespace in _namespaces_of(edge)]
        if not own:
            raise ProfilerError(f"no connection of namespace {namespace} was seen: see job-profiler status")
        workloads = await objects.workloads()
        settings = with_variables(settings, objects.variables, ("excluded_namespaces", "max_profiles"))
        unread = {*settings.excluded_namespaces, objects.own_namespace} - {namespace}
        known = PolicyInput(own, await _selectors(objects, workloads, own))
        health = await _health(objects, settings.max_profiles)
        around = await _surroundings(objects, workloads, edges, health, Ignored(question.ignore))
        around = replace(around, unread_namespaces=unread)
        return [network_policy(one, known, around) for one in workloads], objects.notes


def _namespaces_of(edge: SeenEdge) -> set[str]:
    return {edge.connection.source.namespace, edge.connection.destination.namespace}


async def _selectors(
    objects: ClusterObjects, workloads: Iterable[WorkloadObject], edges: Iterable[SeenEdge]
) -> dict[Workload, Mapping[str, Any]]:
    """The selectors of all workloads at the ends of *edges* that may be listed."""
    others = {name for edge in edges for name in _namespaces_of(edge)} - set(objects.namespaces)
    found = list(workloads)
    if others:
        elsewhere = replace(objects, namespaces=tuple(sorted(others)), notes=[])
        with suppress(ForbiddenError):  # then their whole namespace is allowed
            found += await elsewhere.workloads()
    selectors = ((one.workload, pod_selector(one)) for one in found)
    return {workload: selector for workload, selector in selectors if selector}


async def _surroundings(
    objects: ClusterObjects,
    workloads: Sequence[WorkloadObject],
    edges: Sequence[SeenEdge],
    health: SourceHealth,
    ignored: Ignored,
) -> Surroundings:
    (namespace,) = objects.namespaces
    pods, is_complete = await _pods(objects)
    peers = unseen_peers(
        pods, edges, doubted=health.doubted, is_ignored=ignored.__contains__, is_complete=is_complete
    )
    exposure = await read_exposure(objects.client, namespace)
    if not is_complete:
        unknown = "workloads on the host network may call it: Pods of all namespaces can't be listed"
        exposure = replace(exposure, unread=[*exposure.unread, unknown])
    by_workload: defaultdict[Workload, list[RunningPod]] = defaultdict(list)
    for pod in pods:
        if pod.workload.namespace == namespace:
            by_workload[pod.workload].append(pod)
    return Surroundings(
        datetime.now(UTC),
        by_workload,
        workloads,
        peers,
        exposure,
        health,
        {pod.workload for pod in pods if pod.is_on_host},
        await _unlabelled(objects),
    )


async def _health(objects: ClusterObjects, max_profiles: int) -> SourceHealth:
    report = None
    with suppress(ClusterError):
        report = (await StatusMap(objects.client, objects.own_namespace).read_all()).get(REPORT)
    return read_health(report, max_profiles)


async def _pods(objects: ClusterObjects) -> tuple[list[RunningPod], bool]:
    """The running Pods of the cluster and True; or those of the namespace, if only these may be listed."""
    try:
        return [pod async for pod in _listed_pods(objects, None)], True
    except ForbiddenError:
        return [pod async for pod in _listed_pods(objects, objects.namespaces[0])], False


async def _listed_pods(objects: ClusterObjects, namespace: str | None) -> AsyncIterator[RunningPod]:
    async for page in objects.client.pages(ListOptions(paths.pods(namespace)), PodObject):
        for pod in map(running_pod, page.items):
            if pod:
                yield pod


async def _unlabelled(objects: ClusterObjects) -> list[str]:
    """The namespaces without the label by which rules name them; Kubernetes sets it since 1.21."""
    try:
        listing = await objects.client.list_all(ListOptions(paths.namespaces(), may_be_cached=True))
    except ForbiddenError:
        return []
    metadata = (mapping_in(one.get("metadata")) for one in listing.items)
    return [
        text_in(one.get("name"))
        for one in metadata
        if mapping_in(one.get("labels")).get(NAMESPACE_LABEL) != one.get("name")
    ]
