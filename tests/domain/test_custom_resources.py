"""Conversion of profiles to and from custom resources."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.custom_resources import from_manifest, to_manifest, to_status
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    Profile,
    ProfileKind,
    ReplicaRates,
    Resource,
    ResourceProfile,
    RiskValues,
    StepRates,
)
from app.domain.protocols import Protocol
from app.domain.stored_state import StateParts, StoredState
from app.domain.value_history import ValueChange, pack
from app.domain.workload_state import ContainerRequests, ResourceAmounts, WorkloadState
from app.domain.workloads import Connection, Workload

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASIS = Basis(NOW, NOW, samples=12, coverage=1.0, confidence=0.5)
WEB, DB = Workload("emojivoto", "web"), Workload("storage", "db", "StatefulSet")
PROFILES: list[Profile] = [
    ResourceProfile(WEB, Resource.CPU, "0.020", BASIS),
    ResourceProfile(DB, Resource.MEMORY, "17106488", BASIS),
    ConnectionProfile(Connection(WEB, DB), "47.12", "24.00", "23.12", BASIS),
]


def test_a_connections_spec_has_the_fields_of_the_contract() -> None:
    """All six are strings, the time is RFC 3339."""
    manifest = to_manifest(PROFILES[2], name="connprofile-1", namespace="profiling", updated_at=NOW)

    assert manifest["spec"] == {
        "bandwidth_requirement": "47.12",
        "source_job": "web",
        "source_namespace": "emojivoto",
        "destination_job": "db",
        "destination_namespace": "storage",
        "update_time": "2026-03-01T12:00:00Z",
    }


@pytest.mark.parametrize("profile", PROFILES, ids=["cpu", "memory", "connection"])
def test_round_trip(profile: Profile) -> None:
    """Identity, value and both times are unchanged after a write and a read."""
    manifest = to_manifest(profile, name="some-name", namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(profile, refreshed_at=NOW)

    stored = from_manifest(profile.identity.kind, manifest)

    assert stored is not None
    assert (stored.name, stored.identity, stored.value) == ("some-name", profile.identity, profile.value)
    assert (stored.updated_at, stored.status_refreshed_at) == (NOW, NOW)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"metadata": {"name": "x"}},
        {"metadata": {"name": "x", "annotations": None}, "spec": None},
        {"metadata": {"name": "x"}, "spec": {"cpuProfiling": {"value": "0.020"}}},
        {"metadata": {"name": "x", "annotations": {"job-profiler.liqo.io/workload-name": 3}}, "spec": []},
    ],
)
def test_an_object_without_an_identity_is_skipped(manifest: dict[str, Any]) -> None:
    """Objects of any shape are skipped without an error."""
    assert from_manifest(ProfileKind.CPU, manifest) is None


def test_a_time_in_the_originals_spelling_counts_as_unknown() -> None:
    """The original wrote Go's time.String(), which is not RFC 3339."""
    manifest = to_manifest(PROFILES[0], name="x", namespace="profiling", updated_at=NOW)
    manifest["spec"]["cpuProfiling"]["updateTime"] = "2021-04-06 06:53:01.64479791 +0000 UTC m=+15.292131024"

    stored = from_manifest(ProfileKind.CPU, manifest)

    assert stored is not None
    assert stored.updated_at is None


def test_measured_bytes_are_in_the_status() -> None:
    """Whole numbers as strings, 0 included; a direction without a measurement has no field."""
    connection = Connection(WEB, DB)
    plain = ConnectionProfile(connection, "47.12", "24.00", "23.12", BASIS)
    sized = ConnectionProfile(connection, "47.12", "24.00", "23.12", BASIS, "5120", "0")

    assert not {"requestBytesPerSecond", "responseBytesPerSecond"} & to_status(plain, refreshed_at=NOW).keys()
    status = to_status(sized, refreshed_at=NOW)
    assert (status["requestBytesPerSecond"], status["responseBytesPerSecond"]) == ("5120", "0")


def test_the_status_of_a_connection() -> None:
    """Protocol, steps and the rates per replica; what was not measured has no field. Bytes are read again."""
    profile = ConnectionProfile(
        Connection(WEB, DB),
        "0.00",
        "0.00",
        "0.00",
        BASIS,
        "5120",
        None,
        protocol=Protocol.TCP,
        messages=StepRates("0.00", "0.00"),
        request_bytes=StepRates("9000", "12000"),
        per_replica=ReplicaRates(2, "0.00", "2560"),
    )
    status = to_status(profile, refreshed_at=NOW)

    assert status["protocol"] == "tcp"
    assert status["steps"] == {
        "messagesPerMinute": {"p95": "0.00", "maximum": "0.00"},
        "requestBytesPerSecond": {"p95": "9000", "maximum": "12000"},
    }
    assert status["perReplica"] == {
        "replicas": 2,
        "messagesPerMinute": "0.00",
        "requestBytesPerSecond": "2560",
    }
    manifest = to_manifest(profile, name="x", namespace="profiling", updated_at=NOW) | {"status": status}
    stored = from_manifest(ProfileKind.CONNECTION, manifest)
    assert stored is not None
    assert (stored.request_bytes, stored.response_bytes) == (5120.0, None)


@pytest.mark.parametrize("amount", ["-1", "1e5", "NaN", 5, None, "9" * 30])
def test_bytes_that_are_no_amount_are_unknown(amount: object) -> None:
    """People can edit the status; 18 digits are the most."""
    profile = ConnectionProfile(Connection(WEB, DB), "1.00", "1.00", "0.00", BASIS)
    manifest = to_manifest(profile, name="x", namespace="profiling", updated_at=NOW)

    stored = from_manifest(ProfileKind.CONNECTION, manifest | {"status": {"requestBytesPerSecond": amount}})

    assert stored is not None
    assert stored.request_bytes is None


def test_needs_of_containers_are_read_if_enabled() -> None:
    """With containers: the name and value of each, and the confidence; by default, neither is read."""
    containers = (ContainerNeed("web-svc", "0.018", 12), ContainerNeed("linkerd-proxy", "0.005", 12))
    profile = ResourceProfile(WEB, Resource.CPU, "0.023", BASIS, containers=containers)
    manifest = to_manifest(profile, name="x", namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(profile, refreshed_at=NOW)

    full = from_manifest(ProfileKind.CPU, manifest, with_containers=True)
    plain = from_manifest(ProfileKind.CPU, manifest)

    assert full is not None
    assert plain is not None
    assert (full.confidence, full.containers) == (0.5, {"web-svc": "0.018", "linkerd-proxy": "0.005"})
    assert (plain.confidence, plain.containers) == (0.0, {})


@pytest.mark.parametrize("containers", [None, 3, {}, [None, 3, {"name": "a"}, {"name": 3, "value": "1"}]])
@pytest.mark.parametrize("confidence", [None, 0.5, "high", "nan", "-0.50", "1e9"])
def test_a_status_of_another_shape_is_ignored(containers: object, confidence: object) -> None:
    """There are no containers, and the confidence is 0."""
    manifest = to_manifest(PROFILES[0], name="x", namespace="profiling", updated_at=NOW)
    manifest["status"] = {"confidence": confidence, "containers": containers}

    stored = from_manifest(ProfileKind.CPU, manifest, with_containers=True)

    assert stored is not None
    assert (stored.confidence, stored.containers) == (0.0, {})


STATE = WorkloadState(
    ResourceAmounts(
        "150m", "1", (ContainerRequests("web-svc", "100m", "1"), ContainerRequests("not-seen", "50m"))
    ),
    ready_replicas=2,
    desired_replicas=3,
)
WEB_CPU = ResourceProfile(
    WEB,
    Resource.CPU,
    "1.234",
    BASIS,
    containers=(
        ContainerNeed("web-svc", "1.200", 12, values=RiskValues("1.500", "1.200", "0.900")),
        ContainerNeed("zz-proxy", "0.034", 12, values=RiskValues("0.040", "0.034", "0.030")),
    ),
    workload_state=STATE,
)
CHANGES = (
    ValueChange(int(NOW.timestamp()), "0.900", "1.234", "UsageRose"),
    ValueChange(int(NOW.timestamp()) - 86_400, "1.100", "0.900", "UsageFell"),
)


def test_the_status_has_what_decisions_need() -> None:
    """Need, request and limit as people write them, replicas, the values at each risk, and the last changes.

    1.234 cores are 1234m. A container that only the template names has no need, so it is not listed.
    """
    status = to_status(WEB_CPU, refreshed_at=NOW, history=CHANGES)

    assert {key: status[key] for key in ("need", "request", "limit", "replicas")} == {
        "need": "1234m",
        "request": "150m",
        "limit": "1",
        "replicas": {"ready": 2, "desired": 3},
    }
    assert status["containers"] == [
        {
            "name": "web-svc",
            "value": "1.200",
            "samples": 12,
            "values": {"low": "1.500", "normal": "1.200", "high": "0.900"},
            "request": "100m",
            "limit": "1",
        },
        {
            "name": "zz-proxy",
            "value": "0.034",
            "samples": 12,
            "values": {"low": "0.040", "normal": "0.034", "high": "0.030"},
        },
    ]
    assert status["history"][0] == {
        "time": "2026-03-01T12:00:00Z",
        "old": "0.900",
        "new": "1.234",
        "reason": "UsageRose",
    }


@pytest.mark.parametrize(
    ("value", "need"), [("1", "1Mi"), ("17106488", "17Mi"), ("363855872", "347Mi"), ("2147483648", "2Gi")]
)
def test_memory_needs_are_rounded_up_to_a_mebibyte(value: str, need: str) -> None:
    """17106488 bytes are 16.3 MiB; 347 MiB are 363855872 bytes."""
    profile = ResourceProfile(WEB, Resource.MEMORY, value, BASIS)

    assert to_status(profile, refreshed_at=NOW)["need"] == need


def test_the_state_is_read_back() -> None:
    """What the next write compares with: history, risk, containers, request, limit, replicas, labels."""
    manifest = to_manifest(WEB_CPU, name="x", namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(WEB_CPU, refreshed_at=NOW, history=CHANGES)

    stored = from_manifest(ProfileKind.CPU, manifest, parts=StateParts(requests=True))

    assert stored
    assert stored.state == StoredState(
        pack(CHANGES),
        "",
        ("web-svc", "zz-proxy"),
        ("1.200", "0.034"),
        ("100m", ""),
        0.0,
        "150m",
        "1",
        3,
        is_complete=True,
        has_labels=True,
    )


def test_requests_of_containers_are_kept_for_gauges_only() -> None:
    """Few profiles have the same, so without gauges they would cost memory for nothing."""
    manifest = to_manifest(WEB_CPU, name="x", namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(WEB_CPU, refreshed_at=NOW, history=CHANGES)

    stored = from_manifest(ProfileKind.CPU, manifest)

    assert stored
    assert stored.state
    assert (stored.state.containers, stored.state.container_requests) == (("web-svc", "zz-proxy"), ())


def test_a_webhook_keeps_nothing_of_it() -> None:
    """Its index holds tens of thousands of profiles: without times, there is no state."""
    manifest = to_manifest(WEB_CPU, name="x", namespace="profiling", updated_at=NOW)
    manifest["status"] = to_status(WEB_CPU, refreshed_at=NOW, history=CHANGES)

    stored = from_manifest(ProfileKind.CPU, manifest, with_containers=True, with_last_write=False)

    assert stored
    assert stored.state is None
    assert stored.containers == {"web-svc": "1.200", "zz-proxy": "0.034"}


def test_an_object_of_an_older_release_is_read() -> None:
    """Without the new fields and labels it has its value, times and containers, and is not complete."""
    manifest = to_manifest(WEB_CPU, name="x", namespace="profiling", updated_at=NOW)
    del manifest["metadata"]["labels"]
    manifest["status"] = {
        "refreshTime": "2026-03-01T12:00:00Z",
        "containers": [{"name": "web-svc", "value": "1.234"}],
    }

    stored = from_manifest(ProfileKind.CPU, manifest)

    assert stored
    assert (stored.value, stored.status_refreshed_at) == ("1.234", NOW)
    assert stored.state == StoredState(containers=("web-svc",), container_values=("1.234",))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("web", {"namespace": "emojivoto", "kind": "Deployment", "workload": "web"}),
        ("x" * 63, {"namespace": "emojivoto", "kind": "Deployment", "workload": "x" * 63}),
        ("x" * 64, {"namespace": "emojivoto", "kind": "Deployment"}),
        ("etl-{digits}", {"namespace": "emojivoto", "kind": "Deployment"}),
        ("web.", {"namespace": "emojivoto", "kind": "Deployment"}),
    ],
)
def test_labels_name_the_workload_where_they_fit(name: str, labels: dict[str, str]) -> None:
    """A label has at most 63 characters, letters and digits at both ends; other names are left out."""
    profile = ResourceProfile(Workload("emojivoto", name), Resource.CPU, "0.020", BASIS)

    manifest = to_manifest(profile, name="x", namespace="profiling", updated_at=NOW)

    expected = {f"job-profiler.liqo.io/{key}": value for key, value in labels.items()}
    assert manifest["metadata"]["labels"] == expected
    stored = from_manifest(ProfileKind.CPU, manifest)
    assert stored
    assert stored.state
    assert stored.state.has_labels


def test_the_labels_of_a_connection_are_those_of_its_source() -> None:
    """The client declares a connection; the destination is in the spec."""
    labels = to_manifest(PROFILES[2], name="x", namespace="profiling", updated_at=NOW)["metadata"]["labels"]

    assert labels["job-profiler.liqo.io/workload"] == "web"


def test_a_status_stays_small() -> None:
    """100 listed containers with all amounts and ten changes take under 64 KiB; etcd takes 1.5 MiB."""
    name = "c" * 60
    needs = tuple(
        ContainerNeed(
            f"{name}{number:03d}", "6597069766656", 10**9, values=RiskValues(*["6597069766656"] * 3)
        )
        for number in range(150)
    )
    amounts = tuple(ContainerRequests(need.name, "6144Gi", "6144Gi") for need in needs)
    state = WorkloadState(ResourceAmounts("614400Gi", "614400Gi", amounts), 99_999, 99_999)
    profile = ResourceProfile(
        WEB, Resource.MEMORY, "6597069766656", BASIS, containers=needs, workload_state=state
    )

    status = to_status(profile, refreshed_at=NOW, history=CHANGES * 5)

    assert (len(status["containers"]), status["containersTotal"]) == (100, 150)
    assert len(json.dumps(status)) < 64 * 1024
