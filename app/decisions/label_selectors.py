"""Label selectors: the one that selects the Pods of a workload, and whether a selector selects labels."""

from collections.abc import Mapping
from typing import Any

from app.decisions.templates import WorkloadObject
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.workloads import CRON_JOB, JOB

Selector = Mapping[str, Any]
# The API server adds them to the template of a Job: they select the Pods of this one run.
_OF_ONE_RUN = frozenset({"controller-uid", "batch.kubernetes.io/controller-uid"})


def pod_selector(found: WorkloadObject) -> Selector | None:
    """The selector of a workload's Pods; those of Jobs and CronJobs have the labels of the template.

    None if there is nothing to select them by.
    """
    if found.workload.kind in {JOB, CRON_JOB}:
        labels = {key: value for key, value in template_labels(found).items() if key not in _OF_ONE_RUN}
        return {"matchLabels": labels} if labels else None
    selector = mapping_in(mapping_in(found.manifest.get("spec")).get("selector"))
    kept = {key: selector[key] for key in ("matchLabels", "matchExpressions") if selector.get(key)}
    return kept or None


def template_labels(found: WorkloadObject) -> dict[str, str]:
    """The labels in the Pod template."""
    labels = mapping_in(mapping_in(found.template.get("metadata")).get("labels"))
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """True if *selector* selects an object with *labels*; an empty one selects every object."""
    wanted = mapping_in(selector.get("matchLabels"))
    expressions = map(mapping_in, list_in(selector.get("matchExpressions")))
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a requirement holds; one of an unknown operator may hold, as far as is known."""
    key, values = text_in(expression.get("key")), list_in(expression.get("values"))
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True
