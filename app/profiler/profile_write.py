"""A write of a profile: what the publisher sends to the profile store."""

import math
from dataclasses import dataclass

from app.domain.profiles import ConnectionProfile, Profile


@dataclass(frozen=True, slots=True)
class ProfileWrite:
    """One profile to write under *name*: value and status, or the status alone.

    `stored_value` is the value stored now; None if the profile does not exist.
    """

    profile: Profile
    name: str
    value_changed: bool
    stored_value: str | None = None

    @property
    def is_connection(self) -> bool:
        """True for a connection; CPU and memory are written first."""
        return isinstance(self.profile, ConnectionProfile)

    @property
    def tenant(self) -> str:
        """The namespace in whose share the profile counts."""
        return self.profile.tenant

    @property
    def relative_change(self) -> float:
        """|new - stored| / |stored|: infinite for a new profile, 0 if the value stays."""
        if not self.value_changed:
            return 0.0
        try:
            stored = float(self.stored_value or 0)
            return abs(float(self.profile.value) - stored) / abs(stored)
        except (ValueError, ZeroDivisionError):
            return math.inf
