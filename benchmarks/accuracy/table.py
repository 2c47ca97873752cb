"""The printed tables: all policies on all sets, and measures beside their limits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.backtest.report import scores_of
from app.domain.profiles import Resource
from benchmarks.accuracy.frontiers import cost_in_cores
from benchmarks.accuracy.limits import Check
from benchmarks.accuracy.recorded_set import RecordedSet
from benchmarks.accuracy.tuning import Cell

# Title, key of the score, format, divisor.
_COLUMNS = (
    ("slack>=0", "cpu_relative_slack_clipped_at_zero", ".3f", 1),
    ("waste", "cpu_absolute_slack_cores", ".3f", 1),
    ("over", "cpu_overuse_cores", ".4f", 1),
    ("waste/use", "cpu_waste_of_use", ".3f", 1),
    ("over/use", "cpu_overuse_of_use", ".4f", 1),
    ("above", "cpu_time_above", ".2%", 1),
    ("<P95/2", "cpu_days_below_half_of_p95", ".2%", 1),
    ("changes", "cpu_changes_per_day", ".3f", 1),
    ("| GiB waste", "memory_absolute_slack_bytes", ".3f", 2**30),
    ("MiB over", "memory_overuse_bytes", ".3f", 2**20),
    ("waste/use", "memory_waste_of_use", ".3f", 1),
    ("over/use", "memory_overuse_of_use", ".4f", 1),
    ("days", "memory_days_above", ".2%", 1),
    ("by 10 %", "memory_days_far_above", ".2%", 1),
    ("never", "memory_containers_never_above", ".1%", 1),
    ("changes", "memory_changes_per_day", ".3f", 1),
    ("| nodes", "nodes", ".1f", 1),
    ("unmet h", "unmet_core_hours_per_day", ".1f", 1),
)
_COLD_START = (
    ("CPU slack", "cpu_relative_slack", ".3f"),
    ("time above", "cpu_time_above", ".2%"),
    ("stated", "cpu_expected_above", ".2%"),
    ("bound held", "cpu_bound_held", ".1%"),
    ("memory slack", "memory_relative_slack", ".3f"),
    ("days above", "memory_days_above", ".2%"),
    ("stated", "memory_expected_days_above", ".2%"),
    ("days", "cpu_container_days", "d"),
)


def policy_lines(sets: Sequence[RecordedSet]) -> Iterator[str]:
    """One line for each set and policy; L36 is waste + 36 * overuse of CPU, beside KRR's."""
    titles = "".join(f"{title:>{len(title) + 2}}" for title, *_ in _columns())
    yield f"{'set':20}{'policy':13}{titles}"
    for of_set in sets:
        krr = cost_in_cores(of_set.of("krr", Resource.CPU))
        for name, policy in of_set.replay.policies.items():
            scores: Mapping[str, Any] = scores_of(policy)
            cells = [f"{cost_in_cores(of_set.of(name, Resource.CPU)) / krr:.3f}"] + [
                "-" if scores[key] is None else format(scores[key] / divisor, form)
                for _, key, form, divisor in _COLUMNS
            ]
            widths = [len(title) + 2 for title, *_ in _columns()]
            shown = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
            yield f"{of_set.name:20}{name:13}{shown}"


def _columns() -> tuple[tuple[str, str, str, int], ...]:
    return (("  L36", "", "", 1), *((title.rjust(6), key, form, by) for title, key, form, by in _COLUMNS))


def check_lines(checks: Iterable[Check]) -> Iterator[str]:
    """One line for each measure: value, limit, verdict and note."""
    yield f"{'measure':51}{'on':34}{'value':>9}  {'limit':18}"
    for check in checks:
        line = f"{check.measure:51}{check.on:34}{check.value:9.4f}  {_limit(check):18}"
        yield f"{line}{check.verdict:13}{check.note}".rstrip()


def _limit(check: Check) -> str:
    if not check.has_limit:
        return "-"
    if check.at_least is None:
        return f"<= {check.at_most:.4g}"
    return f"{check.at_least:.4g} to {check.at_most:.4g}"


def summary(checks: Sequence[Check], seconds: float) -> str:
    """The number of limits that are reached, and the time."""
    limited = [check for check in checks if check.has_limit]
    reached = sum(check.is_reached for check in limited)
    return f"limits: {reached} of {len(limited)} reached; {seconds:.0f} s"


def cold_start_lines(scores: Iterable[tuple[str, int, str, Mapping[str, Any]]]) -> Iterator[str]:
    """One line for each set, length of history and policy; a dash if the policy states no risk."""
    yield f"{'set':20}{'hours':>5} {'policy':8}" + "".join(f"{title:>13}" for title, *_ in _COLD_START)
    for on, hours, name, policy_scores in scores:
        cells = (
            format(policy_scores[key], form) if policy_scores.get(key) is not None else "-"
            for _, key, form in _COLD_START
        )
        yield f"{on:20}{hours:5d} {name:8}" + "".join(f"{cell:>13}" for cell in cells)


def reliability_lines(
    on: str, reliability: Mapping[str, Mapping[str, list[Mapping[str, float]]]]
) -> Iterator[str]:
    """The bins of each policy and kind of statement, in ascending order of the stated risk."""
    for policy, kinds in reliability.items():
        for kind, bins in kinds.items():
            observed = "days within" if kind == "cpu_bound" else "observed"
            yield f"\n{on} {policy} {kind}: stated, {observed}, container-days"
            for row in bins:
                yield f"{row['stated']:8.2%} {row['came']:8.2%} {row['container_days']:6d}"


def cell_lines(resource: Resource, cells: Iterable[Cell]) -> Iterator[str]:
    """One line for each pair of units: the constants tuned on the first, and our scores on the second."""
    is_cpu = resource is Resource.CPU
    title = f"{resource.value}: tuned on"
    yield f"{title:28}{'judged on':28}{'L36' if is_cpu else 'waste, days':14}constants"
    for cell in cells:
        scores = f"{cell.cost:.3f}" if is_cpu else f"{cell.waste:.3f}, {cell.days_above:.2f}"
        yield f"{cell.tuned_on:28}{cell.judged_on:28}{scores:14}{cell.constants}"
