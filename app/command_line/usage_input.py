"""Where a command finds the past: in a file, or in the Prometheus of the settings."""

import math
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.backtest.collecting import RequestReader, UsageReader
from app.errors import SettingsError
from app.history.samples import STEPS_PER_DAY, StepRange, day_of
from app.profiler.cycle.collector import newest_complete_step
from app.runtime.prometheus import check_credentials, open_prometheus
from app.runtime.scope import namespace_scope, query_scope
from app.runtime.watches.namespaces import SELECTOR_SETTING
from app.settings.environment import Settings
from app.sources.container_requests import PrometheusRequests
from app.sources.queries import Scope
from app.sources.recorded import read_recorded_history


@dataclass(frozen=True, slots=True)
class UsageInput:
    """A source of usage, the steps to ask it for, which namespaces count, and how a person calls it."""

    source: UsageReader
    requests: RequestReader
    steps: StepRange
    covers: Callable[[str], bool]
    name: str


@asynccontextmanager
async def open_past(
    settings: Settings, history: Path | None, *, days: int, with_today: bool = False
) -> AsyncIterator[UsageInput]:
    """All of *history*, or the last *days* whole days (UTC) of Prometheus, and today with *with_today*.

    Raises:
        SettingsError: a setting can't be followed here.
    """
    if settings.profiling_namespace_selector:
        chosen = settings.profiling_namespace_selector
        raise SettingsError([f"{SELECTOR_SETTING} is {chosen!r}: labels are not known here, name namespaces"])
    if history is not None:
        recorded = read_recorded_history(history)
        steps = StepRange(recorded.first_step, recorded.last_step)
        # A record is read as it is, unless namespaces are named.
        listed = Scope(settings.profiling_namespace or None)
        yield UsageInput(recorded, recorded, steps, listed.covers, str(history))
        return
    check_credentials(settings)
    namespaces = namespace_scope(settings)
    # There is no later cycle that could read the rest.
    async with open_prometheus(settings, namespaces, queries_per_cycle=math.inf) as prometheus:
        requests = PrometheusRequests(prometheus.api, query_scope(settings, namespaces.current()))
        steps = _last_days(datetime.now(UTC), days, with_today=with_today)
        yield UsageInput(prometheus, requests, steps, namespaces.covers, prometheus.url)


def _last_days(now: datetime, days: int, *, with_today: bool) -> StepRange:
    newest = newest_complete_step(now.timestamp())
    midnight = day_of(newest) * STEPS_PER_DAY  # the step that ends with the last whole day
    return StepRange(midnight - days * STEPS_PER_DAY + 1, newest if with_today else midnight)


@dataclass(slots=True)
class ProgressBar:
    """A progress bar on standard error, and nothing where that is no terminal."""

    _progress: Progress

    def task(self, name: str) -> Callable[[int, int], None]:
        """Tells how much of *name* is done, and of how much."""
        number = self._progress.add_task(name, total=None)
        return lambda done, total: self._progress.update(number, completed=done, total=total)


@asynccontextmanager
async def progress_bar() -> AsyncIterator[ProgressBar]:
    """As long as the work lasts."""
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
