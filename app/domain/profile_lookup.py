"""The lookup order of profiles: the workloads that may hold those of a Pod's owner."""

import re
from collections.abc import Iterator

from app.domain.run_names import run_groups
from app.domain.workloads import CRON_JOB, JOB, NAMED_KINDS, Workload, run_group

# A CronJob's Jobs end in the minute of their schedule, in the second before Kubernetes 1.21; a shorter number
# is one that a person chose.
_SCHEDULED = re.compile(r"(?P<base>.+)-[0-9]{8,10}")


def profile_lookup_order(workload: Workload, *, may_be_scheduled: bool = True) -> Iterator[Workload]:
    """The workloads that may hold the profiles of *workload*, the likeliest first.

    A Job's Pods do not name its CronJob. So the Job with the exact name comes first, then the CronJob of that
    name without the schedule's number, unless the Job is known to have none, then the run groups.
    """
    yield workload
    if workload.kind in NAMED_KINDS:
        return
    scheduled = _SCHEDULED.fullmatch(workload.name)
    if workload.kind == JOB and scheduled and may_be_scheduled:
        yield Workload(workload.namespace, scheduled["base"], CRON_JOB)
    if (group := run_group(workload)) != workload:
        yield group
    yield from run_groups(group)
