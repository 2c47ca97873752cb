"""The part of a stored CPU or memory profile that only the decision on the next write needs."""

from typing import NamedTuple

import msgspec


class ContainerRequest(NamedTuple):
    """A container and what it requests; an empty text if it requests nothing, or if that was not read."""

    name: str
    request: str = ""


class StoredState(msgspec.Struct, frozen=True, gc=False):
    """What the last write of a profile said beside its value.

    `history` is packed, since tens of thousands of profiles are in memory: `value_history` reads it. An
    object of an older release, or of one whose schema dropped these fields, is not `is_complete`.
    `raised_by` is the largest raise by pressure. `containers` is one object for all profiles with the same.
    """

    history: bytes = b""
    risk: str = ""
    containers: tuple[ContainerRequest, ...] = ()
    container_values: tuple[str, ...] = ()  # in the same order
    raised_by: float = 0.0
    request: str = ""
    limit: str = ""
    desired_replicas: int | None = None
    is_complete: bool = False
    has_labels: bool = False

    @property
    def container_names(self) -> tuple[str, ...]:
        """The names of the containers."""
        return tuple(container.name for container in self.containers)

    @property
    def values_by_container(self) -> dict[str, str]:
        """The value of each container by its name."""
        return dict(zip(self.container_names, self.container_values, strict=True))
