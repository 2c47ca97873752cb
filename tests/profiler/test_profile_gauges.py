"""Gauges of the stored profiles on /metrics."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ConnectionProfile, ProfileKind, Resource
from app.domain.workloads import Connection, Workload
from app.profiler.profile_gauges import ProfileGauges
from tests.profiler.stored_workloads import BASIS, stored, stored_workload
from tests.webhook.profiles import EMOJI, VOTING, WEB, cpu, synced_catalogue, web_profiles

WORKLOAD = 'namespace="emojivoto",workload="web",workload_kind="Deployment"'
ENDS = (
    'destination="voting",destination_kind="Deployment",destination_namespace="emojivoto",'
    'source="web",source_kind="Deployment",source_namespace="emojivoto"'
)
NEEDS = {"web-svc": 0.2, "proxy": 0.05}
LEFT_OUT = "job_profiler_profiles_without_gauges"


def page(catalogue: ProfileCatalogue, *, is_exported: bool = True, max_series: int = 1000) -> str:
    """The metrics page."""
    registry = CollectorRegistry()
    ProfileGauges(catalogue, lambda: is_exported, registry, max_series)
    return generate_latest(registry).decode()


def samples(*manifests: Mapping[str, Any]) -> list[str]:
    """The samples on the page but the counts of profiles that are left out."""
    lines = page(synced_catalogue(*manifests, with_requests=True)).splitlines()
    return [line for line in lines if not line.startswith(("#", LEFT_OUT))]


def shown(catalogue: ProfileCatalogue, max_series: int) -> tuple[list[str], dict[str, float]]:
    """The workloads with a gauge of their CPU need, and how many profiles of each kind have none."""
    families = {
        family.name: family.samples
        for family in text_string_to_metric_families(page(catalogue, max_series=max_series))
    }
    needs = families["job_profiler_profile_cpu_cores"]
    left_out = {each.labels["kind"]: each.value for each in families[LEFT_OUT]}
    return [f"{each.labels['namespace']}/{each.labels['workload']}" for each in needs], left_out


def test_each_profile_is_a_gauge_by_workload() -> None:
    """`web` needs "0.020" cores and "17106488" bytes; requests and bytes that are not known have no gauge."""
    by_kind = [line for line in samples(*web_profiles()) if "connection" not in line]

    assert by_kind == [
        f"job_profiler_profile_cpu_cores{{{WORKLOAD}}} 0.02",
        f"job_profiler_profile_memory_bytes{{{WORKLOAD}}} 1.7106488e+07",
    ]


def test_needs_and_requests_of_containers() -> None:
    """Two containers need 0.2 + 0.05 cores; one requests 500m, the other nothing; there are 3 replicas."""
    assert samples(stored_workload(WEB, Resource.CPU, NEEDS, {"web-svc": "500m"}, 3)) == [
        f"job_profiler_profile_cpu_cores{{{WORKLOAD}}} 0.25",
        f"job_profiler_profile_cpu_request_cores{{{WORKLOAD}}} 0.5",
        f'job_profiler_container_cpu_need_cores{{container="web-svc",{WORKLOAD}}} 0.2',
        f'job_profiler_container_cpu_need_cores{{container="proxy",{WORKLOAD}}} 0.05',
        f'job_profiler_container_cpu_request_cores{{container="web-svc",{WORKLOAD}}} 0.5',
        f"job_profiler_workload_replicas{{{WORKLOAD}}} 3.0",
    ]


def test_memory_is_in_bytes() -> None:
    """A request of 64Mi is 67108864; a workload that runs to completion has no replicas."""
    assert samples(stored_workload(WEB, Resource.MEMORY, {"web-svc": 1000}, {"web-svc": "64Mi"}, None)) == [
        f"job_profiler_profile_memory_bytes{{{WORKLOAD}}} 1000.0",
        f"job_profiler_profile_memory_request_bytes{{{WORKLOAD}}} 6.7108864e+07",
        f'job_profiler_container_memory_need_bytes{{container="web-svc",{WORKLOAD}}} 1000.0',
        f'job_profiler_container_memory_request_bytes{{container="web-svc",{WORKLOAD}}} 6.7108864e+07',
    ]


def test_messages_and_bytes_of_a_connection() -> None:
    """One series for each amount that is measured; the bytes of responses are not."""
    profile = ConnectionProfile(
        Connection(WEB, VOTING), "47.12", "23.56", "23.56", BASIS, request_bytes_per_second="300"
    )

    assert samples(stored(profile)) == [
        f"job_profiler_connection_messages_per_minute{{{ENDS}}} 47.12",
        f"job_profiler_connection_request_bytes_per_second{{{ENDS}}} 300.0",
    ]


def test_replicas_of_a_workload_are_one_series() -> None:
    """Both profiles of a workload state its replicas, which has one gauge."""
    both = [stored_workload(WEB, resource, {"web-svc": 1}, {}, 2) for resource in Resource]

    assert [line for line in samples(*both) if "replicas" in line] == [
        f"job_profiler_workload_replicas{{{WORKLOAD}}} 2.0"
    ]


def test_a_follower_has_no_gauges() -> None:
    """Otherwise a sum over all replicas would count each workload twice."""
    assert page(synced_catalogue(*web_profiles()), is_exported=False) == ""


def test_a_profile_that_goes_takes_its_series_with_it() -> None:
    """The next page has no series of the deleted profile."""
    catalogue = synced_catalogue(cpu(WEB), cpu(EMOJI))
    before, _ = shown(catalogue, 1000)
    catalogue.delete(ProfileKind.CPU, cpu(WEB))
    after, _ = shown(catalogue, 1000)

    assert (before, after) == (["emojivoto/web", "emojivoto/emoji"], ["emojivoto/emoji"])


def test_texts_that_are_no_numbers_have_no_gauge() -> None:
    """People can edit objects: neither an infinite nor a negative value is on the page."""
    for value in ("nan", "inf", "-1", "1e400", "many", ""):
        assert samples(cpu(WEB, value)) == []


def test_labels_of_hostile_names_are_escaped() -> None:
    """A name with a quote, a backslash and a line break is one label of one sample."""
    name = 'x"} 1\nforged_metric{a="\\'
    [family] = [
        family
        for family in text_string_to_metric_families(page(synced_catalogue(cpu(Workload("shop", name)))))
        if family.name == "job_profiler_profile_cpu_cores"
    ]

    assert [sample.labels["workload"] for sample in family.samples] == [name]


def test_the_largest_of_each_namespace_have_gauges() -> None:
    """`busy` has ten workloads that need 1 to 10 cores, `calm` one of 0.1; there is room for five series.

    `calm` demands one series and gets it; the four others are those of the largest workloads of `busy`.
    """
    busy = [cpu(Workload("busy", f"w{cores}"), f"{cores}.000") for cores in range(1, 11)]
    catalogue = synced_catalogue(*busy, cpu(Workload("calm", "web"), "0.100"))

    names, left_out = shown(catalogue, 5)

    assert set(names) == {"calm/web", "busy/w10", "busy/w9", "busy/w8", "busy/w7"}
    assert left_out == {"cpu": 6, "memory": 0, "connection": 0}


def test_a_workload_that_does_not_fit_leaves_the_series_to_others() -> None:
    """`wide` has 6 series, one of its own and five of its containers; `web` and `api` have one each."""
    wide = stored_workload(
        Workload("shop", "wide"), Resource.CPU, {f"c{number}": 1 for number in range(5)}, {}, None
    )
    small = [cpu(Workload("shop", name), "0.100") for name in ("api", "web")]

    names, left_out = shown(synced_catalogue(wide, *small, with_requests=True), 5)

    assert (set(names), left_out["cpu"]) == ({"shop/web", "shop/api"}, 1)


def test_a_large_request_counts_like_a_large_need() -> None:
    """`idle` requests 16 of 16.2 cores, `used` needs 1 of 1.003: the largest share of one sum counts.

    There is no room for the third, `small`, with the least of both. Each has five series: its need and its
    request, those of its container, and its replicas.
    """
    workloads = [
        stored_workload(Workload("shop", "idle"), Resource.CPU, {"main": 0.001}, {"main": "8"}, 2),
        stored_workload(Workload("shop", "used"), Resource.CPU, {"main": 1}, {"main": "100m"}, 1),
        stored_workload(Workload("shop", "small"), Resource.CPU, {"main": 0.001}, {"main": "100m"}, 1),
    ]
    names, left_out = shown(synced_catalogue(*workloads, with_requests=True), 10)

    assert (set(names), left_out["cpu"]) == ({"shop/idle", "shop/used"}, 1)


def test_kinds_share_the_series() -> None:
    """Of 6 series, connections, which demand 30, get those that CPU and memory, with one each, don't need."""
    connections = [
        stored(
            ConnectionProfile(
                Connection(WEB, Workload("shop", f"db-{number}")), f"{number}.00", "0", "0", BASIS
            )
        )
        for number in range(30)
    ]
    catalogue = synced_catalogue(*connections, *list(web_profiles())[:2])
    text = page(catalogue, max_series=6)
    lines = [line for line in text.splitlines() if line.startswith("job_profiler_connection_messages")]

    assert [line.split()[-1] for line in lines] == ["29.0", "28.0", "27.0", "26.0"]
    assert f'{LEFT_OUT}{{kind="connection"}} 26.0' in text
    assert "job_profiler_profile_cpu_cores{" in text
    assert "job_profiler_profile_memory_bytes{" in text


def test_what_is_left_out_does_not_depend_on_the_order() -> None:
    """Equal profiles have gauges in the order of their names, in whichever order they are listed."""
    equal = [cpu(Workload(namespace, f"w{number}")) for namespace in "ab" for number in range(10)]

    in_order, _ = shown(synced_catalogue(*equal), 7)
    reverse, _ = shown(synced_catalogue(*reversed(equal)), 7)

    assert sorted(in_order) == sorted(reverse) == ["a/w0", "a/w1", "a/w2", "a/w3", "b/w0", "b/w1", "b/w2"]


def test_there_are_at_most_so_many_series() -> None:
    """With any bound, the page has at most that many series beside the counts of what is left out."""
    manifests = [
        stored_workload(Workload(f"n{number % 3}", f"w{number}"), resource, NEEDS, {"proxy": "1"}, number)
        for number in range(12)
        for resource in Resource
    ]
    catalogue = synced_catalogue(*manifests, *web_profiles(), with_requests=True)
    for bound in range(0, 150, 7):
        text = page(catalogue, max_series=bound)
        count = sum(not line.startswith(("#", LEFT_OUT)) for line in text.splitlines())
        assert count <= bound
