"""The profiled namespaces, from settings and from watches of labels."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.errors import UnavailableError
from app.profiler.registries.namespaces import NamespaceRecord, NamespaceScope
from app.settings.environment import read_settings

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=30)


def scope_of(**settings: str) -> NamespaceScope:
    """The scope with these settings, at noon."""
    return NamespaceScope(read_settings(settings).namespaces, lambda: NOON)


def old(name: str, **more: Any) -> NamespaceRecord:
    """A Namespace that was created a month ago."""
    return NamespaceRecord(name, LONG_AGO, **more)


def covered(scope: NamespaceScope, *names: str) -> set[str]:
    """The names that are in scope."""
    return set(filter(scope.covers, names))


def test_without_labels_the_lists_decide() -> None:
    """All except the excluded ones and the own one; or the listed ones without these."""
    names = ("shop", "web", "kube-system", "profiling")

    assert covered(scope_of(), *names) == {"shop", "web"}
    assert covered(scope_of(profiling_namespace="shop,kube-system"), *names) == {"shop"}
    assert scope_of().is_listed


def test_namespaces_that_opt_out_are_excluded() -> None:
    """A namespace leaves and re-enters the scope at run time; other namespaces are not affected."""
    scope = scope_of()
    receiver = scope.new_opted_out()
    receiver.replace([old("shop")])
    before = scope.current()

    receiver.upsert(old("web"))
    receiver.delete(old("shop"))

    assert not before.covers("shop")
    assert before.covers("web")
    assert covered(scope, "shop", "web", "other") == {"shop", "other"}


def test_a_selector_includes_nothing_else() -> None:
    """Selected and not opted out, excluded or the own one; both kinds of labels combine with a list."""
    for listed, expected in (("", {"shop", "web"}), ("web,other", {"web"})):
        scope = scope_of(profiling_namespace=listed)
        scope.new_selected().replace(map(old, ("shop", "web", "legacy", "kube-system", "profiling")))
        scope.new_opted_out().replace([old("legacy")])

        names = ("shop", "web", "legacy", "kube-system", "profiling", "other")
        assert covered(scope, *names) == expected


def test_several_watches_are_one_set() -> None:
    """If each namespace has its own watch, the list of one does not remove the others."""
    scope = scope_of(profiling_namespace="shop,web")
    first, second = scope.new_selected(), scope.new_selected()
    first.replace([old("shop")])
    assert not scope.is_listed
    second.replace([old("web")])

    first.replace([])

    assert scope.is_listed
    assert covered(scope, "shop", "web") == {"web"}


def test_a_selector_that_matches_nothing_is_not_all() -> None:
    """`is_listed` is False until the first list; a scope without a selector is listed at once."""
    scope = scope_of()
    assert scope.current().included is None
    receiver = scope.new_selected()
    receiver.replace([])

    assert scope.current().included == frozenset()
    assert covered(scope, "shop") == set()
    receiver.upsert(old("shop"))
    assert scope.current().included == frozenset({"shop"})


def test_namespaces_of_the_first_list_are_not_added() -> None:
    """Their past is queried anyway."""
    scope = scope_of()
    scope.new_selected().replace([old("shop")])
    scope.new_opted_out().replace([old("web")])

    assert scope.take_added() == frozenset()


def test_a_selected_namespace_is_added_once() -> None:
    """By a label, and by a second list; the next call returns nothing."""
    scope = scope_of()
    receiver = scope.new_selected()
    receiver.replace([old("shop")])
    receiver.upsert(old("web"))
    receiver.upsert(old("web"))
    receiver.replace([old("shop"), old("web"), old("db")])

    assert scope.take_added() == {"web", "db"}
    assert scope.take_added() == frozenset()


@pytest.mark.parametrize(
    ("is_terminating", "added"), [(False, {"shop"}), (True, set())], ids=["label", "deleted"]
)
def test_a_namespace_is_added_when_it_no_longer_opts_out(is_terminating: bool, added: set[str]) -> None:  # noqa: FBT001 - a parameter of the test
    """When its label is removed, and not when it is deleted: its watch reports both as a deletion."""
    scope = scope_of()
    receiver = scope.new_opted_out()
    receiver.replace([old("shop")])

    receiver.delete(old("shop", is_terminating=is_terminating))

    assert scope.take_added() == added


@pytest.mark.parametrize(("seconds", "added"), [(29, set()), (31, {"shop"})])
def test_a_young_namespace_has_no_past(seconds: int, added: set[str]) -> None:
    """Created with its label, or labelled within 30 s: there is no past to read."""
    scope = scope_of()
    receiver = scope.new_selected()
    receiver.replace([])

    receiver.upsert(NamespaceRecord("shop", NOON - timedelta(seconds=seconds)))

    assert scope.covers("shop")
    assert scope.take_added() == added


def test_a_namespace_out_of_scope_is_not_added() -> None:
    """Selected but excluded, or selected and deleted again before the call."""
    scope = scope_of()
    receiver = scope.new_selected()
    receiver.replace([])
    for name in ("kube-system", "shop"):
        receiver.upsert(old(name))
    receiver.delete(old("shop"))

    assert scope.take_added() == frozenset()


async def test_the_wait_for_the_first_lists_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cycle is retried later, as if Pods could not be listed."""
    monkeypatch.setattr("app.profiler.registries.namespaces._LISTED_WITHIN_SECONDS", 0.01)
    scope = scope_of()
    receiver = scope.new_opted_out()

    with pytest.raises(UnavailableError, match="the namespaces could not be listed yet"):
        await scope.until_settled()
    receiver.replace([])
    await scope.until_settled()
