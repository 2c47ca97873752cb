"""A write of a profile: what the publisher sends to the profile store."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.policy_rule import PolicyRule
from app.domain.profiles import ConnectionProfile, Profile, ResourceProfile
from app.domain.value_history import ValueChange


@dataclass(frozen=True, slots=True)
class ProfileWrite:
    """One profile to write under *name*: value and status, or the status alone.

    `stored_value` is the value stored now; None if the profile does not exist. `history` has the last changes
    of the value, this one included. `unlabelled_since` is set for a stored object without labels that it can
    have: the time of its last change, with which it is written once more. `stored_containers` has the stored
    value of each container, and `stored_policy` the stored rules of its policy.
    """

    profile: Profile
    name: str
    value_changed: bool
    stored_value: str | None = None
    history: tuple[ValueChange, ...] = ()
    unlabelled_since: datetime | None = None
    stored_containers: Mapping[str, str] = field(default_factory=dict)
    stored_policy: tuple[PolicyRule, ...] = ()

    def manifest_time(self, now: datetime) -> datetime | None:
        """The time of the last change, to write the object with it; None if only the status is written."""
        return now if self.value_changed else self.unlabelled_since

    @property
    def policy(self) -> tuple[PolicyRule, ...]:
        """The rules that a new profile is to have; the policy of a stored one is written on its own."""
        return self.profile.policy if isinstance(self.profile, ResourceProfile) else ()

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
