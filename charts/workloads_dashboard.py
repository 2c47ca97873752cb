"""The dashboard for people who run workloads, `files/workloads-dashboard.json` of the chart."""

import json
from collections.abc import Iterator, Mapping, Sequence

from dashboard_panels import DATASOURCE, Head, Json, curves, placed, row, stat, table
from workload_queries import (
    BYTES,
    CONTAINER,
    CPU,
    ENDS,
    MEMORY,
    MESSAGES,
    REPLICAS,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    WORKLOAD,
    ResourceQueries,
    largest_edges,
)

BOTH = (CPU, MEMORY)
UNITS = {"cpu": "suffix: cores", "memory": "bytes"}
NAMES = {"cpu": "CPU", "memory": "memory"}
MESSAGE_UNIT, BYTES_UNIT = "suffix: /min", "Bps"
# Colours that colour-blind people can tell apart.
COLORS = {"Requested": "#0072B2", "Needed": "#E69F00", "Used": "#009E73"}
WORKLOAD_LEGEND = "{{namespace}}/{{workload}}"
EDGE_LEGEND = "{{source_namespace}}/{{source}} → {{destination_namespace}}/{{destination}}"


def workloads_dashboard() -> str:
    """The file's text."""
    dashboard = {
        "title": "Job profiler: workloads",
        "uid": "job-profiler-workloads",
        "description": (
            "Need, request and usage of workloads, and their connections. The job profiler has needs,"
            " requests and connections (monitoring.workloadMetrics), the kubelets' cAdvisor has usage, and"
            " kube-state-metrics has the owners of Pods."
        ),
        "tags": ["job-profiler"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "5m",
        "timezone": "",
        "time": {"from": "now-24h", "to": "now"},
        "links": [
            {
                "type": "link",
                "title": "Runbooks",
                "url": "docs/pages/runbooks.md",
                "targetBlank": True,
                "icon": "doc",
            },
            {"type": "dashboards", "title": "Job profiler", "tags": ["job-profiler"], "keepTime": True},
        ],
        "templating": {"list": list(_variables())},
        "panels": list(placed(_rows())),
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def _variables() -> Iterator[Json]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    needs = "job_profiler_profile_cpu_cores"
    choices = {
        "namespace": f"label_values({needs}, namespace)",
        "workload": f'label_values({needs}{{namespace=~"$namespace"}}, workload)',
    }
    for name, query in choices.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",  # instead of all names, of which there may be thousands
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _rows() -> list[tuple[int, Sequence[Json]]]:
    return [
        (5, [*map(_now, BOTH), *map(_wasted_now, BOTH)]),
        (9, [_sums_over_time(each) for each in BOTH]),
        (1, [row("Waste and shortage")]),
        (9, [_wasted(each) for each in BOTH]),
        (9, [_lacking(each) for each in BOTH]),
        (1, [row("One replica")]),
        (9, [_replica_over_time(each) for each in BOTH]),
        *((10, [_replicas(each)]) for each in BOTH),
        (1, [row("Containers")]),
        (10, [_containers(each) for each in BOTH]),
        (1, [row("Connections")]),
        (10, [_connections()]),
        (9, [_messages(), _bytes()]),
        (4, [_left_out()]),
    ]


def _head(queries: ResourceQueries, title: str, description: str) -> Head:
    """The head of a panel on one resource, whose name replaces `{}`."""
    name = NAMES[queries.resource]
    texts = (text.format(name) for text in (title, description))
    title, description = (text[0].upper() + text[1:] for text in texts)
    return Head(title, description, UNITS[queries.resource])


def _titles(labels: str) -> dict[str, str]:
    """The titles of the columns of *labels*."""
    return {
        label: label.removeprefix("workload_").replace("_", " ").capitalize() for label in labels.split(", ")
    }


def _only(chosen: str, queries: Mapping[str, str]) -> dict[str, str]:
    """The *queries*, each only on the series that the query *chosen* has too."""
    return {name: f"{query} and {chosen}" for name, query in queries.items()}


def _sums(queries: ResourceQueries) -> dict[str, str]:
    return {
        "Requested": f"sum({queries.request} * {REPLICAS})",
        "Needed": f"sum({queries.need} * {REPLICAS})",
        "Used": f"sum({queries.used})",
    }


def _now(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Now: {}",
        "{} that all replicas of the selected workloads request, need and use. Workloads that run to"
        " completion are left out: their replicas are not known.",
    )
    return stat(head, _sums(queries), COLORS)


def _wasted_now(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Waste: {}",
        "{} that the selected workloads request beyond their need, times their replicas. What others lack is"
        " not deducted.",
    )
    return stat(head, {"Wasted": f"sum({queries.over})"})


def _sums_over_time(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Requested, needed and used {}",
        "Sums of {} over all replicas of the selected workloads. The need is what the profiles state.",
    )
    return curves(head, _sums(queries), COLORS)


def _wasted(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Most {} wasted",
        "The 20 workloads that request most {} beyond their need: (request - need) times replicas.",
    )
    return table(head, _titles(WORKLOAD), {"Wasted": f"topk(20, {queries.over})"})


def _lacking(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Most {} lacking",
        "The 20 workloads that need most {} beyond their request, or without one: (need - request) times"
        " replicas. What is not requested is not reserved.",
    )
    return table(head, _titles(WORKLOAD), {"Lacking": f"topk(20, {queries.under})"})


def _replica_over_time(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "{} of one replica",
        "Need and request of one replica, and the {} of the Pod that uses most, for the five selected"
        " workloads with the largest need. Choose a workload above to see another.",
    )
    lines = {
        "needed": queries.need,
        "requested": queries.request,
        "used by the largest": queries.used_by_replicas("max"),
    }
    largest = f"topk(5, {queries.need})"
    shown = _only(largest, lines)
    return curves(head, {f"{WORKLOAD_LEGEND} {text}": query for text, query in shown.items()})


def _replicas(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Replicas: {}",
        "{} that one replica needs and requests, and that the Pods use now: their mean and the largest. The"
        " 100 selected workloads with the largest need.",
    )
    columns = {
        "Need": queries.need,
        "Request": queries.request,
        "Mean usage": queries.used_by_replicas("avg"),
        "Largest usage": queries.used_by_replicas("max"),
        "Replicas": REPLICAS,
    }
    listed = _only(queries.largest_workloads, columns)
    return table(head, _titles(WORKLOAD), listed, {"Replicas": "none"})


def _containers(queries: ResourceQueries) -> Json:
    head = _head(
        queries,
        "Containers: {}",
        "{} that each container needs, requests and uses in one replica; the usage is the mean of the Pods"
        " that run now. The 100 containers with the largest need.",
    )
    columns = {
        "Need": queries.container("need"),
        "Request": queries.container("request"),
        "Usage": queries.used_by_containers,
    }
    return table(head, _titles(CONTAINER), _only(queries.largest_containers, columns))


def _connections() -> Json:
    head = Head(
        "Largest connections",
        "Requests and responses per minute, and bytes per second to the destination and back, as the mean of"
        " 24 hours: the 50 connections of selected workloads with most messages, and the 50 with most bytes.",
        BYTES_UNIT,
    )
    columns = {"Messages": MESSAGES, "Bytes out": REQUEST_BYTES, "Bytes back": RESPONSE_BYTES}
    listed = _only(largest_edges(50), columns)
    return table(head, _titles(ENDS), listed, {"Messages": MESSAGE_UNIT})


def _messages() -> Json:
    head = Head(
        "Messages",
        "Requests and responses per minute of the ten connections with most, as the profiles state them.",
        MESSAGE_UNIT,
    )
    return curves(head, {EDGE_LEGEND: f"topk(10, {MESSAGES})"})


def _bytes() -> Json:
    head = Head(
        "Bytes",
        "Bytes per second in both directions of the ten connections with most, as the profiles state them.",
        BYTES_UNIT,
    )
    return curves(head, {EDGE_LEGEND: f"topk(10, {BYTES})"})


def _left_out() -> Json:
    head = Head(
        "Not shown",
        "Profiles that this dashboard lacks, by kind: monitoring.maxWorkloadSeries leaves no room for these"
        " smallest ones of their namespaces.",
        "none",
    )
    return stat(head, {"{{kind}}": "max by (kind) (job_profiler_profiles_without_gauges)"})
