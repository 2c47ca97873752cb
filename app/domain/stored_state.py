"""The part of a stored CPU or memory profile that only the decision on the next write needs."""

from typing import NamedTuple

import msgspec


class StateParts(NamedTuple):
    """The parts of a state that few readers need: they cost memory, since few profiles have the same."""

    requests: bool = False  # of containers
    risks: bool = False  # the needs of containers at low and at high risk


NO_STATE_PARTS = StateParts()


class StoredState(msgspec.Struct, frozen=True, gc=False):
    """What the last write of a profile said beside its value.

    `history` is packed, since tens of thousands of profiles are in memory: `value_history` reads it. An
    object of an older release, or of one whose schema dropped these fields, is not `is_complete`.
    `raised_by` is the largest raise by pressure. `containers` is one object for all profiles with the same.
    The requests of containers, an empty text for one that requests nothing, are kept only for gauges.
    `at_risks` are the needs of the containers at low and at high risk, in the same order, if they were read.
    """

    history: bytes = b""
    risk: str = ""
    containers: tuple[str, ...] = ()
    container_values: tuple[str, ...] = ()  # in the same order
    container_requests: tuple[str, ...] = ()  # in the same order, if they are kept
    raised_by: float = 0.0
    request: str = ""
    limit: str = ""
    desired_replicas: int | None = None
    is_complete: bool = False
    has_labels: bool = False
    at_risks: tuple[tuple[str, str], ...] = ()

    @property
    def values_by_container(self) -> dict[str, str]:
        """The value of each container by its name."""
        return dict(zip(self.containers, self.container_values, strict=True))

    @property
    def requests_by_container(self) -> dict[str, str]:
        """The request of each container by its name; empty if they are not kept."""
        return dict(zip(self.containers, self.container_requests, strict=False))
