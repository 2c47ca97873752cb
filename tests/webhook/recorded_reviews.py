"""Admission reviews recorded from a real API server."""

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[3] / "shared" / "data"


def recorded(name: str) -> dict[str, Any]:
    """The review of the Pod of that name."""
    document: dict[str, Any] = json.loads((RECORDED / f"admission-review-{name}.json").read_bytes())
    return document
