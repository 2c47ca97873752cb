"""The text of `status.explanation`: every number of the profile, and equal text for equal profiles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.connection_providers import Counting, Provider
from app.domain.custom_resources import to_status
from app.domain.explanation import MAX_CHARACTERS, explain
from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    LeftOutContainer,
    Pressure,
    PressureSignal,
    ReplicaRates,
    Resource,
    ResourceProfile,
    RiskLevel,
    RoleNeed,
    StatedRisk,
    StepRates,
)
from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
WEB = Workload("shop", "web")
WEEK = Basis(NOON - timedelta(days=7.5), NOON, samples=8352, coverage=0.967, confidence=0.87)
CPU = ResourceProfile(
    WEB,
    Resource.CPU,
    "0.020",
    WEEK,
    containers=(
        ContainerNeed("linkerd-proxy", "0.003", 4176, "MeshProxy", ChosenRule(7, 0.9731, 0.0156)),
        ContainerNeed("web", "0.017", 4176, rule=ChosenRule(7, 0.9864, 0.0156)),
    ),
    risk=StatedRisk(RiskLevel.NORMAL, 0.0124, 0.045),
)
MEMORY = ResourceProfile(
    WEB,
    Resource.MEMORY,
    "13800000",
    replace(WEEK, window_start=NOON - timedelta(hours=1), samples=12, coverage=1.0),
    containers=(ContainerNeed("web", "13800000", 12, rule=ChosenRule(1, 0.15, 2.6236)),),
    risk=StatedRisk(RiskLevel.LOW, 0.02),
)


def explained_by(rule: ChosenRule) -> str:
    """The explanation of a memory profile with one container with this rule."""
    return explain(replace(MEMORY, containers=(ContainerNeed("web", "13800000", 12, rule=rule),)))


def test_cpu_covers_a_share_of_the_time() -> None:
    """A coverage of 0.967 is rounded down to 0.96; a raise of 0.0156 is 1.6 %; a risk is rounded up."""
    assert explain(CPU) == (
        "From 8,352 five-minute samples of 2 containers over 7.5 days (coverage 0.96):"
        " linkerd-proxy 3m (covers 97.3 % of the time of 7 days, recent ones counting most, plus"
        " 1.6 % for a short past). web 17m (covers 98.6 % of the time of 7 days, recent ones counting"
        " most, plus 1.6 % for a short past)."
        " At normal risk, usage is expected to exceed the value for 1.3 % of the next day, and for at most"
        " 4.5 % on 9 of 10 days."
    )


@pytest.mark.parametrize(("risk", "percent"), [(0.0351, "3.6 %"), (0.035, "3.5 %"), (0.0001, "0.1 %")])
@pytest.mark.parametrize("profile", [CPU, MEMORY])
def test_the_risk_is_the_figure_of_the_status(profile: ResourceProfile, risk: float, percent: str) -> None:
    """The status has 3.51 % as 0.036: the sentence rounds it up as well."""
    stated = replace(profile, risk=StatedRisk(RiskLevel.NORMAL, risk, risk))
    figures = to_status(stated, refreshed_at=NOON)["risk"]

    shares = [float(share) for field, share in figures.items() if field != "level"]
    assert [f"{share * 100:.1f} %" for share in shares] == [percent] * len(shares)
    assert explain(stated).count(percent) == len(shares)


def test_memory_is_compared_with_the_largest_maximum() -> None:
    """One container, one hour of one day: the margin and the raise for a short past are separate."""
    assert explain(MEMORY) == (
        "From 12 five-minute samples of 1 container over 1 hour (coverage 1.00): web 14Mi"
        " (15 % above the maximum of 1 day, plus 262.4 % for a short past)."
        " At low risk, there is a 2 % chance that the daily peak exceeds the value."
    )


def test_siblings_are_named_if_their_median_is_the_value() -> None:
    """The value is the siblings' median, so the container's own rule is not in the text."""
    text = explained_by(ChosenRule(1, 0.15, 2.6, siblings=3))

    assert (
        "web 14Mi (median of 3 workloads of this name in other namespaces,"
        " since its own history is short)." in text
    )
    assert "(median of 1 workload of this name" in explained_by(ChosenRule(1, 0.15, 2.6, siblings=1))


def test_the_newest_choice_is_named_if_the_value_stays() -> None:
    """The sentence precedes the risk."""
    text = explain(replace(CPU, newest="0.021"))

    assert (
        " The latest choice is 21m; the value stays, since a change would save too little."
        " At normal risk" in text
    )


def test_pressure_is_named_after_the_figures() -> None:
    """Each with its container, the time it was last seen, and the raise: 0.1249 is 12 %."""
    throttled = PressureSignal("web", Pressure.CPU_THROTTLING, NOON, 0.1249)
    killed = PressureSignal("web", Pressure.OOM_KILLED, NOON - timedelta(days=2), 0.05)

    assert explain(replace(CPU, signals=(throttled,))) == explain(CPU).replace(
        " At normal",
        " CPU throttling of web, last seen 2026-03-04T12:00:00Z, raises its value by 12 %. At normal",
    )
    assert (
        "past). An OOM kill of web, last seen 2026-03-02T12:00:00Z, raises its value by 5 %. At low"
        in explain(replace(MEMORY, signals=(killed,)))
    )


def test_a_connection_is_a_mean_of_two_parts() -> None:
    """288 steps of 5 minutes are the whole day: 24 hours; 30 of them are 2.5."""
    rates = ("114.00", "60.00", "54.00")
    connection = ConnectionProfile(
        Connection(WEB, Workload("shop", "db")), *rates, replace(WEEK, samples=288)
    )

    assert explain(connection) == (
        "Mean over the part of the last 24 hours in which shop/web was scraped (24 hours); minutes without"
        " traffic count as 0: 60.00 requests + 54.00 responses of HTTP per minute."
    )
    tcp = replace(
        connection,
        request_bytes_per_second="5120",
        response_bytes_per_second="0",
        protocol=Protocol.TCP,
        messages=StepRates("0.00", "0.00"),
        request_bytes=StepRates("9000", "12000"),
        per_replica=ReplicaRates(2, "0.00", "2560", "0"),
    )
    assert explain(tcp).partition("count as 0: ")[2] == (
        "5,120 bytes sent and 0 bytes received per second of plain TCP, without requests that are"
        " counted. 95 % of the 5-minute steps have at most 0.00 messages per minute, 9,000 bytes sent per"
        " second. Each of 2 ready replicas of the source: 0.00 messages per minute, 2,560 bytes sent and"
        " 0 bytes received per second."
    )
    assert "(2.5 hours)" in explain(replace(connection, basis=replace(WEEK, samples=30)))


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (0.07, "7 % above the largest daily maximum of 28 days"),
        (-0.31, "31 % below the largest daily maximum of 28 days"),
        (0.0004, "largest daily maximum of 28 days"),
    ],
)
def test_a_memory_value_may_be_below_the_largest_maximum(margin: float, words: str) -> None:
    """One large maximum weeks ago does not hold the value."""
    assert f"({words})." in explained_by(ChosenRule(28, margin, 0.0))


def test_one_day_has_no_recent_ones() -> None:
    """A value of CPU from one day."""
    rule = ChosenRule(1, 0.975, 0.0)
    text = explain(replace(CPU, containers=(ContainerNeed("web", "0.017", 288, rule=rule),)))

    assert "web 17m (covers 97.5 % of the time of 1 day)." in text


def test_a_workload_of_very_many_containers_still_fits() -> None:
    """200 names of 63 characters would be 15,000: the text is cut and ends with an ellipsis."""
    many = tuple(ContainerNeed(f"{number:063d}", "0.001", 12) for number in range(200))

    text = explain(replace(CPU, containers=many))

    assert (len(text), text[-1]) == (MAX_CHARACTERS, "…")


def test_a_profile_without_a_stated_risk_is_not_explained() -> None:
    """Without a stated risk there is no explanation."""
    assert explain(replace(CPU, risk=None)) == ""
    assert "explanation" not in to_status(replace(CPU, risk=None), refreshed_at=NOON)


def test_the_status_has_the_risk_rounded_up() -> None:
    """Three decimals, rounded up so that the risk is not understated: 0.0124 becomes 0.013."""
    cpu, memory = (to_status(profile, refreshed_at=NOON)["risk"] for profile in (CPU, MEMORY))

    assert cpu == {"level": "normal", "timeAbove": "0.013", "timeAboveAtMost": "0.045"}
    assert memory == {"level": "low", "dayAboveChance": "0.020"}


def test_the_status_has_the_number_of_siblings() -> None:
    """The number of siblings; a container without siblings has no such field."""
    rule = ChosenRule(1, 0.15, 2.6, siblings=3)
    young = replace(MEMORY, containers=(ContainerNeed("web", "13800000", 12, rule=rule),))

    assert to_status(young, refreshed_at=NOON)["containers"][0]["siblings"] == 3
    assert "siblings" not in to_status(MEMORY, refreshed_at=NOON)["containers"][0]


def test_the_status_omits_empty_fields() -> None:
    """Without pressure: no `signals`; for a container of the application itself: no `role`."""
    status = to_status(CPU, refreshed_at=NOON)

    assert "signals" not in status
    assert [each.get("role") for each in status["containers"]] == ["MeshProxy", None]
    assert status["explanation"] == explain(CPU)


def test_the_status_has_the_pressure() -> None:
    """The raise has two decimals."""
    signal = PressureSignal("web", Pressure.OOM_KILLED, NOON, 0.2)

    assert to_status(replace(MEMORY, signals=(signal,)), refreshed_at=NOON)["signals"] == [
        {"container": "web", "reason": "OOMKilled", "lastSeen": "2026-03-04T12:00:00Z", "raisedBy": "0.20"}
    ]


def test_pods_that_differ_and_containers_that_do_not_count_are_named() -> None:
    """Two roles, and six containers to debug with, of which five are named; all are in the status."""
    debuggers = tuple(LeftOutContainer(f"debugger-{number}", 12) for number in range(6))
    roles = (RoleNeed(("ray-worker",), "0.020"), RoleNeed(("autoscaler", "ray-head"), "0.010"))
    profile = replace(CPU, roles=roles, left_out=debuggers)

    text, status = explain(profile), to_status(profile, refreshed_at=NOON)

    assert (
        "Pods have 2 different sets of containers, of which the largest counts: ray-worker 20m;"
        " autoscaler and ray-head 10m. Not counted, since ephemeral, or not in"
        " the Pod template and in under half of the Pods: debugger-0, debugger-1, debugger-2, debugger-3,"
        " debugger-4 and 1 more."
    ) in text
    assert status["roles"][1] == {"containers": ["autoscaler", "ray-head"], "value": "0.010"}
    assert (status["leftOutContainersTotal"], status["leftOutContainers"][0]) == (
        6,
        {"name": "debugger-0", "samples": 12},
    )
    assert not {"roles", "leftOutContainers"} & to_status(CPU, refreshed_at=NOON).keys()


def test_a_connection_says_what_counts_it() -> None:
    """Agents count bytes alone, and look at one in 50 packets; Linkerd and Istio look at all requests."""
    connection = ConnectionProfile(
        Connection(WEB, Workload("shop", "db")), "0.00", "0.00", "0.00", replace(WEEK, samples=288)
    )
    for counting, sentence in (
        (Counting(Provider.NETOBSERV, 50), "Counted by netobserv (bytes only, sampled 1 in 50)."),
        (Counting(Provider.LINKERD | Provider.ISTIO), "Counted by linkerd, istio."),
        (Counting(Provider.SERVICE_GRAPH, 2.5), "Counted by service-graph (sampled 1 in 2.5)."),
    ):
        assert explain(replace(connection, counting=counting)).endswith(f" {sentence}")
    assert "Counted" not in explain(connection)
