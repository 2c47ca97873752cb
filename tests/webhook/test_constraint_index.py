"""The constraints of a namespace follow its objects, and are known only when every collection was listed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.constraints import Constraints, LimitRangeRule, Quota
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from tests.webhook.profiles import VOTING, WEB
from tests.webhook.webhooks import demanding

CPU = frozenset({Resource.CPU})
BOTH = frozenset(Resource)


def rule(maximum_cores: int) -> LimitRangeRule:
    return LimitRangeRule("Container", {}, {Resource.CPU: Decimal(maximum_cores)}, {})


def quota(*requests: Resource) -> Quota:
    return Quota(frozenset(requests), frozenset(), has_best_effort_scope=False)


def test_nothing_is_known_before_every_collection_was_listed() -> None:
    """The fourth list may hold what forbids a change; an empty list is knowledge, too."""
    index = ConstraintIndex()
    for collection in (index.autoscalers, index.quotas, index.limit_ranges, index.namespaces):
        assert (index.is_synced, index.of(WEB)) == (False, None)
        collection.replace([])

    assert (index.is_synced, index.of(WEB)) == (True, Constraints())


def test_a_list_of_one_namespace_leaves_what_is_known_of_others() -> None:
    """Two that are listed apart are both waited for; a new list of one forgets of that one alone."""
    index = ConstraintIndex(("emojivoto", "shop"))
    for namespace in ("emojivoto", "shop"):
        for collection in (index.autoscalers, index.quotas, index.namespaces):
            collection.replace([], namespace)
        assert not index.is_synced
        index.limit_ranges.replace([ConstraintObject(namespace, "a", (rule(1),))], namespace)
    index.limit_ranges.replace([], "shop")

    assert index.of(WEB) == Constraints((rule(1),))
    assert index.of(Workload("shop", "web")) == Constraints()


def test_all_objects_of_the_namespace_bind_and_those_of_another_do_not() -> None:
    """Rules and quotas in the order of their objects' names; `shop` has its own."""
    index = demanding(
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

    found = index.of(WEB)

    assert found == Constraints((rule(1), rule(2), rule(3)), (quota(Resource.CPU),))


def test_an_autoscaler_binds_only_its_target() -> None:
    """Two that scale `web` are taken together; Deployment `voting` and StatefulSet `web` are not scaled."""
    index = demanding(
        autoscalers=[
            ConstraintObject("emojivoto", "one", (WEB, CPU)),
            ConstraintObject("emojivoto", "two", (WEB, frozenset({Resource.MEMORY}))),
        ]
    )
    asked = (WEB, VOTING, Workload("emojivoto", "web", "StatefulSet"), Workload("shop", "web"))

    assert [found.autoscaled for each in asked if (found := index.of(each))] == [BOTH, set(), set(), set()]


def test_a_change_and_a_deletion_take_effect_at_once() -> None:
    """What was prepared for the Pod before is made anew; a list forgets what is not in it."""
    index = demanding(limit_ranges=[ConstraintObject("emojivoto", "a", (rule(1),))])
    assert index.of(WEB) == Constraints((rule(1),))
    index.limit_ranges.upsert(ConstraintObject("emojivoto", "a", (rule(2),)))
    assert index.of(WEB) == Constraints((rule(2),))
    index.limit_ranges.upsert(ConstraintObject("emojivoto", "b", (rule(3),)))
    index.limit_ranges.delete(ConstraintObject("emojivoto", "a", (rule(2),)))
    assert index.of(WEB) == Constraints((rule(3),))
    index.limit_ranges.replace([])

    assert index.of(WEB) == Constraints()


def test_a_namespace_asks_as_long_as_its_label_says_so() -> None:
    """Listed, changed, deleted; one that is not there asks for nothing."""
    index = demanding(asking=["shop"])
    asked = [index.is_scheduling_enabled("shop"), index.is_scheduling_enabled("emojivoto")]
    index.namespaces.upsert(ConstraintObject("shop", "shop", value=False))
    index.namespaces.upsert(ConstraintObject("emojivoto", "emojivoto", value=True))
    asked += [index.is_scheduling_enabled("shop"), index.is_scheduling_enabled("emojivoto")]
    index.namespaces.delete(ConstraintObject("emojivoto", "emojivoto", value=True))

    assert [*asked, index.is_scheduling_enabled("emojivoto")] == [True, False, False, True, False]


DEMAND = st.builds(
    ConstraintObject,
    st.sampled_from(["emojivoto", "shop"]),
    st.sampled_from(["a", "b"]),
    st.integers(1, 3).map(lambda cores: (rule(cores),)),
)
LimitRangeObject = ConstraintObject[tuple[LimitRangeRule, ...]]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["replace", "upsert", "delete"]), DEMAND, st.lists(DEMAND, max_size=3))
)


@given(changes=CHANGES)
def test_after_any_changes_it_equals_an_index_of_what_is_there(
    changes: list[
        tuple[
            str,
            ConstraintObject[tuple[LimitRangeRule, ...]],
            list[ConstraintObject[tuple[LimitRangeRule, ...]]],
        ]
    ],
) -> None:
    """Lists, changes and deletions in any order, asked in between, leave what one list would tell."""
    index, there = demanding(), dict[tuple[str, str], ConstraintObject[tuple[LimitRangeRule, ...]]]()
    for verb, one, many in changes:
        if verb == "replace":
            there = {(each.namespace, each.name): each for each in many}
            index.limit_ranges.replace(many)
        elif verb == "upsert":
            there[one.namespace, one.name] = one
            index.limit_ranges.upsert(one)
        else:
            there.pop((one.namespace, one.name), None)
            index.limit_ranges.delete(one)
        fresh = demanding(limit_ranges=there.values())
        for workload in (WEB, Workload("shop", "web")):
            assert index.of(workload) == fresh.of(workload)
