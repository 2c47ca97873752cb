"""The chart of a workload beside its usage: the value over time, the request and the limit; pure."""

from collections.abc import Iterator, Sequence

from app.charts.usage_chart import Change, Span, UsageView
from app.dashboard.curves import UsageCurve
from app.dashboard.facts import Needs
from app.decisions.changes import read_changes
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS


def usage_view(curve: UsageCurve, needs: Needs, workload: Workload) -> UsageView:
    """The chart of one resource of *workload*, with the amounts of its profile.

    The request and the limit are those of now: a profile does not have those of the past.
    """
    resource = curve.resource
    replica = needs.figures[workload].amounts.get(resource)
    start = float(curve.steps.start_seconds - STEP_SECONDS)
    request = replica.request if replica else None
    limit = replica.limit if replica else None
    return UsageView(
        resource,
        start,
        float(curve.steps.end_seconds),
        curve.samples,
        list(_values(needs, workload, resource, start)),
        [] if request is None else [Change(start, float(request))],
        [] if limit is None else [Change(start, float(limit))],
        {kind: spans(steps) for kind, steps in curve.pressure.items()},
    )


def _values(needs: Needs, workload: Workload, resource: Resource, start: float) -> Iterator[Change]:
    """The stored changes of the need, the oldest first, and the need of now."""
    manifests = needs.profiles.get(workload, {})
    history = read_changes([manifests[resource]] if resource in manifests else [], workload)
    changes = list(reversed(history.changes))
    replica = needs.figures[workload].amounts.get(resource)
    if replica is None:
        return
    if not changes:
        yield Change(start, float(replica.need))
        return
    yield Change(min(start, changes[0].time.timestamp() - 1), float(changes[0].old))
    for change in changes[:-1]:
        yield Change(change.time.timestamp(), float(change.new))
    yield Change(changes[-1].time.timestamp(), float(replica.need))


def spans(steps: Sequence[int]) -> list[Span]:
    """The times of ascending *steps*; adjacent ones are one span."""
    found: list[Span] = []
    for step in steps:
        start, end = float((step - 1) * STEP_SECONDS), float(step * STEP_SECONDS)
        if found and found[-1].end == start:
            found[-1] = Span(found[-1].start, end)
        else:
            found.append(Span(start, end))
    return found
