"""Which profiles have gauges of their own where not all may have them; pure.

CPU, memory and connections have equal shares of the series, and in each of these so have the namespaces; what
one does not need goes to the others. In its share a namespace has the largest profiles that fit, by what all
replicas need or request, since nothing wastes more than it requests; and its connections with the most
messages or bytes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import truediv

from app.domain.fair_shares import fair_shares
from app.domain.profiles import ProfileKind, StoredProfile
from app.domain.quantities import amount_in
from app.domain.stored_state import StoredState

_NO_STATE = StoredState()


@dataclass(frozen=True, slots=True)
class GaugeSelection:
    """The selected profiles, and the number of the others of each kind."""

    profiles: tuple[StoredProfile, ...]
    left_out: Mapping[ProfileKind, int]


def select(profiles: Iterable[StoredProfile], max_series: int) -> GaugeSelection:
    """The profiles that get one of *max_series*; the same for the same profiles in any order."""
    by_kind: dict[ProfileKind, list[StoredProfile]] = {kind: [] for kind in ProfileKind}
    for profile in profiles:
        by_kind[profile.kind].append(profile)
    demands = {kind.value: sum(map(series_count, of_kind)) for kind, of_kind in by_kind.items()}
    shares = fair_shares(demands, max_series)
    selected: list[StoredProfile] = []
    left_out = {}
    for kind, of_kind in by_kind.items():
        is_complete = demands[kind.value] <= shares[kind.value]
        taken = of_kind if is_complete else list(_largest(of_kind, shares[kind.value]))
        left_out[kind] = len(of_kind) - len(taken)
        selected += taken
    return GaugeSelection(tuple(selected), left_out)


def series_count(profile: StoredProfile) -> int:
    """How many series the gauges of *profile* have."""
    if profile.kind is ProfileKind.CONNECTION:
        return 1 + (profile.request_bytes is not None) + (profile.response_bytes is not None)
    state = profile.state or _NO_STATE
    of_replica = 1 + bool(state.request) + (state.desired_replicas is not None)
    return of_replica + len(state.containers) + sum(map(bool, state.container_requests))


def _largest(profiles: Iterable[StoredProfile], places: int) -> Iterator[StoredProfile]:
    """The largest profiles of each namespace that fit in its share of *places*."""
    by_namespace: defaultdict[str, list[StoredProfile]] = defaultdict(list)
    for profile in profiles:
        by_namespace[profile.tenant].append(profile)
    demands = {name: sum(map(series_count, of_one)) for name, of_one in by_namespace.items()}
    shares = fair_shares(demands, places)
    for namespace, of_namespace in by_namespace.items():
        left = shares[namespace]
        for profile in _largest_first(of_namespace):
            count = series_count(profile)
            if count <= left:
                left -= count
                yield profile


def _largest_first(profiles: list[StoredProfile]) -> list[StoredProfile]:
    """By the largest share of one of their amounts in its sum; those that are equal by subject."""
    amounts = [_amounts(profile) for profile in profiles]
    totals = [sum(column) or 1.0 for column in zip(*amounts, strict=True)]
    shares = [max(map(truediv, each, totals)) for each in amounts]
    order = sorted(range(len(profiles)), key=lambda number: (-shares[number], profiles[number].subject))
    return [profiles[number] for number in order]


def _amounts(profile: StoredProfile) -> tuple[float, float]:
    """Messages and bytes of a connection; of a workload what all replicas need and what they request."""
    value = number_in(profile.value) or 0.0
    if profile.kind is ProfileKind.CONNECTION:
        return value, (profile.request_bytes or 0.0) + (profile.response_bytes or 0.0)
    state = profile.state or _NO_STATE
    replicas = max(state.desired_replicas or 1, 1)
    return value * replicas, (number_in(state.request) or 0.0) * replicas


@lru_cache(maxsize=4096)
def number_in(text: str) -> float | None:
    """The number in a quantity that people can edit; None if it is none."""
    amount = amount_in(text)
    return None if amount is None else float(amount)
