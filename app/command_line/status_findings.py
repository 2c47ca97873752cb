"""The part of `job-profiler status` on late samples, claims of metrics and objects, and other writers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain.annotations import SCHEDULING_LABEL
from app.domain.untyped import count_in, list_in, mapping_in
from app.domain.workloads import NAMESPACE

_DROPPED = {
    "ImpossibleName": "an end has a name that no object can have",
    "NoWorkload": "an end is no workload of its namespace",
    "OtherReporter": "neither end reports the edge, nor a proxy in MESH_PROXY_NAMESPACES"
    " (does scraping set the label `namespace`?)",
    "OverShare": "MAX_EDGES is reached, and the namespace has more than its share",
}


def finding_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """One line per finding; none for a report of an older release."""
    jobs = list_in(report.get("containerJobs"))
    if len(jobs) > 1:
        yield (
            f"Warning: container series come from more than one scrape job: {', '.join(map(str, jobs))}. A"
            " target that is scraped with honor_labels can claim usage of any container: name the kubelets'"
            " job in CONTAINER_METRICS_MATCHER"
        )
    yield from _unheard_namespaces(report)
    yield from _policy_faults(report)
    if clusters := list_in(report.get("recognizedClusters")):
        own = "; ".join(map(str, clusters))
        yield f"Prometheus has several clusters; only series of this one count, known by its Pods: {own}"
    if lags := mapping_in(report.get("lagSeconds")):
        listed = ", ".join(f"{signal} up to {count_in(lag) // 60} minutes" for signal, lag in lags.items())
        yield f"Samples reach Prometheus late: {listed}. Values are up to date once they have come"
    if objects := list_in(report.get("distrustedOwners")):
        yield (
            f"Owners not believed, since there are too many of one object: {', '.join(map(str, objects))}. Is"
            " kube-state-metrics scraped without honorLabels, and drops relabelling the labels exported_*?"
        )
    for fault, namespaces in mapping_in(report.get("droppedEdges")).items():
        names = ", ".join(map(str, list_in(namespaces)))
        yield f"Edges left out ({fault}: {_DROPPED.get(fault, fault)}), declared by: {names}"
    for workload, reason in mapping_in(report.get("absurdNeeds")).items():
        yield f"Not published for {workload}: {reason}"
    if namespaces := list_in(report.get("forgottenUsage")):
        yield (
            "Usage forgotten, since MAX_HISTORY_SIZE is reached and the namespace has more than its share: "
            + ", ".join(map(str, namespaces))
        )
    if refused := count_in(report.get("refusedWrites")):
        yield f"Refused by the API server, tried again less often: {refused} profiles (see the log)"
    if ignored := mapping_in(report.get("ignoredObjects")):
        names = ", ".join(map(str, list_in(ignored.get("names"))))
        yield (
            f"Ignored: {count_in(ignored.get('total'))} objects, such as {names}. They are copies of"
            " profiles under another name, or name no workload: they take no place of MAX_PROFILES, and who"
            " made them may delete them"
        )


def enforcer_lines(names: Sequence[str]) -> Iterator[str]:
    """A line if KRR's enforcer is in the cluster; *names* are its webhook configurations."""
    if names:
        yield (
            f"Warning: KRR's enforcer sets requests of new Pods, too ({', '.join(names)}): a Pod has those"
            " of the webhook that is called last. Where scheduling is on, annotate Pod templates with"
            " admission.robusta.dev/krr-mutation-mode: ignore, uninstall the enforcer, or leave a namespace"
            f" to it: remove the label {SCHEDULING_LABEL}"
        )


def _policy_faults(report: Mapping[str, Any]) -> Iterator[str]:
    faults = mapping_in(report.get("policyFaults"))
    for subject, text in faults.items():
        kind, _, name = str(subject).rpartition("/")
        shown = f"namespace {name}" if kind.startswith(NAMESPACE) else subject
        yield f"Annotations without effect on {shown}: {text}"
    if (more := count_in(report.get("policyFaultsTotal")) - len(faults)) > 0:
        yield f"Annotations without effect on {more} more workloads and namespaces"


def _unheard_namespaces(report: Mapping[str, Any]) -> Iterator[str]:
    if namespaces := list_in(report.get("namespacesAskingForRequests")):
        yield (
            f"Scheduling is off, and these namespaces ask for requests: {', '.join(map(str, namespaces))}."
            " Set scheduling.enabled=true in the chart (OPERATING_MODE=PROFILING_SCHEDULING), or remove the"
            f" label {SCHEDULING_LABEL}"
        )
