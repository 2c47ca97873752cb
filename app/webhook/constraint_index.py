"""What each namespace demands of its Pods, kept in step by watches and prepared when something changes.

It knows nothing before every collection was listed: what is missing might be what forbids a change.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.constraints import Constraints, LimitRangeRule, Quota

T = TypeVar("T")
Autoscaler = tuple[Workload, frozenset[Resource]]
_NOTHING: frozenset[Resource] = frozenset()


class ConstraintObject(NamedTuple, Generic[T]):
    """What one object says, and where it stands."""

    namespace: str
    name: str
    value: T


class ConstraintObjects(Generic[T]):
    """One collection, of all namespaces or of some that are listed apart; tells which of them changed."""

    def __init__(self, changed: Callable[[str], None], namespaces: Collection[str]) -> None:
        self._changed = changed
        self._unlisted: set[str | None] = {*namespaces} or {None}
        self._by_namespace: dict[str, dict[str, T]] = {}

    @property
    def is_synced(self) -> bool:
        """True once everything was listed."""
        return not self._unlisted

    def of(self, namespace: str) -> list[T]:
        """What the namespace's objects say, in the order of their names."""
        found = self._by_namespace.get(namespace, {})
        return [found[name] for name in sorted(found)]

    def replace(self, demands: Iterable[ConstraintObject[T]], namespace: str | None = None) -> None:
        """Take the whole list of one namespace, or of all."""
        for each in list(self._by_namespace) if namespace is None else [namespace]:
            self._by_namespace.pop(each, None)
            self._changed(each)
        for demand in demands:
            self.upsert(demand)
        self._unlisted.discard(namespace)

    def upsert(self, demand: ConstraintObject[T]) -> None:
        """Take an object that appeared or changed; what changes most, the use of a quota, is not kept."""
        known = self._by_namespace.setdefault(demand.namespace, {})
        if known.get(demand.name) != demand.value:
            known[demand.name] = demand.value
            self._changed(demand.namespace)

    def delete(self, demand: ConstraintObject[T]) -> None:
        """Take an object that vanished."""
        known = self._by_namespace.get(demand.namespace, {})
        known.pop(demand.name, None)
        if not known:
            self._by_namespace.pop(demand.namespace, None)
        self._changed(demand.namespace)


class ConstraintSink(Generic[T]):
    """The collection as the receiver of one watch: of one namespace, or of all."""

    def __init__(self, demands: ConstraintObjects[T], namespace: str | None) -> None:
        self._demands, self._namespace = demands, namespace

    def replace(self, demands: Iterable[ConstraintObject[T]], /) -> None:
        """Take the whole list."""
        self._demands.replace(demands, self._namespace)

    def upsert(self, demand: ConstraintObject[T], /) -> None:
        """Take an object that appeared or changed."""
        self._demands.upsert(demand)

    def delete(self, demand: ConstraintObject[T], /) -> None:
        """Take an object that vanished."""
        self._demands.delete(demand)


@dataclass(frozen=True, slots=True)
class _Prepared:
    limit_ranges: tuple[LimitRangeRule, ...]
    quotas: tuple[Quota, ...]
    scaled: Mapping[Workload, frozenset[Resource]]


class ConstraintIndex:
    """Namespace to constraints; four collections feed it, `namespaces` with whether each asks.

    Where *scope* names namespaces, each of them is listed apart, and others are not known.
    """

    def __init__(self, scope: Collection[str] = ()) -> None:
        self.scope = scope
        self._prepared: dict[str, _Prepared] = {}
        self.namespaces: ConstraintObjects[bool] = ConstraintObjects(self._forget, scope)
        self.limit_ranges: ConstraintObjects[tuple[LimitRangeRule, ...]] = ConstraintObjects(
            self._forget, scope
        )
        self.quotas: ConstraintObjects[Quota] = ConstraintObjects(self._forget, scope)
        self.autoscalers: ConstraintObjects[Autoscaler] = ConstraintObjects(self._forget, scope)

    @property
    def is_synced(self) -> bool:
        """True once every collection was listed."""
        collections = (self.namespaces, self.limit_ranges, self.quotas, self.autoscalers)
        return all(collection.is_synced for collection in collections)

    def asks(self, namespace: str) -> bool:
        """True for a namespace whose Pods are to request what they need, unless they say otherwise."""
        return any(self.namespaces.of(namespace))

    def of(self, workload: Workload) -> Constraints | None:
        """What binds the Pods of *workload*; None while that is not known."""
        if not self.is_synced:
            return None
        prepared = self._prepared.get(workload.namespace)
        if prepared is None:
            prepared = self._prepare(workload.namespace)
            if self.namespaces.of(workload.namespace):  # a review may name namespaces without end
                self._prepared[workload.namespace] = prepared
        return Constraints(prepared.limit_ranges, prepared.quotas, prepared.scaled.get(workload, _NOTHING))

    def _prepare(self, namespace: str) -> _Prepared:
        scaled: dict[Workload, frozenset[Resource]] = {}
        for target, resources in self.autoscalers.of(namespace):
            scaled[target] = scaled.get(target, _NOTHING) | resources
        rules = tuple(rule for found in self.limit_ranges.of(namespace) for rule in found)
        return _Prepared(rules, tuple(self.quotas.of(namespace)), scaled)

    def _forget(self, namespace: str) -> None:
        self._prepared.pop(namespace, None)
