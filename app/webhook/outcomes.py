"""Outcomes of a review: a patch, and the skip reason if it is empty or incomplete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.domain.profiles import Resource
from app.webhook.patching import NO_PATCH, Patch
from app.webhook.sizing import SizingOutcome

_NOTHING_KEPT: Mapping[Resource, str] = MappingProxyType({})  # one for all prepared decisions


class SkipReason(StrEnum):
    """Why a review has no patch or an incomplete one; the values are the metric's label values."""

    NOT_A_POD_CREATION = "not_a_pod_creation"
    NAMESPACE_OUT_OF_SCOPE = "namespace_out_of_scope"
    OPTED_OUT = "opted_out"
    MIRROR_POD = "mirror_pod"
    INDEX_NOT_SYNCED = "index_not_synced"
    NO_OWNER = "no_owner"
    NO_PROFILE = "no_profile"
    UP_TO_DATE = "up_to_date"
    ANNOTATIONS_TOO_LARGE = "annotations_too_large"
    TOO_COMPLEX = "too_complex"
    UNREADABLE_POD = "unreadable_pod"
    INTERNAL_ERROR = "internal_error"
    SELF_PROBE = "self_probe"


@dataclass(frozen=True, slots=True)
class Decision:
    """The patch, possibly empty, and the reason if it is empty or incomplete.

    `resizing` is the outcome of sizing if requests from profiles are enabled for the Pod; `reasons_to_keep`
    has the reason for each resource that stays unchanged in the whole Pod.
    """

    patch: Patch
    reason: SkipReason | None = None
    resizing: SizingOutcome | None = None
    reasons_to_keep: Mapping[Resource, str] = field(default_factory=lambda: _NOTHING_KEPT)


SKIPPED = {reason: Decision(NO_PATCH, reason) for reason in SkipReason}
