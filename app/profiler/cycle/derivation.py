"""Derives profiles from the learned state."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    Identity,
    Profile,
    Resource,
    RiskLevel,
    StepRates,
    StoredProfile,
)
from app.domain.quantities import format_per_minute, format_per_second
from app.domain.workload_policy import WorkloadPolicy
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionMean
from app.history.samples import STEP_SECONDS, step_time
from app.history.step_statistics import StepStatistics
from app.profiler.cycle.plan_writes import is_refresh_due, is_write_due
from app.profiler.cycle.signals import Health, Signal, SignalState
from app.profiler.cycle.workload_states import FindState, is_state_due
from app.recommendation.active_containers import ContainerChecks
from app.recommendation.policy import EstimationPolicy, confidence
from app.recommendation.recommender import Recommender
from app.recommendation.resource_recommender import FindPublishedValue, PublishedValue, Recommendations

FindPolicy = Callable[[Workload], WorkloadPolicy | None]
_LEVELS = frozenset(RiskLevel)


@dataclass(slots=True)
class DerivedProfiles:
    """The profiles derived in one cycle.

    `profiles` are those that are new, have changed or are due for a refresh; `newest_samples` has every
    profile that can be derived now, `too_few` those without enough samples.
    """

    profiles: list[Profile] = field(default_factory=list)
    newest_samples: dict[Identity, datetime] = field(default_factory=dict)
    too_few: set[Identity] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class StoredValues:
    """The stored values at one moment; each stays unless a change is worth the churn.

    *find_state* gives the current requests and replicas of workloads: a large change makes a profile due.
    *find_policy* gives the policies of those that are known.
    """

    catalogue: ProfileCatalogue
    now: datetime
    find_state: FindState = lambda _resource, _workload: None
    find_policy: FindPolicy = lambda _workload: None

    def risks(self, resource: Resource, default: RiskLevel) -> Callable[[Workload], RiskLevel]:
        """A function that finds the risk level of a workload: of one that is not known, the stored one."""

        def find(workload: Workload) -> RiskLevel:
            if (policy := self.find_policy(workload)) is not None:
                return policy.risk or default
            profile = self.catalogue.get(Identity(resource.profile_kind, workload))
            return (_stored_risk(profile) if profile else None) or default

        return find

    def of(self, resource: Resource) -> FindPublishedValue:
        """A function that finds the stored value of a workload's *resource*."""
        kind = resource.profile_kind

        def find(workload: Workload) -> PublishedValue | None:
            profile = self.catalogue.get(Identity(kind, workload))
            value = _amount(profile.value) if profile else None
            if profile is None or value is None:
                return None
            changed_at = profile.updated_at.timestamp() if profile.updated_at else 0.0
            is_due = is_refresh_due(profile, self.now) or is_state_due(
                profile, self.find_state(resource, workload), self.now
            )
            return PublishedValue(value, changed_at, is_due, _stored_risk(profile))

        return find


class ProfileDerivation:
    """Derives profiles from the learned state."""

    def __init__(self, policy: EstimationPolicy, learned: LearnedState) -> None:
        self._policy, self._learned = policy, learned
        self._recommender = Recommender(learned.usage)

    def derive(
        self,
        states: Iterable[SignalState],
        newest_step: int,
        in_scope: Callable[[str], bool],
        checks: ContainerChecks,
        stored: StoredValues,
    ) -> DerivedProfiles:
        """The profiles of every signal that is neither failing nor empty; other profiles stay as they are.

        A *stored* value stays unless a change is worth the churn.
        """
        usable_signals = {
            state.signal for state in states if state.health not in {Health.FAILING, Health.EMPTY}
        }
        derived = DerivedProfiles()
        for resource in Resource:
            if Signal.of(resource) in usable_signals:
                recommendations = self._recommender.recommend(
                    resource,
                    replace(self._policy, risk_of=stored.risks(resource, self._policy.risk)),
                    newest_step=newest_step,
                    checks=checks,
                    find_published=stored.of(resource),
                )
                _add(derived, resource, recommendations, in_scope)
        if Signal.CONNECTIONS in usable_signals:
            self._add_connections(derived, in_scope, stored)
        return derived

    def _add_connections(
        self, derived: DerivedProfiles, in_scope: Callable[[str], bool], stored: StoredValues
    ) -> None:
        """Add the connections in scope, one after the other: all profiles of them take a kilobyte each."""
        for mean in self._learned.connections.means():
            if mean.scraped_steps < self._policy.min_samples or not _touches(mean.connection, in_scope):
                continue
            profile = _connection_profile(mean)
            derived.newest_samples[profile.identity] = profile.basis.window_end
            if is_write_due(profile, stored.catalogue.get(profile.identity), stored.now):
                derived.profiles.append(profile)


def _add(
    derived: DerivedProfiles,
    resource: Resource,
    recommendations: Recommendations,
    in_scope: Callable[[str], bool],
) -> None:
    """Add the recommendations of the workloads in scope."""
    kind = resource.profile_kind
    derived.profiles += [
        profile for profile in recommendations.profiles if in_scope(profile.workload.namespace)
    ]
    derived.newest_samples |= {
        Identity(kind, workload): newest
        for workload, newest in recommendations.newest_samples.items()
        if in_scope(workload.namespace)
    }
    derived.too_few |= {
        Identity(kind, workload) for workload in recommendations.too_few if in_scope(workload.namespace)
    }


def _stored_risk(profile: StoredProfile) -> RiskLevel | None:
    """The level of a stored value; None if its object does not say it."""
    level = profile.state.risk if profile.state else ""
    return RiskLevel(level) if level in _LEVELS else None


def _amount(value: str) -> float | None:
    """The value of a profile; None if a user replaced it by something that is not a positive number."""
    try:
        amount = float(value)
    except ValueError:
        return None
    return amount if isfinite(amount) and amount > 0 else None


def _touches(connection: Connection, in_scope: Callable[[str], bool]) -> bool:
    """True if either endpoint is in scope: the Pods of that endpoint have the connection."""
    return in_scope(connection.source.namespace) or in_scope(connection.destination.namespace)


def _connection_profile(mean: ConnectionMean) -> ConnectionProfile:
    """The profile of a connection; its value is the sum of requests and responses per minute."""
    span = mean.last_step - mean.first_step + 1
    basis = Basis(
        window_start=step_time(mean.first_step - 1),
        window_end=step_time(mean.last_step),
        samples=mean.scraped_steps,
        coverage=mean.scraped_steps / span,
        confidence=confidence(mean.scraped_steps * STEP_SECONDS / 3600),
    )
    request_bytes, response_bytes = (
        None if rate is None else format_per_second(rate)
        for rate in (mean.request_bytes_per_second, mean.response_bytes_per_second)
    )
    return ConnectionProfile(
        mean.connection,
        format_per_minute(mean.requests_per_minute + mean.responses_per_minute),
        format_per_minute(mean.requests_per_minute),
        format_per_minute(mean.responses_per_minute),
        basis,
        request_bytes,
        response_bytes,
        mean.reporters,
        mean.protocol,
        _step_rates(mean.messages, format_per_minute),
        _step_rates(mean.request_bytes, format_per_second),
        _step_rates(mean.response_bytes, format_per_second),
        counting=mean.counting,
    )


def _step_rates(statistics: StepStatistics | None, format_rate: Callable[[float], str]) -> StepRates | None:
    if statistics is None:
        return None
    return StepRates(format_rate(statistics.p95), format_rate(statistics.maximum))
