"""The record of a workload's object: small, since a cluster may hold 10,000 of them, and more Jobs."""

from dataclasses import dataclass

from app.domain.annotations import Labels
from app.domain.container_roles import UNKNOWN_TEMPLATE, TemplateContainers
from app.domain.template_amounts import NO_TEMPLATE_AMOUNTS, TemplateAmounts
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy
from app.domain.workloads import Workload


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """An object that creates Pods, or a CronJob; `cron_job` is the CronJob that created a Job.

    `desired_replicas` is None for what runs to completion. `policy` is that of the object and its template.
    `vpa_labels` are the labels of the template that decide on a VerticalPodAutoscaler.
    """

    workload: Workload
    uid: str = ""
    cron_job: Workload | None = None
    template: TemplateContainers = UNKNOWN_TEMPLATE
    ready_replicas: int = 0
    desired_replicas: int | None = None
    amounts: TemplateAmounts = NO_TEMPLATE_AMOUNTS
    policy: WorkloadPolicy = NO_POLICY
    vpa_labels: Labels = ()
