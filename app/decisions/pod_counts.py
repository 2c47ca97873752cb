"""How many Pods of a workload run at once: now, at most by its autoscaler, and more during a roll-out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from app.decisions.templates import WorkloadObject
from app.domain.untyped import count_in, mapping_in
from app.domain.workloads import CRON_JOB, JOB, Workload
from app.rightsizing.governors import read_horizontal


@dataclass(frozen=True, slots=True)
class PodCounts:
    """Pods: `now`, `at_most` with the autoscaler at its maximum, and `surge` of a roll-out."""

    now: int
    at_most: int
    surge: int = 0


def pod_counts(found: WorkloadObject, maxima: Mapping[Workload, int]) -> PodCounts:
    """The Pods of a workload; of a CronJob or Job those of one run, none of one that is suspended."""
    now = _of_run(found) if found.workload.kind in {CRON_JOB, JOB} else found.replicas or 0
    return PodCounts(now, max(now, maxima.get(found.workload, 0)), _surge(found, now))


def maxima_of(autoscalers: Iterable[Mapping[str, Any]]) -> dict[Workload, int]:
    """The maximum replicas by the workload that HorizontalPodAutoscalers scale: the largest of several."""
    found: dict[Workload, int] = {}
    for manifest in autoscalers:
        try:
            workload = read_horizontal(manifest).target
        except (KeyError, TypeError, AttributeError):
            continue
        maximum = count_in(mapping_in(manifest.get("spec")).get("maxReplicas"))
        found[workload] = max(maximum, found.get(workload, 0))
    return found


def _of_run(found: WorkloadObject) -> int:
    spec = mapping_in(found.manifest.get("spec"))
    if spec.get("suspend") is True:
        return 0
    if found.workload.kind == CRON_JOB:
        spec = mapping_in(mapping_in(spec.get("jobTemplate")).get("spec"))
    parallel, completions = spec.get("parallelism", 1), spec.get("completions")
    return min(count_in(parallel), completions) if isinstance(completions, int) else count_in(parallel)


def _surge(found: WorkloadObject, now: int) -> int:
    """The Pods that a rolling update of a Deployment creates at once beside the old ones."""
    strategy = mapping_in(mapping_in(found.manifest.get("spec")).get("strategy"))
    if found.workload.kind != "Deployment" or not now or strategy.get("type") == "Recreate":
        return 0
    surge = mapping_in(strategy.get("rollingUpdate")).get("maxSurge", "25%")
    if isinstance(surge, str) and surge.removesuffix("%").isdigit():
        return ceil(now * int(surge.removesuffix("%")) / 100)
    return count_in(surge)
