"""A replay's scores as one document, for scripts; the keys are documented in docs/backtest.md."""

from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.backtest.reliability import RiskStatements
from app.backtest.replay import Replay, Replayed
from app.domain.profiles import Resource

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def document(replay: Replay) -> dict[str, Any]:
    """What was replayed, each policy's scores, how far what ours stated held, and the frontier."""
    judged, first_day = replay.judged, replay.usage.first_day
    return {
        "days": replay.usage.days,
        "judged": {
            "first_day": date_of(first_day + replay.protocol.first_day),
            "last_day": date_of(first_day + replay.protocol.last_day),
            "containers": int(judged.any(axis=1).sum()),
            "container_days": int(judged.sum()),
        },
        "policies": {name: scores_of(policy) for name, policy in replay.policies.items()},
        "reliability": {
            name: _reliability(policy.statements)
            for name, policy in replay.policies.items()
            if policy.statements
        },
        "frontier": {resource.value: _frontier(replay, resource) for resource in Resource},
    }


def date_of(day: int) -> str:
    """The date of a day since 1970."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def scores_of(policy: Replayed) -> dict[str, float | int | None]:
    """Shares in [0, 1], cores and bytes; None where nothing can be said."""
    cpu, memory = policy.scores[Resource.CPU], policy.scores[Resource.MEMORY]
    found: dict[str, float | int | None] = {
        "cpu_relative_slack": cpu.relative_slack,
        "cpu_relative_slack_clipped_at_zero": cpu.relative_slack_clipped_at_zero,
        "cpu_absolute_slack_cores": cpu.absolute_slack,
        "cpu_time_above": cpu.time_above,
        "cpu_days_mostly_above": cpu.days_mostly_above,
        "memory_relative_slack": memory.relative_slack,
        "memory_absolute_slack_bytes": memory.absolute_slack,
        "memory_days_above": memory.days_above,
        "changes_per_day": (cpu.changes_per_day + memory.changes_per_day) / 2,
        "cpu_changes_per_day": cpu.changes_per_day,
        "memory_changes_per_day": memory.changes_per_day,
        "cpu_container_days": cpu.container_days,
        "memory_container_days": memory.container_days,
    }
    if policy.statements:
        found |= {
            "cpu_expected_above": policy.statements.cpu_above.stated,
            "memory_expected_days_above": policy.statements.memory_above.stated,
            "cpu_bound_held": policy.statements.cpu_bound.came,
            "cpu_bound_mean": policy.statements.cpu_bound.stated,
        }
    return {key: _or_none(value) for key, value in found.items()}


def _reliability(told: RiskStatements) -> dict[str, list[dict[str, float | int]]]:
    return {
        field.name: [asdict(group) for group in getattr(told, field.name).groups] for field in fields(told)
    }


def _frontier(replay: Replay, resource: Resource) -> list[dict[str, Any]]:
    return [
        {"price": point.price} | {key: _or_none(value) for key, value in asdict(point.scores).items()}
        for point in replay.frontier[resource]
    ]


def _or_none(value: float | None) -> float | None:
    return value if value is None or np.isfinite(value) else None
