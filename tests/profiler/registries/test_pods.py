"""The registry of Pods: running and recently terminated ones, its size limit and its memory."""

import tracemalloc

import msgspec
import pytest

from app.domain.workloads import Workload
from app.profiler.registries.pods import PodRegistry, PodSink
from tests.kubernetes.polling import Clock
from tests.profiler.pods import DEBUG, running
from tests.webhook.profiles import WEB, WEB_ANNOTATIONS

DATABASE = Workload("emojivoto", "db", "StatefulSet")


def test_it_follows_a_watch() -> None:
    """Of a list of two, one is modified, one is deleted and one is added."""
    registry = PodRegistry(Clock())
    sink = PodSink(registry, None)
    sink.replace([running("a"), running("b")])
    sink.upsert(changed := running("a", WEB_ANNOTATIONS))
    sink.delete(running("b"))
    sink.upsert(new := running("c"))

    assert list(registry) == [changed, new]
    assert len(registry) == 2


def test_owners_of_running_pods() -> None:
    """By namespace and name; a Pod without a controller is a workload of its own."""
    registry = PodRegistry(Clock())
    for pod in (running("web-0"), running("debug", workload=DEBUG), running("web-0", namespace="shop")):
        registry.put(pod)

    assert registry.owners() == {
        ("emojivoto", "web-0"): WEB,
        ("emojivoto", "debug"): DEBUG,
        ("shop", "web-0"): WEB,
    }


def test_owners_are_those_of_one_moment() -> None:
    """A cycle reads them in threads, while the watch adds and removes Pods."""
    registry = PodRegistry(Clock())
    registry.put(running("web-0"))
    owners = registry.owners()
    registry.put(running("web-1"))

    assert dict(owners) == {("emojivoto", "web-0"): WEB}
    assert owners.get(("shop", "web-0")) is None


def test_owners_take_less_than_their_names_in_tuples() -> None:
    """Of 10,000 Pods of a namespace: an entry of 24 bytes and its place, in a table with room for more."""
    registry = PodRegistry(Clock())
    registry.replace([running(f"web-{number}") for number in range(10_000)], None)

    tracemalloc.start()
    owners = registry.owners()
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(owners) == 10_000
    assert kept_bytes < 10_000 * 64  # a tuple of two names


@pytest.mark.parametrize(("seconds", "remembered"), [(0, True), (7199, True), (7200, False)])
def test_a_terminated_pod_is_remembered_for_two_hours(seconds: float, *, remembered: bool) -> None:
    """Its last samples reach Prometheus, and are queried, after it terminated."""
    clock = Clock(1000)
    registry = PodRegistry(clock)
    registry.put(running("web-0"))
    registry.remove(running("web-0"))
    clock.now += seconds

    assert (("emojivoto", "web-0") in registry.owners()) is remembered
    assert list(registry) == []


def test_a_running_pod_replaces_a_terminated_one_of_its_name() -> None:
    """`db-0` was a bare Pod and now belongs to a StatefulSet."""
    registry = PodRegistry(Clock())
    registry.put(running("db-0", workload=DEBUG))
    registry.remove(running("db-0", workload=DEBUG))
    registry.put(running("db-0", workload=DATABASE, uid="new"))

    assert registry.owners() == {("emojivoto", "db-0"): DATABASE}


def test_a_new_list_of_one_namespace_leaves_the_others_alone() -> None:
    """A Pod that the list lacks is terminated; each listed namespace has its own watch."""
    registry = PodRegistry(Clock())
    shop, emojivoto = PodSink(registry, "shop"), PodSink(registry, "emojivoto")
    shop.replace([running("cart", namespace="shop")])
    emojivoto.replace([running("a"), running("b")])
    emojivoto.replace([running("b")])

    assert [pod.name for pod in registry] == ["cart", "b"]
    assert registry.owners().keys() == {("shop", "cart"), ("emojivoto", "a"), ("emojivoto", "b")}


def test_a_new_list_of_all_namespaces_replaces_all() -> None:
    """The namespace `shop` is deleted with its Pod, which is remembered."""
    registry = PodRegistry(Clock())
    sink = PodSink(registry, None)
    sink.replace([running("cart", namespace="shop"), running("a")])
    sink.replace([running("a")])

    assert [pod.name for pod in registry] == ["a"]
    assert ("shop", "cart") in registry.owners()


def test_the_number_of_remembered_pods_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two of three; a Pod that terminates again becomes the newest one."""
    monkeypatch.setattr("app.profiler.registries.pods.MAX_REMEMBERED", 2)
    registry = PodRegistry(Clock())
    for name in ("a", "b", "a", "c"):
        registry.put(running(name))
        registry.remove(running(name))

    assert [name for _, name in registry.owners()] == ["a", "c"]


def test_memory_is_bounded_over_ten_roll_outs() -> None:
    """10,000 Pods are replaced every 20 minutes: six generations are remembered for two hours, later none."""
    clock = Clock(0)
    registry = PodRegistry(clock)
    for generation in range(11):
        clock.now = 1200.0 * generation
        for number in range(10_000):
            registry.put(running(f"web-{generation}-{number}"))
            if generation:
                registry.remove(running(f"web-{generation - 1}-{number}"))

    assert (len(registry), len(registry.owners())) == (10_000, 10_000 + 6 * 10_000)
    clock.now += 7200
    assert len(registry.owners()) == 10_000


def test_written_annotations_precede_the_watch() -> None:
    """A comparison right after the write finds no difference."""
    registry = PodRegistry(Clock())
    registry.put(pod := running())
    registry.set_annotations(pod, WEB_ANNOTATIONS)

    assert [pod.annotations for pod in registry] == [WEB_ANNOTATIONS]


def test_changes_of_the_watch_are_newer_than_a_write() -> None:
    """An annotation set by another writer, and a new Pod of the same name, both stay as reported."""
    for newer in (running(annotations={"liqo.io/cpuProfile": "theirs"}), running(uid="new")):
        registry = PodRegistry(Clock())
        registry.put(pod := running())
        registry.put(newer)
        registry.set_annotations(pod, WEB_ANNOTATIONS)

        assert list(registry) == [newer]
        assert not registry.is_current(pod)


def test_ephemeral_containers_of_pods_that_run() -> None:
    """By workload, of all its Pods that run; those of a Pod that was deleted are forgotten."""
    registry = PodRegistry(Clock())
    for number in range(3):
        name = f"web-{number}"
        registry.put(msgspec.structs.replace(running(name), ephemeral_containers=(f"debugger-{number}",)))
    registry.put(running("debug", workload=DEBUG))
    registry.remove(running("web-2"))

    assert registry.ephemeral_containers() == {WEB: frozenset({"debugger-0", "debugger-1"})}
