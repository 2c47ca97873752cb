"""Requests of a Pod from its workload's profiles, if its namespace or the Pod enables them."""

import structlog

from app.domain.annotations import REQUESTS, is_scheduling_enabled
from app.domain.workloads import Workload
from app.rightsizing.operations import resource_operations
from app.rightsizing.policy import SchedulingPolicy
from app.rightsizing.resizing import resize
from app.webhook.constraint_index import ConstraintIndex
from app.webhook.need_index import NeedIndex
from app.webhook.pod_resources import TooManyContainersError, UnreadableResourcesError, read_resources
from app.webhook.reviews import Pod
from app.webhook.sizing import Sizing, SizingOutcome

log = structlog.get_logger(__name__)
_NOT_ENABLED = Sizing()
_NOT_SYNCED = Sizing(SizingOutcome.NOT_SYNCED, owns_summary=False)


class PodSizer:
    """Sizes Pods from needs, constraints and policy, all in memory."""

    def __init__(self, needs: NeedIndex, constraints: ConstraintIndex, policy: SchedulingPolicy) -> None:
        self._needs, self._constraints, self._policy = needs, constraints, policy

    def size(self, pod: Pod, workload: Workload) -> Sizing:
        """The sizing of *pod*; after a fault its requests stay unchanged."""
        try:
            return self._size(pod, workload) if self._is_enabled(pod, workload.namespace) else _NOT_ENABLED
        except UnreadableResourcesError:
            return Sizing(SizingOutcome.UNREADABLE)
        except TooManyContainersError:
            return Sizing(SizingOutcome.TOO_MANY_CONTAINERS)
        except Exception:
            log.exception("resizing_failed_open", workload=str(workload))
            return Sizing(SizingOutcome.INTERNAL_ERROR)

    def _is_enabled(self, pod: Pod, namespace: str) -> bool:
        """True also before the namespace's constraints are listed, since it may enable scheduling."""
        enabled = is_scheduling_enabled(pod.metadata.labels)
        if enabled is not None:
            return enabled
        return not self._constraints.covers(namespace) or self._constraints.is_scheduling_enabled(namespace)

    def _size(self, pod: Pod, workload: Workload) -> Sizing:
        constraints = self._constraints.of(workload)
        if constraints is None:
            return _NOT_SYNCED
        needs = self._needs.needs(workload)
        if not needs:
            return Sizing(SizingOutcome.NO_PROFILE) if self._needs.is_synced else _NOT_SYNCED
        resources = read_resources(pod.spec)
        earlier = (pod.metadata.annotations or {}).get(REQUESTS, "")
        resizing = resize(resources, needs, constraints, self._policy, earlier)
        operations = resource_operations(resources, resizing)
        outcome = SizingOutcome.RESIZED if operations else SizingOutcome.UNCHANGED
        return Sizing(outcome, resizing.summary, operations, reasons_to_keep=resizing.reasons_to_keep)
