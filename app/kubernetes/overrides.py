"""The flags of kubectl's names that replace a part of a kubeconfig; no file is read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Overrides:
    """What flags replace in a kubeconfig, with the meaning of kubectl's; an empty field replaces nothing."""

    context: str = ""
    as_: str = ""
    as_uid: str = ""
    as_groups: Sequence[str] = ()
    as_user_extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_OVERRIDES = Overrides()
