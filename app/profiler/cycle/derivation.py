"""What was learned, and the profiles derived from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Basis, ConnectionProfile, Identity, Profile, Resource
from app.domain.quantities import format_per_minute, format_per_second
from app.domain.workloads import Connection, Workload
from app.history.connection_rows import ConnectionMean, ConnectionRows
from app.history.samples import STEP_SECONDS, step_time
from app.history.usage_history import UsageHistory
from app.profiler.cycle.plan_writes import is_due
from app.profiler.cycle.signals import Health, Signal, SignalState
from app.recommendation.active_containers import IsInitContainer
from app.recommendation.policy import EstimationPolicy, confidence
from app.recommendation.recommender import FindPublishedValue, PublishedValue

RETAINED_DAYS = 15


@dataclass(slots=True)
class DerivedProfiles:
    """What there is to tell as of one moment.

    `profiles` of CPU and memory are those that are new, have moved or are due; `newest_samples` names every
    profile that can be derived now, `too_few` those that would rest on too few samples.
    """

    profiles: list[Profile] = field(default_factory=list)
    newest_samples: dict[Identity, datetime] = field(default_factory=dict)
    too_few: set[Identity] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class StoredValues:
    """What is stored at a moment: a value of it stays unless moving it pays."""

    catalogue: ProfileCatalogue
    now: datetime

    def of(self, resource: Resource) -> FindPublishedValue:
        """Finds what is stored of a workload's *resource*."""

        def find(workload: Workload) -> PublishedValue | None:
            known = self.catalogue.get(Identity(resource.profile_kind, workload))
            value = _amount(known.value) if known else None
            if known is None or value is None:
                return None
            changed_at = known.updated_at.timestamp() if known.updated_at else 0.0
            return PublishedValue(value, changed_at, is_due(known, self.now))

        return find


class ProfileDerivation:
    """Day rows of usage and the last day of every connection."""

    def __init__(self, policy: EstimationPolicy, *, timeslots: int) -> None:
        self._policy = policy
        self.usage = UsageHistory(timeslots=timeslots, retained_days=RETAINED_DAYS)
        self.connections = ConnectionRows()

    def derive(
        self,
        states: Iterable[SignalState],
        newest_step: int,
        in_scope: Callable[[str], bool],
        ends: IsInitContainer,
        stored: StoredValues,
    ) -> DerivedProfiles:
        """The profiles of every signal that was answered; one that fails or is empty leaves its own alone.

        What is *stored* stays unless moving it pays.
        """
        whole = {state.signal for state in states if state.health not in {Health.FAILING, Health.EMPTY}}
        derived = DerivedProfiles()
        for resource in Resource:
            if Signal.of(resource) in whole:
                needs = self.usage.needs(
                    resource,
                    self._policy,
                    newest_step=newest_step,
                    ends=ends,
                    published=stored.of(resource),
                )
                derived.profiles += [need for need in needs.profiles if in_scope(need.workload.namespace)]
                derived.newest_samples |= {
                    Identity(resource.profile_kind, workload): newest
                    for workload, newest in needs.newest_samples.items()
                    if in_scope(workload.namespace)
                }
                derived.too_few |= {
                    Identity(resource.profile_kind, workload)
                    for workload in needs.too_few
                    if in_scope(workload.namespace)
                }
        if Signal.CONNECTIONS in whole:
            connections = [
                _connection_profile(mean)
                for mean in self.connections.means()
                if mean.scraped_steps >= self._policy.min_samples and _touches(mean.connection, in_scope)
            ]
            derived.profiles += connections
            derived.newest_samples |= {each.identity: each.basis.window_end for each in connections}
        return derived


def _amount(value: str) -> float | None:
    """The number that stands in a profile; None where a person wrote what is none."""
    try:
        amount = float(value)
    except ValueError:
        return None
    return amount if isfinite(amount) and amount > 0 else None


def _touches(connection: Connection, in_scope: Callable[[str], bool]) -> bool:
    """One end in scope is enough: its Pods carry the connection."""
    return in_scope(connection.source.namespace) or in_scope(connection.destination.namespace)


def _connection_profile(mean: ConnectionMean) -> ConnectionProfile:
    """The mean in the contract's spelling; `value` adds requests and responses."""
    span = mean.last_step - mean.first_step + 1
    basis = Basis(
        window_start=step_time(mean.first_step - 1),
        window_end=step_time(mean.last_step),
        samples=mean.scraped_steps,
        coverage=mean.scraped_steps / span,
        confidence=confidence(mean.scraped_steps * STEP_SECONDS / 3600),
    )
    return ConnectionProfile(
        mean.connection,
        format_per_minute(mean.requests_per_minute + mean.responses_per_minute),
        format_per_minute(mean.requests_per_minute),
        format_per_minute(mean.responses_per_minute),
        basis,
        *(
            None if rate is None else format_per_second(rate)
            for rate in (mean.request_bytes_per_second, mean.response_bytes_per_second)
        ),
    )
