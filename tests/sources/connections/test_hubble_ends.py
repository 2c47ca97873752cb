"""The ends of Hubble's edges by the labels that operators choose, and which of two agents counts."""

import numpy as np
import pytest

from app.domain.workloads import SERVICE, Workload
from app.sources.connections.hubble_ends import HubbleEnd, HubbleEnds
from app.sources.connections.pod_addresses import PodAddresses
from app.sources.query_result import SeriesMatrix

NAN = np.nan
NO_ADDRESSES = PodAddresses.of(SeriesMatrix((), np.empty((0, 2))))
WEB_POD, CART_POD = "web-6b6f9d7d5c-2x8qz", "cart-5f5b555dff-fcg7c"


def labels(
    namespace: str = "", pod: str = "", workload: str = "", kind: str = "", ip: str = "", context: str = ""
) -> tuple[str, ...]:
    return namespace, pod, workload, kind, ip, context


def addresses(**pods: list[float]) -> PodAddresses:
    """Pods of `shop` with the address 10.0.0.7 in two steps."""
    keys = tuple(("10.0.0.7", "shop", pod) for pod in pods)
    return PodAddresses.of(SeriesMatrix(keys, np.array(list(pods.values()))))


@pytest.mark.parametrize(
    ("given", "workload", "pods"),
    [
        (labels("shop", WEB_POD, "web", "Deployment"), Workload("shop", "web", "Deployment"), (WEB_POD,)),
        (labels("shop", WEB_POD), Workload("shop", "", ""), (WEB_POD,)),
        (labels("shop", "", "web"), Workload("shop", "web", ""), ()),
        (labels(context=f"shop/{WEB_POD}"), Workload("shop", WEB_POD, SERVICE), (WEB_POD,)),
        (labels("shop", context="web"), Workload("shop", "web", SERVICE), ("web",)),
        (labels("shop", context="10.0.0.9"), None, ()),
        (labels("shop", ip="10.0.0.9"), None, ()),
        (labels(ip="2001:db8::9"), None, ()),
        (labels(context="web"), None, ()),
        (labels(context="reserved:host"), None, ()),
        (labels(context="k8s:app=web,k8s:io.kubernetes.pod.namespace=shop"), None, ()),
        (labels(workload="web"), None, ()),
        (labels(), None, ()),
    ],
    ids=[
        *("pod and workload", "pod", "workload", "context with a pod", "context with a name"),
        *("context with an address", "address", "ipv6", "name without namespace", "reserved", "identity"),
        *("workload without namespace", "nothing"),
    ],
)
def test_labels(given: tuple[str, ...], workload: Workload | None, pods: tuple[str, ...]) -> None:
    """What is known of an end: its workload or a name of it, and its Pod."""
    ends = HubbleEnds(NO_ADDRESSES, 2)

    [(end, flags)] = ends.of(given).items()

    naming = ends.naming()
    assert flags is None
    assert naming.source(tuple(end)) == workload
    assert tuple(naming.pods.get(tuple(end), ())) == pods


def test_an_address_is_that_of_a_pod_in_each_step() -> None:
    """The Pod of the first step, nothing in the second; with a workload, that."""
    ends = HubbleEnds(addresses(web=[1, NAN]), 2)

    [first, second] = ends.of(labels("shop", ip="10.0.0.7"))
    named = ends.of(labels("shop", workload="web", kind="Deployment", context="10.0.0.7"))

    assert (first, second.kind) == (HubbleEnd("shop", "web"), "unknown")
    assert list(named) == [HubbleEnd("shop", "web"), HubbleEnd("shop", "", "web", "Deployment")]
    assert [flags.tolist() for flags in named.values() if flags is not None] == [[True, False], [False, True]]
    assert ends.naming().source(tuple(first)) == Workload("shop", "web", "Deployment")


def requests(*rows: tuple[tuple[str, ...], tuple[str, ...], str, list[float]]) -> SeriesMatrix:
    keys = tuple((source[0], *source, *to, reporter) for source, to, reporter, _ in rows)
    return SeriesMatrix(keys, np.array([values for *_, values in rows]), unusable=1)


def test_the_agent_that_saw_more_counts() -> None:
    """Of 2 and 1, and 1 and 3, the larger in each step, never the sum."""
    web, cart = labels("shop", WEB_POD), labels("shop", CART_POD)
    ends = HubbleEnds(NO_ADDRESSES, 2)

    edges = ends.edges(requests((web, cart, "client", [2, 1]), (web, cart, "server", [1, 3])))

    assert edges.keys == (("shop", WEB_POD, "", "", "shop", CART_POD, "", ""),)
    np.testing.assert_array_equal(edges.values, [[2, 3]])
    assert edges.unusable == 1


def test_agents_that_name_the_ends_differently() -> None:
    """Each agent knows the workload on its own node and the Pod on the other: one of both counts.

    The server's agent alone reports the second step.
    """
    client = labels("shop", context="web"), labels("storage", context="db-0")
    server = labels("shop", context=WEB_POD), labels("storage", context="db")
    ends = HubbleEnds(NO_ADDRESSES, 2)

    edges = ends.edges(requests((*client, "client", [2, NAN]), (*server, "server", [2, 5])))

    np.testing.assert_array_equal(edges.values, [[2, NAN], [NAN, 5]])


def test_other_edges_have_their_own_agent() -> None:
    """The client's agent sees calls of one Deployment, the server's those of another: both count."""
    web, cart, db = labels("shop", WEB_POD), labels("shop", CART_POD), labels("storage", "db-0")
    ends = HubbleEnds(NO_ADDRESSES, 2)

    edges = ends.edges(requests((web, db, "client", [1, 1]), (cart, db, "server", [4, 4])))

    np.testing.assert_array_equal(edges.values, [[1, 1], [4, 4]])


def test_an_address_that_moves_makes_two_edges() -> None:
    """The first step is that of `web`, the second that of `cart`."""
    ends = HubbleEnds(addresses(**{WEB_POD: [1, NAN], CART_POD: [NAN, 1]}), 2)

    edges = ends.edges(requests((labels(ip="10.0.0.7"), labels("storage", "db-0"), "client", [1, 2])))

    assert [key[1] for key in edges.keys] == [WEB_POD, CART_POD]
    np.testing.assert_array_equal(edges.values, [[1, NAN], [NAN, 2]])


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        (WEB_POD, "web"),
        ("db-0", "db"),
        ("agent-x7c2k", "agent"),
        ("my-cache", "my-cache"),
        ("web-api-5f5b555dff-fcg7c", "web-api"),
    ],
)
def test_a_name_without_what_controllers_add(pod: str, name: str) -> None:
    """A hash and five characters of a Deployment, a number, or five characters; words stay."""
    assert HubbleEnd("shop", pod).group == ("shop", name)
