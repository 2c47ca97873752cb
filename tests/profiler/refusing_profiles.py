"""In-memory profiles, some of which the API server refuses to write."""

from datetime import datetime

from app.errors import ClusterError
from app.profiler.in_memory import InMemoryProfiles
from app.profiler.profile_write import ProfileWrite


class RefusingProfiles(InMemoryProfiles):
    """A store that refuses the writes of the named profiles, as an API server does without the permission."""

    def __init__(self, *refused: str) -> None:
        super().__init__("profiling")
        self.refused = set(refused)

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Store the profile, or raise a ClusterError."""
        if write.name in self.refused:
            raise ClusterError("PATCH cpuprofiles: 403 Forbidden")
        await super().write(write, now)
