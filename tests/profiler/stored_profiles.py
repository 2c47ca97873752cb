"""Stored profiles, and catalogues of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Profile

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def manifest(of: Profile, *, name: str | None = None, age: timedelta = timedelta(0)) -> dict[str, Any]:
    """A stored profile with the value of *of*, by default under the name that the profiler allocates."""
    stored_at = NOON - age
    name = name or contract_name(of.identity) or separated_name(of.identity)
    document = to_manifest(of, name=name, namespace="profiling", updated_at=stored_at)
    return document | {"status": to_status(of, refreshed_at=stored_at)}


def catalogue(*manifests: dict[str, Any]) -> ProfileCatalogue:
    """A catalogue of these objects."""
    kinds = {kind.kind: profile_kind for profile_kind, kind in KINDS.items()}
    filled = ProfileCatalogue()
    for document in manifests:
        filled.upsert(kinds[document["kind"]], document)
    return filled
