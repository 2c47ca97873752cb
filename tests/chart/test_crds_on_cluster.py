"""The CRDs on a real API server: the output of kubectl, and refusals by the server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.profiles import PROFILES, manifest_of, plural_of, status_of
from tests.chart.rendered import REPOSITORY
from tests.chart.served import wait_for_crds
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.profile_crds import CRDS, remove_crds
from tests.cluster.waiting import wait_until

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

NAMESPACE = "crd-test"
every_kind = pytest.mark.parametrize("resource", PROFILES)


@pytest.fixture(scope="module")
def crds(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The CRDs of `crds/`, established, with one profile of each kind in its own namespace."""
    remove_crds(kubectl)
    kubectl.create_namespace(NAMESPACE)
    kubectl.run("apply", f"--filename={REPOSITORY / 'crds'}")
    try:
        wait_for_crds(kubectl)
        for resource in PROFILES:
            server_side_apply(kubectl, manifest_of(resource, NAMESPACE))
            server_side_apply(
                kubectl, _bare(resource) | {"status": status_of(resource)}, "--subresource=status"
            )
        yield kubectl
    finally:
        remove_crds(kubectl)
        kubectl.delete_namespaces(NAMESPACE)


def server_side_apply(kubectl: Kubectl, manifest: dict[str, Any], *options: str) -> str:
    """Applies the object as the profiler does, without validation by kubectl."""
    command = ("apply", "--server-side", "--field-manager=job-profiler", "--validate=false", "--filename=-")
    return kubectl.run(*command, *options, input=json.dumps(manifest))


def _bare(resource: str) -> dict[str, Any]:
    manifest = manifest_of(resource, NAMESPACE)
    return {key: manifest[key] for key in ("apiVersion", "kind")} | {
        "metadata": {key: manifest["metadata"][key] for key in ("name", "namespace")}
    }


@every_kind
def test_the_server_keeps_everything(crds: Kubectl, resource: str) -> None:
    """Spec and status are returned as they were written: no field is dropped or changed."""
    (stored,) = crds.json("get", plural_of(resource), f"--namespace={NAMESPACE}")["items"]

    assert stored["spec"] == manifest_of(resource, NAMESPACE)["spec"]
    assert stored["status"] == status_of(resource)


def test_the_schemas_are_accepted_without_complaint(crds: Kubectl) -> None:
    """Each CRD is established, and the server accepts its names and its schema."""
    for crd in CRDS:
        conditions = {
            condition["type"]: condition["status"]
            for condition in crds.json("get", crd)["status"]["conditions"]
        }
        assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize(
    ("resource", "options", "columns", "row"),
    [
        (
            "cpup",
            (),
            ["NAMESPACE", "KIND", "WORKLOAD", "NEED", "REQUEST", "REPLICAS", "CONFIDENCE", "AGE"],
            ["emojivoto", "Deployment", "web", "20m", "100m", "3", "0.97"],
        ),
        (
            "memp",
            (),
            ["NAMESPACE", "KIND", "WORKLOAD", "NEED", "REQUEST", "REPLICAS", "CONFIDENCE", "AGE"],
            ["emojivoto", "Deployment", "web", "17Mi", "128Mi", "3", "0.97"],
        ),
        (
            "connp",
            (),
            ["SOURCE", "DESTINATION", "REQUESTS+RESPONSES/MIN", "PROTOCOL", "SAMPLES", "CONFIDENCE", "AGE"],
            ["web", "voting", "47.12", "http", "2160", "0.97"],
        ),
        (
            "connp",
            ("--output=wide",),
            [
                *("SOURCE", "SOURCE NAMESPACE", "DESTINATION", "DESTINATION NAMESPACE"),
                *(
                    "REQUESTS+RESPONSES/MIN",
                    "PROTOCOL",
                    "COUNTED BY",
                    "P95 MESSAGES/MIN",
                    "BYTES SENT/S",
                    "BYTES RECEIVED/S",
                ),
                *("SAMPLES", "CONFIDENCE", "AGE"),
            ],
            [
                *("web", "emojivoto", "voting", "emojivoto", "47.12"),
                *("http", "service-graph", "94.24", "5120", "0", "2160", "0.97"),
            ],
        ),
    ],
    ids=["cpu", "memory", "connection", "connection-wide"],
)
def test_columns(
    crds: Kubectl, resource: str, options: tuple[str, ...], columns: list[str], row: list[str]
) -> None:
    """`kubectl get` by the short name shows a profile's ends, value, confidence; -o wide its bytes."""
    header, line = crds.run("get", resource, f"--namespace={NAMESPACE}", *options).splitlines()

    assert header.split() == " ".join(["NAME", *columns]).split()
    assert line.split()[1:-1] == row


def test_wide_columns_have_the_exact_value(crds: Kubectl) -> None:
    """The value of the contract and the number of samples come last."""
    header, line = crds.run("get", "cpup", f"--namespace={NAMESPACE}", "--output=wide").splitlines()

    assert header.split()[-3:] == ["AGE", "VALUE", "SAMPLES"]
    assert line.split()[-2:] == ["0.020", "2160"]


def test_profiles_are_selected_by_the_labels_of_their_workload(crds: Kubectl) -> None:
    """Of web there are a CPU and a memory profile, and the connection that it opens; of voting none."""

    def names(workload: str) -> list[str]:
        selector = f"--selector=job-profiler.liqo.io/workload={workload}"
        listed = crds.run("get", "profiling", "--all-namespaces", selector, "--output=name")
        return sorted(name.split(".")[0] for name in listed.split())

    assert names("web") == ["connectionprofile", "cpuprofile", "memoryprofile"]
    assert names("voting") == []


def test_all_profiles_are_one_category(crds: Kubectl) -> None:
    """`kubectl get profiling -A` lists the three kinds."""
    listed = crds.run("get", "profiling", "--all-namespaces", "--output=name").split()

    assert sorted(name.split(".")[0] for name in listed) == [
        "connectionprofile",
        "cpuprofile",
        "memoryprofile",
    ]


@every_kind
def test_explain_tells_what_the_fields_mean(crds: Kubectl, resource: str) -> None:
    """`kubectl explain` shows the descriptions of the schema."""
    spec = {
        "cpu": ("cpuprofile.spec.cpuProfiling", "Cores that one replica needs, with three decimals"),
        "memory": ("memoryprofile.spec.memoryProfiling", "Bytes that one replica needs, as a whole number"),
        "connection": ("connectionprofile.spec", "Average number of requests and responses per minute"),
    }
    path, sentence = spec[resource]

    wait_until(
        lambda: sentence in " ".join(crds.run("explain", path).split()),
        20,
        f"{path} to be explained",  # the server publishes schemas some time after the CRDs are established
        despite=(KubectlError,),
    )


@pytest.mark.parametrize(
    ("resource", "change", "named"),
    [
        ("cpu", {"cpuProfiling": {"updateTime": "2026-03-01T12:00:00Z", "value": "0.02"}}, "value"),
        ("cpu", {"cpuProfiling": {"updateTime": "2021-04-06 06:53:01 UTC", "value": "0.020"}}, "updateTime"),
        ("cpu", {"cpuProfiling": {"updateTime": "2026-03-01T12:00:00Z"}}, "value"),
        ("memory", {"memoryProfiling": {"updateTime": "2026-03-01T12:00:00Z", "value": "0"}}, "value"),
        ("connection", {"bandwidth_requirement": "47"}, "bandwidth_requirement"),
        ("connection", {"source_namespace": "Emojivoto"}, "source_namespace"),
    ],
)
def test_the_server_refuses_bad_values(
    crds: Kubectl, resource: str, change: dict[str, Any], named: str
) -> None:
    """A profile that violates the schema is not stored, and the error names the field."""
    manifest = manifest_of(resource, NAMESPACE)
    manifest["metadata"]["name"] = "refused"
    manifest["spec"] = manifest["spec"] | change

    with pytest.raises(KubectlError, match=rf"(?s)\"refused\" is invalid.*spec\.\S*{named}"):
        crds.run("create", "--validate=false", "--filename=-", input=json.dumps(manifest))


def test_a_status_of_bad_form_is_refused(crds: Kubectl) -> None:
    """The server also validates the status."""
    broken = status_of("cpu") | {"confidence": "97%"}

    with pytest.raises(KubectlError, match=r"status\.confidence"):
        server_side_apply(crds, _bare("cpu") | {"status": broken}, "--subresource=status")
