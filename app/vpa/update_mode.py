"""The update modes of a VerticalPodAutoscaler."""

from enum import StrEnum


class UpdateMode(StrEnum):
    """What is done with a recommendation; `Off` does nothing."""

    OFF = "Off"
    INITIAL = "Initial"
    RECREATE = "Recreate"
    IN_PLACE_OR_RECREATE = "InPlaceOrRecreate"
    IN_PLACE = "InPlace"
    AUTO = "Auto"

    @property
    def changes_running_pods(self) -> bool:
        """True if VPA's updater acts in this mode."""
        return self not in {UpdateMode.OFF, UpdateMode.INITIAL}
