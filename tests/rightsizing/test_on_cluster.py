"""Random Pods on a real API server: if it admits the original Pod, it admits the patched one."""

import copy
import json
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.loopback_http import request_json
from tests.cluster.waiting import wait_until
from tests.rightsizing import api_server
from tests.rightsizing.generated import AMOUNTS, Case, case_of
from tests.rightsizing.manifests import Object, constraints, resized

pytestmark = pytest.mark.cluster

NAMESPACES = 12
PODS_EACH = 15
FIRST_MINOR_THAT_SUMS_AS_NOW = 27
FIRST_MINOR_WITH_SIDECARS = 29
REFUSALS = ("usage per", "ratio per", "must specify", "must be less than or equal to")


@dataclass(frozen=True)
class Bounded:
    """Cases that share a namespace and its LimitRanges and ResourceQuotas."""

    namespace: str
    cases: list[Case]


@pytest.fixture(scope="module")
def bounded(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[list[Bounded]]:
    """Namespaces with the constraints of one case and the Pods of several, once constraints are enforced."""
    drawn = [case_of(seed, AMOUNTS) for seed in range(NAMESPACES * PODS_EACH)]
    bounds = [case for case in drawn if case.limit_ranges][:NAMESPACES]
    batches = [
        Bounded(
            f"rightsizing-{number}",
            [
                replace(case, limit_ranges=bound.limit_ranges, quotas=bound.quotas)
                for case in (bound, *drawn[number::NAMESPACES])[:PODS_EACH]
            ],
        )
        for number, bound in enumerate(bounds)
    ]
    kubectl.apply(
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": batch.namespace}}
            for batch in batches
        )
    )
    kubectl.apply(*(manifest for batch in batches for manifest in bounds_in(batch)))
    wait_until(lambda: are_enforced(kubectl, batches), 60, "the controllers to see all namespaces")
    yield batches
    kubectl.delete_namespaces(*(batch.namespace for batch in batches))


def bounds_in(bounded: Bounded) -> Iterator[Object]:
    case = bounded.cases[0]
    for number, manifest in enumerate((*case.limit_ranges, *case.quotas)):
        metadata = {"name": f"bound-{number}", "namespace": bounded.namespace}
        yield {"apiVersion": "v1", "metadata": metadata, **manifest}


def are_enforced(kubectl: Kubectl, batches: list[Bounded]) -> bool:
    """Each namespace has the service account that Pods need, and each quota was counted."""
    accounts = kubectl.api.list("serviceaccounts")
    quotas = kubectl.api.list("resourcequotas")
    ready = {each["metadata"]["namespace"] for each in accounts}
    return {each.namespace for each in batches} <= ready and all(
        each["status"].get("hard") for each in quotas
    )


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane) -> "Server":
    """The real API server."""
    return Server(control_plane)


class Server:
    """Dry-run creations of Pods on the API server."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._minor = int(control_plane.version.split(".")[1])
        self.sums_like = api_server.SERVERS[self._minor >= FIRST_MINOR_THAT_SUMS_AS_NOW]

    def supported(self, pod: Object) -> Object:
        """The Pod without claims (their devices do not exist) and without sidecars if the server has none."""
        accepted = copy.deepcopy(pod)
        for container in accepted["spec"]["containers"] + accepted["spec"].get("initContainers", []):
            (container.get("resources") or {}).pop("claims", None)
            if self._minor < FIRST_MINOR_WITH_SIDECARS:
                container.pop("restartPolicy", None)
        return accepted

    def admits(self, namespace: str, pod: Object) -> Object | None:
        """The Pod as it would be stored; None if it is rejected because of its requests or limits."""
        plane = self._control_plane
        url = f"{plane.server_url}/api/v1/namespaces/{namespace}/pods?dryRun=All"
        try:
            stored: Object = request_json(url, ca_file=plane.ca_file, token=ADMIN_TOKEN, body=pod)
        except urllib.error.HTTPError as error:
            message = json.load(error)["message"]
            if any(each in message for each in REFUSALS):
                return None
            raise AssertionError(message) from error
        return stored


def test_the_server_admits_every_patched_pod_that_it_admits_as_given(
    server: Server, bounded: list[Bounded]
) -> None:
    """180 Pods in 12 namespaces; at least a quarter of the admitted ones are patched."""
    admitted = patched_too = 0
    for each in bounded:
        for case in each.cases:
            seen = api_server.with_defaults(server.supported(case.pod), case.limit_ranges)
            bounds = constraints(
                *case.limit_ranges, *case.quotas, autoscaled=tuple(case.autoscaled), governed=case.governed
            )
            patched, decided = resized(seen, case.needs, bounds, case.policy)
            if server.admits(each.namespace, server.supported(case.pod)) is not None:
                admitted += 1
                patched_too += bool(decided.changes)
                assert server.admits(each.namespace, patched) is not None, (decided, case)

    assert admitted > PODS_EACH
    assert patched_too > admitted / 4


def test_the_server_agrees_with_the_independent_model(server: Server, bounded: list[Bounded]) -> None:
    """The model of the API server rejects and admits the same Pods, with the same quality of service."""
    for each in bounded:
        for case in each.cases:
            sent = server.supported(case.pod)
            stored = server.admits(each.namespace, sent)
            seen = api_server.with_defaults(sent, case.limit_ranges)
            complaints = api_server.complaints(seen, case.limit_ranges, case.quotas, server.sums_like)
            assert (stored is None) == bool(complaints), (complaints, case)
            if stored is not None:
                assert stored["status"]["qosClass"] == api_server.quality_of_service(seen), case
