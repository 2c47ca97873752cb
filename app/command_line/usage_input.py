"""The usage that a command reads: from a history file, or from the Prometheus of the settings."""

import math
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.command_line.prometheus_access import Reached
from app.command_line.recorded_usage import UsageInput, recorded_usage
from app.errors import ProfilerError, SettingsError
from app.history.samples import STEPS_PER_DAY, StepRange, day_of
from app.profiler.cycle.collector import newest_complete_step
from app.runtime.prometheus import open_prometheus
from app.runtime.scope import SELECTOR_SETTING, namespace_scope, query_scope
from app.sources.container_requests import PrometheusRequests
from app.sources.recorded import read_recorded_history


@asynccontextmanager
async def open_usage(
    reached: Reached, history: Path | None, *, days: int, with_today: bool = False
) -> AsyncIterator[UsageInput]:
    """Opens *history*, or the last *days* whole UTC days of *reached*, and today if *with_today*.

    Raises:
        SettingsError: a namespace selector is set, which needs a cluster.
    """
    settings = reached.settings
    if selector := settings.profiling_namespace_selector:
        advice = "this command cannot read namespace labels, use --profiling-namespace"
        raise SettingsError([f"{SELECTOR_SETTING} is {selector!r}: {advice}"])
    if history is not None:
        yield recorded_usage(read_recorded_history(history), str(history), settings.profiling_namespace)
        return
    namespaces = namespace_scope(settings)
    # A single run has no later cycle that could read the rest.
    async with open_prometheus(
        settings, namespaces, queries_per_cycle=math.inf, forwarded_by=reached.forwarded_by
    ) as prometheus:
        scope = query_scope(settings, namespaces.current())
        steps = _last_days(datetime.now(UTC), days, with_today=with_today)
        requests = PrometheusRequests(prometheus.api, scope)
        yield UsageInput(prometheus, requests, steps, namespaces.covers, prometheus.url)


def no_usage(usage: UsageInput) -> ProfilerError:
    """The error for a source that has no usage of any container in scope."""
    return ProfilerError(
        f"{usage.name} has no usage of any container in scope; see --profiling-namespace and"
        " --excluded-namespaces"
    )


def _last_days(now: datetime, days: int, *, with_today: bool) -> StepRange:
    newest = newest_complete_step(now.timestamp())
    midnight = day_of(newest) * STEPS_PER_DAY  # the last step of the last whole day
    return StepRange(midnight - days * STEPS_PER_DAY + 1, newest if with_today else midnight)


@dataclass(slots=True)
class ProgressBar:
    """A progress bar on standard error; hidden if standard error is not a terminal."""

    _progress: Progress

    def task(self, name: str) -> Callable[[int, int], None]:
        """Adds a task; the returned function updates it with the done and the total amount."""
        number = self._progress.add_task(name, total=None)
        return lambda done, total: self._progress.update(number, completed=done, total=total)


@asynccontextmanager
async def progress_bar() -> AsyncIterator[ProgressBar]:
    """Shows the progress bar until the context ends."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as progress:
        yield ProgressBar(progress)
