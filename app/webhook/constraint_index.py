"""Index from namespace to the constraints on its Pods, fed by watches.

It returns nothing for a namespace before every collection is listed there, since a missing object could
forbid a change.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from app.domain.profile_lookup import profile_lookup_order
from app.domain.workloads import Workload
from app.rightsizing.constraints import Constraints, LimitRangeRule, Quota
from app.rightsizing.governors import NOT_GOVERNED, Governance, Governor, governance_of

T = TypeVar("T")


class ConstraintObject(NamedTuple, Generic[T]):
    """The namespace, name and parsed value of an object."""

    namespace: str
    name: str
    value: T


class ConstraintObjects(Generic[T]):
    """Objects of one kind, by namespace; *changed* is called with each changed namespace.

    *namespaces* are listed separately; if empty, one list covers all namespaces.
    """

    def __init__(self, changed: Callable[[str], None], namespaces: Collection[str]) -> None:
        self._changed = changed
        self._unlisted: set[str | None] = {*namespaces} or {None}
        self._by_namespace: dict[str, dict[str, T]] = {}

    @property
    def is_synced(self) -> bool:
        """True once all namespaces are listed."""
        return not self._unlisted

    def covers(self, namespace: str) -> bool:
        """True if *namespace* is listed."""
        return not self._unlisted or self._unlisted.isdisjoint((None, namespace))

    def of(self, namespace: str) -> list[T]:
        """The values of the namespace's objects, in the order of their names."""
        values = self._by_namespace.get(namespace, {})
        return [values[name] for name in sorted(values)]

    def replace(self, objects: Iterable[ConstraintObject[T]], namespace: str | None = None) -> None:
        """Replace all objects, of one namespace or of all."""
        for listed in list(self._by_namespace) if namespace is None else [namespace]:
            self._by_namespace.pop(listed, None)
            self._changed(listed)
        for item in objects:
            self.upsert(item)
        self._unlisted.discard(namespace)

    def forget(self, namespace: str | None = None) -> None:
        """Drop all objects, of one namespace or of all, until they are listed again."""
        self.replace((), namespace)
        self._unlisted.add(namespace)

    def upsert(self, item: ConstraintObject[T]) -> None:
        """Store an added or modified object; the value of a quota excludes its usage, which changes most."""
        values = self._by_namespace.setdefault(item.namespace, {})
        if values.get(item.name) != item.value:
            values[item.name] = item.value
            self._changed(item.namespace)

    def delete(self, item: ConstraintObject[T]) -> None:
        """Remove a deleted object."""
        values = self._by_namespace.get(item.namespace, {})
        values.pop(item.name, None)
        if not values:
            self._by_namespace.pop(item.namespace, None)
        self._changed(item.namespace)


class ConstraintSink(Generic[T]):
    """Feeds a collection from one watch, of one namespace or of all."""

    def __init__(self, collection: ConstraintObjects[T], namespace: str | None) -> None:
        self._collection, self._namespace = collection, namespace

    def replace(self, objects: Iterable[ConstraintObject[T]], /) -> None:
        """Replace all objects."""
        self._collection.replace(objects, self._namespace)

    def upsert(self, item: ConstraintObject[T], /) -> None:
        """Store an added or modified object."""
        self._collection.upsert(item)

    def delete(self, item: ConstraintObject[T], /) -> None:
        """Remove a deleted object."""
        self._collection.delete(item)

    def forget(self) -> None:
        """Drop all objects until they are listed again."""
        self._collection.forget(self._namespace)


@dataclass(frozen=True, slots=True)
class _Prepared:
    limit_ranges: tuple[LimitRangeRule, ...]
    quotas: tuple[Quota, ...]
    governed: Mapping[Workload, Governance]

    def governance(self, workload: Workload) -> Governance:
        """What autoscalers of *workload*, or of the CronJob that runs it, decide on."""
        if not self.governed:
            return NOT_GOVERNED
        found = (self.governed.get(one) for one in profile_lookup_order(workload))
        return next(filter(None, found), NOT_GOVERNED)


class ConstraintIndex:
    """Maps a workload to the constraints on its Pods, from five collections.

    The value of a namespace is true if scheduling is enabled there. The namespaces in *scope* are listed
    separately; if it is empty, all namespaces are in scope.
    """

    def __init__(self, scope: Collection[str] = ()) -> None:
        self.scope = scope
        self._prepared: dict[str, _Prepared] = {}
        self.namespaces: ConstraintObjects[bool] = ConstraintObjects(self._invalidate, scope)
        self.limit_ranges: ConstraintObjects[tuple[LimitRangeRule, ...]] = ConstraintObjects(
            self._invalidate, scope
        )
        self.quotas: ConstraintObjects[Quota] = ConstraintObjects(self._invalidate, scope)
        self.horizontal_autoscalers: ConstraintObjects[Governor] = ConstraintObjects(self._invalidate, scope)
        self.vertical_autoscalers: ConstraintObjects[Governor] = ConstraintObjects(self._invalidate, scope)
        self._collections = (
            self.namespaces,
            self.limit_ranges,
            self.quotas,
            self.horizontal_autoscalers,
            self.vertical_autoscalers,
        )

    @property
    def is_synced(self) -> bool:
        """True once every collection is listed in all namespaces."""
        return all(collection.is_synced for collection in self._collections)

    def covers(self, namespace: str) -> bool:
        """True if every collection is listed in *namespace*."""
        return all(collection.covers(namespace) for collection in self._collections)

    def is_scheduling_enabled(self, namespace: str) -> bool:
        """True if the namespace enables requests from profiles, which a Pod's own label can override."""
        return any(self.namespaces.of(namespace))

    def of(self, workload: Workload) -> Constraints | None:
        """The constraints on the Pods of *workload*; None until its namespace's collections are listed."""
        if not self.covers(workload.namespace):
            return None
        prepared = self._prepared.get(workload.namespace)
        if prepared is None:
            prepared = self._prepare(workload.namespace)
            # Reviews can name any namespace: only existing ones are stored, so that the memory stays bounded.
            if self.namespaces.of(workload.namespace):
                self._prepared[workload.namespace] = prepared
        return Constraints(prepared.limit_ranges, prepared.quotas, prepared.governance(workload))

    def _prepare(self, namespace: str) -> _Prepared:
        governors: dict[Workload, list[Governor]] = {}
        for governor in (
            *self.horizontal_autoscalers.of(namespace),
            *self.vertical_autoscalers.of(namespace),
        ):
            if governor.acts:
                governors.setdefault(governor.target, []).append(governor)
        governed = {workload: governance_of(acting) for workload, acting in governors.items()}
        rules = tuple(rule for limit_range in self.limit_ranges.of(namespace) for rule in limit_range)
        return _Prepared(rules, tuple(self.quotas.of(namespace)), governed)

    def _invalidate(self, namespace: str) -> None:
        self._prepared.pop(namespace, None)
