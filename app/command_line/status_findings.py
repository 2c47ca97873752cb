"""The part of `job-profiler status` on what metrics and objects claim and the profiler does not believe."""

from collections.abc import Iterator, Mapping
from typing import Any

_DROPPED = {
    "ImpossibleName": "an end has a name that no object can have",
    "NoWorkload": "an end is no workload of its namespace",
    "OtherReporter": "neither end reports the edge, nor a proxy in MESH_PROXY_NAMESPACES"
    " (does scraping set the label `namespace`?)",
    "OverShare": "MAX_EDGES is reached, and the namespace has more than its share",
}


def finding_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """One line per finding; none for a report of an older release."""
    jobs = report.get("containerJobs") or ()
    if len(jobs) > 1:
        yield (
            f"Warning: container series come from more than one scrape job: {', '.join(jobs)}. A target"
            " that is scraped with honor_labels can claim usage of any container: name the kubelets' job in"
            " CONTAINER_METRICS_MATCHER"
        )
    for fault, namespaces in (report.get("droppedEdges") or {}).items():
        yield f"Edges left out ({fault}: {_DROPPED.get(fault, fault)}), declared by: {', '.join(namespaces)}"
    for workload, reason in (report.get("absurdNeeds") or {}).items():
        yield f"Not published for {workload}: {reason}"
    if namespaces := report.get("forgottenUsage"):
        yield (
            "Usage forgotten, since MAX_HISTORY_SIZE is reached and the namespace has more than its share: "
            + ", ".join(namespaces)
        )
    if refused := report.get("refusedWrites"):
        yield f"Refused by the API server, tried again less often: {refused} profiles (see the log)"
    if ignored := report.get("ignoredObjects"):
        yield (
            f"Ignored: {ignored['total']} objects, such as {', '.join(ignored['names'])}. They are copies of"
            " profiles under another name, or name no workload: they take no place of MAX_PROFILES, and who"
            " made them may delete them"
        )
