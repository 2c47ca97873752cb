"""The usage that a command reads, and that of a recorded history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.namespaces import NamespaceSelection
from app.history.samples import StepRange
from app.profiler.ports import UsageSource
from app.sources.recorded import RecordedHistory

if TYPE_CHECKING:  # `profile` replays nothing, and loads no code for it
    from app.backtest.collecting import RequestReader


@dataclass(frozen=True, slots=True)
class UsageInput:
    """A source of usage, its name in messages, the steps to read, and the namespaces in scope."""

    source: UsageSource
    requests: "RequestReader"
    steps: StepRange
    covers: Callable[[str], bool]
    name: str


def recorded_usage(recorded: RecordedHistory, name: str, namespaces: Sequence[str] = ()) -> UsageInput:
    """The whole of *recorded*; all of its namespaces are in scope, unless some are listed."""
    steps = StepRange(recorded.first_step, recorded.last_step)
    return UsageInput(recorded, recorded, steps, NamespaceSelection(namespaces or None).covers, name)
