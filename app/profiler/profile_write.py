"""A write of a profile: what the publisher sends to the profile store."""

import math
from dataclasses import dataclass

from app.domain.profiles import Profile


@dataclass(frozen=True, slots=True)
class ProfileWrite:
    """One profile to write under *name*: value and status, or the status alone.

    `before` is the value that is stored so far, None where there is no such profile.
    """

    profile: Profile
    name: str
    value_changed: bool
    before: str | None = None

    @property
    def relative_change(self) -> float:
        """How far the value moves, against what is stored: infinite for a newcomer, 0 where it stays."""
        if not self.value_changed:
            return 0.0
        try:
            old = float(self.before or 0)
            return abs(float(self.profile.value) - old) / abs(old)
        except (ValueError, ZeroDivisionError):
            return math.inf
