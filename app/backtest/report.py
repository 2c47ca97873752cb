"""The scores of a replay as a JSON document; docs/pages/backtest.md documents the keys."""

from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.backtest.reliability import ReliabilityBin, RiskStatements
from app.backtest.replay import PolicyResult, Replay
from app.backtest.vpa_updater import UpdaterScores
from app.domain.profiles import Resource

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def document(replay: Replay) -> dict[str, Any]:
    """The evaluated days, the scores of each policy, the reliability of stated risk, and the frontier."""
    mask, first_day = replay.evaluation_mask, replay.usage.first_day
    return {
        "days": replay.usage.days,
        "judged": {
            "first_day": format_day(first_day + replay.period.first_day),
            "last_day": format_day(first_day + replay.period.last_day),
            "containers": int(mask.any(axis=1).sum()),
            "container_days": int(mask.sum()),
            "short_past": replay.period.is_short_past,
        },
        "policies": {name: scores_of(policy) for name, policy in replay.policies.items()},
        "reliability": {
            name: _reliability(policy.statements)
            for name, policy in replay.policies.items()
            if policy.statements
        },
        "updater": {name: updater_scores_of(scores) for name, scores in replay.updater.items()},
        "frontier": {resource.value: _frontier(replay, resource) for resource in Resource},
    }


def format_day(day: int) -> str:
    """The date YYYY-MM-DD of *day*, which counts from 1970-01-01."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def scores_of(policy: PolicyResult) -> dict[str, float | int | None]:
    """The scores by JSON key: shares in [0, 1], cores and bytes; None if undefined."""
    cpu, memory = policy.scores[Resource.CPU], policy.scores[Resource.MEMORY]
    scores: dict[str, float | int | None] = {
        "cpu_relative_slack": cpu.relative_slack,
        "cpu_relative_slack_clipped_at_zero": cpu.relative_slack_clipped_at_zero,
        "cpu_absolute_slack_cores": cpu.absolute_slack,
        "cpu_overuse_cores": cpu.overuse,
        "cpu_waste_of_use": cpu.waste_share,
        "cpu_overuse_of_use": cpu.overuse_share,
        "cpu_time_above": cpu.time_above,
        "cpu_days_mostly_above": cpu.days_mostly_above,
        "cpu_days_below_half_of_p95": cpu.days_below_half_of_p95,
        "memory_relative_slack": memory.relative_slack,
        "memory_relative_slack_clipped_at_zero": memory.relative_slack_clipped_at_zero,
        "memory_absolute_slack_bytes": memory.absolute_slack,
        "memory_overuse_bytes": memory.overuse,
        "memory_waste_of_use": memory.waste_share,
        "memory_overuse_of_use": memory.overuse_share,
        "memory_days_above": memory.days_above,
        "memory_days_far_above": memory.days_far_above,
        "memory_containers_never_above": memory.containers_never_above,
        "changes_per_day": (cpu.changes_per_day + memory.changes_per_day) / 2,
        "cpu_changes_per_day": cpu.changes_per_day,
        "memory_changes_per_day": memory.changes_per_day,
        "cpu_container_days": cpu.container_days,
        "memory_container_days": memory.container_days,
        "nodes": policy.packing.nodes if policy.packing else None,
        "unmet_core_hours_per_day": policy.packing.unmet_core_hours if policy.packing else None,
    }
    if policy.statements:
        scores |= {
            "cpu_expected_above": policy.statements.cpu_above.stated,
            "memory_expected_days_above": policy.statements.memory_above.stated,
            "cpu_bound_held": policy.statements.cpu_bound.observed,
            "cpu_bound_mean": policy.statements.cpu_bound.stated,
        }
    return {key: _or_none(value) for key, value in scores.items()}


def updater_scores_of(scores: UpdaterScores) -> dict[str, float]:
    """What VPA's updater does on a day of a container, by JSON key."""
    return {
        "actions_per_day": scores.actions,
        "actions_below_lower_bound": scores.actions_below,
        "actions_above_upper_bound": scores.actions_above,
        "actions_by_difference": scores.actions_by_difference,
        "cpu_overuse_cores": scores.overuse[Resource.CPU],
        "memory_overuse_bytes": scores.overuse[Resource.MEMORY],
    }


def _reliability(statements: RiskStatements) -> dict[str, list[dict[str, float | int]]]:
    return {
        field.name: [_bin(reliability_bin) for reliability_bin in getattr(statements, field.name).bins]
        for field in fields(statements)
    }


def _bin(reliability_bin: ReliabilityBin) -> dict[str, float | int]:
    return {
        "stated": reliability_bin.stated,
        "came": reliability_bin.observed,
        "container_days": reliability_bin.container_days,
    }


def _frontier(replay: Replay, resource: Resource) -> list[dict[str, Any]]:
    return [
        {"price": point.price} | {key: _or_none(value) for key, value in asdict(point.scores).items()}
        for point in replay.frontier[resource]
    ]


def _or_none(value: float | None) -> float | None:
    return value if value is None or np.isfinite(value) else None
