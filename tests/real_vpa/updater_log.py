"""What the updater's log says of its loops. Pure."""

import re

_ACCEPTED, _ACTS = '"Pod accepted for update"', ('"In-place patched pod /resize', '"Evicting pod"')


def most_in_a_loop(log: str, workload: str) -> int:
    """The most Pods of a workload that one loop resized or evicted.

    A loop accepts the Pods that it could act on, and then acts: what follows an act is the next loop.
    """
    of_workload = re.compile(rf'pod="[^/"]+/{re.escape(workload)}-[a-z0-9]+-[a-z0-9]{{5}}"')
    acts = most = 0
    for line in filter(of_workload.search, log.splitlines()):
        if _ACCEPTED in line:
            acts = 0
        acts += any(act in line for act in _ACTS)
        most = max(most, acts)
    return most
