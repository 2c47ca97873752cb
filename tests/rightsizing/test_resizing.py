"""Requests and limits that are set without LimitRanges, quotas or autoscalers."""

from decimal import Decimal

import pytest

from app.rightsizing.resizing import ContainerChange, ContainerNeeds
from tests.rightsizing.manifests import (
    CPU,
    MIB,
    Object,
    amounts_of,
    container,
    cpu_needs,
    cpu_request,
    memory_needs,
    pod,
    policy,
    resized,
)


def memory_request(given: Object, need_bytes: int) -> str | None:
    patched, _ = resized(pod(given), memory_needs(app=need_bytes))
    return (amounts_of(patched)[0] or {}).get("memory")


@pytest.mark.parametrize(
    ("need", "request_"),
    [("0.25", "250m"), ("0.2501", "251m"), ("0.001", "20m"), ("0", "20m"), ("1000000000", "16000m")],
)
def test_cpu_is_requested_in_whole_milli_cores_between_floor_and_ceiling(need: str, request_: str) -> None:
    """0.2501 cores are 250.1 milli-cores, rounded up to 251; the floor is 20m, the ceiling 16 cores."""
    assert cpu_request(container(), need) == request_


@pytest.mark.parametrize(
    ("need_bytes", "request_"),
    [(64 * MIB, "64Mi"), (64 * MIB + 1, "65Mi"), (1, "32Mi"), (10**30, "65536Mi")],
)
def test_memory_is_requested_in_whole_mib_between_floor_and_ceiling(need_bytes: int, request_: str) -> None:
    """One byte above 64 MiB gives 65 MiB; the ceiling of 64Gi is 65536Mi."""
    assert memory_request(container(), need_bytes) == request_


def test_only_long_running_containers_with_a_profile_are_sized() -> None:
    """Of five containers two are sized: `app`, and `mesh`, a sidecar."""
    mesh = container("mesh", requests={"cpu": "1"}) | {"restartPolicy": "Always"}
    setup = container("setup", requests={"cpu": "3"})
    manifest = pod(container(), container("other"), before=[setup, mesh, container("last")])

    patched, decided = resized(manifest, cpu_needs(app="0.1", mesh="0.2", setup="0.3", last="0.3", gone="1"))

    assert decided.changes == (
        ContainerChange("containers", 0, {"cpu": "100m"}, {}),
        ContainerChange("initContainers", 1, {"cpu": "200m"}, {}),
    )
    assert amounts_of(patched, group="initContainers") == [{"cpu": "3"}, {"cpu": "200m"}, None]


def test_both_resources_are_set_at_once() -> None:
    """One change per container holds CPU and memory."""
    _, decided = resized(pod(container()), cpu_needs(app="0.1") | memory_needs(app=64 * MIB))

    assert decided.changes == (ContainerChange("containers", 0, {"cpu": "100m", "memory": "64Mi"}, {}),)


@pytest.mark.parametrize(
    ("given", "request_"),
    [("85m", "85m"), ("84m", "100m"), ("115m", "115m"), ("116m", "100m"), ("0.1", "0.1"), ("0", "100m")],
)
def test_a_request_near_its_target_stays(given: str, request_: str) -> None:
    """The target is 100m, the deadband 15 %: 85m to 115m stay as written. Zero counts as no request."""
    assert cpu_request(container(requests={"cpu": given}), "0.1") == request_


def test_a_deadband_of_more_than_one_does_not_keep_zero() -> None:
    """0 differs from 100m by the target itself, but counts as no request."""
    assert cpu_request(container(requests={"cpu": "0"}), "0.1", deadband="2") == "100m"


@pytest.mark.parametrize(
    ("limit", "request_"), [("200m", "200m"), ("0.3", "250m"), ("12500u", "12m"), ("0", "0")]
)
def test_a_request_is_at_most_the_limit(limit: str, request_: str) -> None:
    """The need is 250m; 12500u are 12.5m, rounded down to 12. Under a limit of 0 the request stays 0."""
    original = container(requests={"cpu": "0"}, limits={"cpu": limit})

    assert cpu_request(original, "0.25") == request_


def test_a_memory_limit_between_two_mib_is_requested_to_the_byte() -> None:
    """The limit of 100 MB is 95.4 MiB: the next MiB is above it, so the request is the limit itself."""
    original = container(requests={"memory": "1Mi"}, limits={"memory": "100M"})

    assert memory_request(original, 200 * MIB) == "100000000"


def test_a_limit_alone_is_a_request_of_as_much() -> None:
    """The API server sets that default: with a need of 1 core, 1100m are in the deadband, 2 are lowered."""
    assert cpu_request(container(limits={"cpu": "1100m"}), "1") is None
    assert cpu_request(container(limits={"cpu": "2"}), "1") == "1000m"


def test_limits_are_a_multiple_of_the_request_if_a_ratio_is_set() -> None:
    """100m times 1.5 are 150m, 64 MiB times 1.5 are 96 MiB; limits are added or lowered."""
    original = pod(container("app"), container("full", limits={"cpu": "4"}, requests={"cpu": "3"}))
    needs = cpu_needs(app="0.1", full="0.1") | memory_needs(app=64 * MIB)

    patched, _ = resized(original, needs, rules=policy(cpu_ratio="1.5", memory_ratio="1.5"))

    assert amounts_of(patched) == [{"cpu": "100m", "memory": "64Mi"}, {"cpu": "100m"}]
    assert amounts_of(patched, "limits") == [{"cpu": "150m", "memory": "96Mi"}, {"cpu": "150m"}]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [("180m", "180m"), ("170m", "170m"), ("169m", "200m"), ("230m", "230m"), ("231m", "200m")],
)
def test_a_limit_near_its_target_stays(limit: str, kept: str) -> None:
    """The target is 100m times 2; 15 % of it are 30m."""
    original = pod(container(requests={"cpu": "100m"}, limits={"cpu": limit}))

    patched, _ = resized(original, cpu_needs(app="0.1"), rules=policy(cpu_ratio="2"))

    assert amounts_of(patched, "limits") == [{"cpu": kept}]


def test_a_limit_follows_a_request_that_stays() -> None:
    """110m is in the deadband of 100m and stays; the limit is 1.5 times the request, 165m."""
    original = pod(container(requests={"cpu": "110m"}, limits={"cpu": "1"}))

    patched, decided = resized(original, cpu_needs(app="0.1"), rules=policy(cpu_ratio="1.5"))

    assert decided.changes == (ContainerChange("containers", 0, {}, {"cpu": "165m"}),)
    assert amounts_of(patched) == [{"cpu": "110m"}]


def test_a_limit_that_is_near_enough_but_below_the_request_is_raised() -> None:
    """With a ratio of 1 the limit's target is 100m: 90m is within 15 % of it, but below the request."""
    original = pod(container(requests={"cpu": "50m"}, limits={"cpu": "90m"}))

    patched, _ = resized(original, cpu_needs(app="0.1"), rules=policy(cpu_ratio="1"))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == ([{"cpu": "100m"}], [{"cpu": "100m"}])


@pytest.mark.parametrize("deadband", ["0.15", "0.3"])
def test_a_limit_is_not_below_the_need(deadband: str) -> None:
    """A request of 90Mi is within 15 % of 100 MiB and stays; the limit is 100Mi, whatever the deadband."""
    original = pod(container(requests={"memory": "90Mi"}, limits={"memory": "90Mi"}))
    needs = memory_needs(app=100 * MIB)

    patched, _ = resized(original, needs, rules=policy(memory_ratio="1", deadband=deadband))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == (
        [{"memory": "90Mi"}],
        [{"memory": "100Mi"}],
    )


def test_an_unwritten_request_is_written_where_its_limit_changes() -> None:
    """A limit of 1100m alone requests 1100m, in the deadband of 1 core, but would follow the new limit."""
    original = pod(container(limits={"cpu": "1100m"}))

    patched, _ = resized(original, cpu_needs(app="1"), rules=policy(cpu_ratio="2"))

    assert (amounts_of(patched), amounts_of(patched, "limits")) == ([{"cpu": "1100m"}], [{"cpu": "2200m"}])


def test_a_young_profile_sets_nothing() -> None:
    """A confidence of 0.49 is below 0.5, one of 0.5 is not."""
    needs = cpu_needs(0.49, app="0.25") | memory_needs(0.5, app=64 * MIB)

    patched, decided = resized(pod(container()), needs)

    assert amounts_of(patched) == [{"memory": "64Mi"}]
    assert decided.summary == "cpu unchanged (confidence below the minimum); app: memory request none → 64Mi"


@pytest.mark.parametrize("text", ["lots", "", "-1", "1e99", "1e9999999999999999999", "100000000000000000000"])
def test_a_pod_with_a_quantity_that_can_not_be_read_is_left_alone(text: str) -> None:
    """In any place: here it is the memory limit of a container without a profile."""
    original = pod(container(), container("other", limits={"memory": text}))

    patched, decided = resized(original, cpu_needs(app="0.25"))

    assert (patched, decided.summary) == (original, "unchanged (unreadable quantity)")


def test_quantities_of_other_resources_are_not_read() -> None:
    """Resources of device plugins are ignored."""
    original = container(requests={"example.com/odd": "lots"})

    assert cpu_request(original, "0.25") == "250m"


@pytest.mark.parametrize(
    ("given", "request_"),
    [("1500000n", "20m"), ("40u", "20m"), ("7E", "20m"), ("0.0200", "0.0200"), ("21500u", "21500u")],
)
def test_any_spelling_of_a_quantity_is_understood(given: str, request_: str) -> None:
    """The target is the floor of 20m: 1.5m and 0.04m are raised, 7E cores lowered, 21.5m stays."""
    assert cpu_request(container(requests={"cpu": given}), "0.001") == request_


def test_a_hundred_containers_each_get_their_own() -> None:
    """Container 0 needs 20m, container 99 needs 1010m: 10m more each."""
    names = [f"c{number}" for number in range(100)]
    needs = {
        CPU: ContainerNeeds(
            {name: Decimal(20 + 10 * number) / 1000 for number, name in enumerate(names)}, 0.87
        )
    }

    patched, decided = resized(pod(*map(container, names)), needs)

    assert amounts_of(patched) == [{"cpu": f"{20 + 10 * number}m"} for number in range(100)]
    assert 970 < len(decided.summary) <= 1000  # whole parts of less than 30 characters
