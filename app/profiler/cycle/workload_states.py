"""Requests, limits and replicas of workloads in their profiles, and when a change of them is written; pure.

They are written with every other write of a profile. On their own they are written at once if the profile has
none, as when its workload is deployed again; else if a request or a limit changed, or if the desired replicas
doubled or halved, and at most once an hour for each profile, since an autoscaler may change replicas every
minute.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.profiles import Profile, Resource, ResourceProfile, StoredProfile
from app.domain.quantities import amount_in
from app.domain.workload_state import WorkloadState
from app.domain.workloads import Workload
from app.recommendation.active_containers import ContainerAmount

STATE_REFRESH = timedelta(hours=1)
REPLICA_FACTOR = 2
FindState = Callable[[Resource, Workload], WorkloadState | None]


def with_states(profiles: Iterable[Profile], find_state: FindState) -> list[Profile]:
    """The profiles; those of CPU and memory have the state of their workload."""
    return [
        replace(profile, workload_state=find_state(profile.resource, profile.workload))
        if isinstance(profile, ResourceProfile)
        else profile
        for profile in profiles
    ]


def memory_limits(find_state: FindState) -> ContainerAmount:
    """A function that finds the memory limit of a container in the Pod template of its workload."""

    def find(workload: Workload, container: str) -> float | None:
        state = find_state(Resource.MEMORY, workload)
        named = [one for one in state.amounts.containers if one.name == container] if state else []
        limit = amount_in(named[0].limit) if named else None
        return float(limit) if limit else None

    return find


def is_state_due(stored: StoredProfile, current: WorkloadState | None, now: datetime) -> bool:
    """True if the *current* state differs from the stored one by enough to be written on its own."""
    state, refreshed = stored.state, stored.status_refreshed_at
    # An older schema drops the state: comparing with it would cause a write in every hour.
    if current is None or state is None or not state.is_complete or refreshed is None:
        return False
    is_first = not (state.request or state.limit) and state.desired_replicas is None
    if not is_first and now - refreshed < STATE_REFRESH:
        return False
    amounts = current.amounts
    if (amounts.request, amounts.limit) != (state.request, state.limit):
        return True
    return _scaled(state.desired_replicas, current.desired_replicas)


def _scaled(before: int | None, after: int | None) -> bool:
    if before is None or after is None or before == after:
        return before != after
    return max(before, after) >= REPLICA_FACTOR * min(before, after)
