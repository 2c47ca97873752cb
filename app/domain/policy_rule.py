"""One rule of a policy per workload: what one annotation sets, and on which object it stands."""

from enum import StrEnum

import msgspec


class PolicyKey(StrEnum):
    """The annotations of a policy, without their prefix."""

    RISK = "risk"
    OFF = "off"
    MIN_CPU = "min-cpu"
    MAX_CPU = "max-cpu"
    MIN_MEMORY = "min-memory"
    MAX_MEMORY = "max-memory"


class PolicySource(StrEnum):
    """The objects that may have them, the nearest to a Pod first."""

    TEMPLATE = "Template"
    WORKLOAD = "Workload"
    NAMESPACE = "Namespace"


class PolicyRule(msgspec.Struct, frozen=True, gc=False):
    """The value of an annotation, in the form in which a status has it.

    Without a `container` it is for all containers that no rule of the same key names.
    """

    key: PolicyKey
    value: str
    source: PolicySource
    container: str = ""

    @property
    def annotation(self) -> str:
        """The annotation without its prefix, such as `max-memory.main`."""
        return f"{self.key}.{self.container}" if self.container else self.key.value
