"""The constraint index follows objects, and is complete only once every collection is listed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.constraints import Constraints, LimitRangeRule, Quota
from app.rightsizing.governors import Governor, GovernorKind
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from tests.webhook.profiles import VOTING, WEB
from tests.webhook.webhooks import constraint_index

CPU = frozenset({Resource.CPU})


def rule(maximum_cores: int) -> LimitRangeRule:
    return LimitRangeRule("Container", {}, {Resource.CPU: Decimal(maximum_cores)}, {})


def quota(*requests: Resource) -> Quota:
    return Quota(frozenset(requests), frozenset(), has_best_effort_scope=False)


def test_there_are_no_constraints_before_every_collection_was_listed() -> None:
    """The fifth list may hold an object that forbids a change; empty lists count as listed."""
    index = ConstraintIndex()
    for collection in (
        *(index.horizontal_autoscalers, index.vertical_autoscalers),
        *(index.quotas, index.limit_ranges, index.namespaces),
    ):
        assert (index.is_synced, index.of(WEB)) == (False, None)
        collection.replace([])

    assert (index.is_synced, index.of(WEB)) == (True, Constraints())


def test_a_list_of_one_namespace_keeps_objects_of_others() -> None:
    """Each of two namespaces must be listed; a new list of one replaces only the objects of that one."""
    index = ConstraintIndex(("emojivoto", "shop"))
    for namespace in ("emojivoto", "shop"):
        for collection in (
            *(index.horizontal_autoscalers, index.vertical_autoscalers),
            *(index.quotas, index.namespaces),
        ):
            collection.replace([], namespace)
        assert not index.is_synced
        index.limit_ranges.replace([ConstraintObject(namespace, "a", (rule(1),))], namespace)
    index.limit_ranges.replace([], "shop")

    assert index.of(WEB) == Constraints((rule(1),))
    assert index.of(Workload("shop", "web")) == Constraints()


def test_all_objects_of_the_namespace_bind_and_those_of_another_do_not() -> None:
    """Rules and quotas in the order of their objects' names; `shop` has its own."""
    index = constraint_index(
        limit_ranges=[
            ConstraintObject("emojivoto", "b", (rule(2), rule(3))),
            ConstraintObject("emojivoto", "a", (rule(1),)),
            ConstraintObject("shop", "a", (rule(9),)),
        ],
        quotas=[
            ConstraintObject("emojivoto", "q", quota(Resource.CPU)),
            ConstraintObject("shop", "q", quota()),
        ],
    )

    assert index.of(WEB) == Constraints((rule(1), rule(2), rule(3)), (quota(Resource.CPU),))


def test_an_autoscaler_binds_only_its_target() -> None:
    """Two autoscalers of `web` are combined; Deployment `voting` and StatefulSet `web` are not scaled."""
    index = constraint_index(
        horizontal=[
            ConstraintObject("emojivoto", name, Governor(GovernorKind.HORIZONTAL, WEB, frozenset({resource})))
            for name, resource in zip(("one", "two"), Resource, strict=True)
        ]
    )
    workloads = (WEB, VOTING, Workload("emojivoto", "web", "StatefulSet"), Workload("shop", "web"))

    constraints = [index.of(workload) for workload in workloads]
    governed = [each.governance.resources.keys() for each in constraints if each]
    assert governed == [{*Resource}, set(), set(), set()]


def test_both_kinds_may_have_one_name() -> None:
    """An HPA and a VPA called `web`: one keeps CPU, the other memory of one container."""
    sets_memory = (("server", frozenset({Resource.MEMORY})),)
    index = constraint_index(
        horizontal=[ConstraintObject("emojivoto", "web", Governor(GovernorKind.HORIZONTAL, WEB, CPU))],
        vertical=[
            ConstraintObject("emojivoto", "web", Governor(GovernorKind.VERTICAL, WEB, containers=sets_memory))
        ],
    )

    constraints = index.of(WEB)

    assert constraints
    assert constraints.governance.resources.keys() == {Resource.CPU}
    assert constraints.governance.containers == {
        Resource.MEMORY: {"server": "a VerticalPodAutoscaler sets it"}
    }


def test_an_autoscaler_of_a_cron_job_binds_its_runs() -> None:
    """The Pod of a run names its Job alone, whose name has the schedule's number."""
    sets_cpu = Governor(
        GovernorKind.VERTICAL, Workload("shop", "etl", "CronJob"), containers=(("main", CPU),)
    )
    index = constraint_index(vertical=[ConstraintObject("shop", "etl", sets_cpu)])
    runs = [Workload("shop", name, "Job") for name in ("etl-28931420", "etl-2", "other-28931420")]

    governed = [bool(one.governance.containers) for run in runs if (one := index.of(run))]

    assert governed == [True, False, False]


def test_a_change_and_a_deletion_take_effect_at_once() -> None:
    """Changes invalidate prepared constraints; a list removes the objects that are not in it."""
    index = constraint_index(limit_ranges=[ConstraintObject("emojivoto", "a", (rule(1),))])
    assert index.of(WEB) == Constraints((rule(1),))
    index.limit_ranges.upsert(ConstraintObject("emojivoto", "a", (rule(2),)))
    assert index.of(WEB) == Constraints((rule(2),))
    index.limit_ranges.upsert(ConstraintObject("emojivoto", "b", (rule(3),)))
    index.limit_ranges.delete(ConstraintObject("emojivoto", "a", (rule(2),)))
    assert index.of(WEB) == Constraints((rule(3),))
    index.limit_ranges.replace([])

    assert index.of(WEB) == Constraints()


def test_scheduling_follows_the_namespace_label() -> None:
    """After a list, a change and a deletion; a namespace that does not exist enables nothing."""
    index = constraint_index(enabled=["shop"])
    enabled = [index.is_scheduling_enabled("shop"), index.is_scheduling_enabled("emojivoto")]
    index.namespaces.upsert(ConstraintObject("shop", "shop", value=False))
    index.namespaces.upsert(ConstraintObject("emojivoto", "emojivoto", value=True))
    enabled += [index.is_scheduling_enabled("shop"), index.is_scheduling_enabled("emojivoto")]
    index.namespaces.delete(ConstraintObject("emojivoto", "emojivoto", value=True))

    assert [*enabled, index.is_scheduling_enabled("emojivoto")] == [True, False, False, True, False]


ITEM = st.builds(
    ConstraintObject,
    st.sampled_from(["emojivoto", "shop"]),
    st.sampled_from(["a", "b"]),
    st.integers(1, 3).map(lambda cores: (rule(cores),)),
)
LimitRangeObject = ConstraintObject[tuple[LimitRangeRule, ...]]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["replace", "upsert", "delete"]), ITEM, st.lists(ITEM, max_size=3))
)


@given(changes=CHANGES)
def test_after_any_changes_it_equals_a_new_index(
    changes: list[
        tuple[
            str,
            ConstraintObject[tuple[LimitRangeRule, ...]],
            list[ConstraintObject[tuple[LimitRangeRule, ...]]],
        ]
    ],
) -> None:
    """After lists, changes and deletions in any order, with lookups in between, it equals a new index."""
    index, stored = constraint_index(), dict[tuple[str, str], ConstraintObject[tuple[LimitRangeRule, ...]]]()
    for verb, item, items in changes:
        if verb == "replace":
            stored = {(each.namespace, each.name): each for each in items}
            index.limit_ranges.replace(items)
        elif verb == "upsert":
            stored[item.namespace, item.name] = item
            index.limit_ranges.upsert(item)
        else:
            stored.pop((item.namespace, item.name), None)
            index.limit_ranges.delete(item)
        fresh = constraint_index(limit_ranges=stored.values())
        for workload in (WEB, Workload("shop", "web")):
            assert index.of(workload) == fresh.of(workload)
