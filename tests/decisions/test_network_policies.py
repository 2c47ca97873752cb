"""NetworkPolicies that allow what was seen, and warnings in place of those that could cut traffic.

In the namespace `shop`, `bot` calls `web`, and `web` calls `api`; all are meshed with Linkerd.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.decisions.network_policies import NetworkPolicyResult, PolicyInput, network_policy, policy_name
from app.decisions.outside_traffic import Callers, Exposure, SourceHealth, Surroundings, read_health
from app.decisions.templates import workload_object
from app.decisions.unseen_peers import SeenEdge, unseen_peers
from app.domain.workloads import Workload
from tests.decisions.manifests import Object, container, deployment
from tests.decisions.meshed import EDGES, NOW, PODS, called, pod, running, surroundings

WEB = Workload("shop", "web")
HEALTHY = SourceHealth(since=NOW - timedelta(days=2))
SELECTORS = {Workload("shop", name): {"matchLabels": {"app": name}} for name in ("api", "bot", "web")}


def policy(
    around: Surroundings | None = None, edges: tuple[SeenEdge, ...] = EDGES, **template: Any
) -> NetworkPolicyResult:
    """That of `web`."""
    found = workload_object("Deployment", deployment("web", container(), **template))
    return network_policy(found, PolicyInput(edges, SELECTORS), around or surroundings())


def spec(result: NetworkPolicyResult) -> Object:
    assert result.policy is not None
    return dict(result.policy["spec"])


def test_both_ends_of_what_was_seen_are_allowed() -> None:
    """`bot` may call `web`, and `web` may call `api`, the mesh's control plane, and resolvers."""
    result = policy()

    assert result.warnings == ()
    found = spec(result)
    assert found["podSelector"] == {"matchLabels": {"app": "web"}}
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert found["ingress"][0] == {"from": [{"podSelector": {"matchLabels": {"app": "bot"}}}]}
    assert found["egress"][0]["to"] == [
        {"podSelector": {"matchLabels": {"app": "api"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "linkerd"}}},
    ]
    assert {"protocol": "UDP", "port": 53} in found["egress"][1]["ports"]
    assert {"protocol": "TCP", "port": 53} in found["egress"][1]["ports"]


def test_what_no_mesh_sees_stays_open() -> None:
    """UDP both ways; the proxy's metrics to whoever scrapes; and two ports that Linkerd leaves alone."""
    found = spec(policy())

    assert {"protocol": "UDP"} in found["ingress"][1]["ports"]
    assert {"protocol": "TCP", "port": 4191} in found["ingress"][1]["ports"]
    assert {"protocol": "TCP", "port": 4567} in found["ingress"][1]["ports"]
    assert {"protocol": "UDP"} in found["egress"][2]["ports"]
    assert {"protocol": "TCP", "port": 4568} in found["egress"][2]["ports"]


def test_the_share_of_unseen_peers_is_stated() -> None:
    """Of 4 other workloads `grafana` has no proxy, and `batch` runs where no proxy is known to be scraped."""
    pods = (*PODS, pod("grafana", namespace="monitoring", mesh=""), pod("batch", namespace="night"))

    result = policy(surroundings(*pods))

    assert result.policy is not None
    assert result.policy["metadata"]["annotations"] == {
        "job-profiler.liqo.io/unseen-peers": "2 of 4 other workloads can't be seen: 1 without a proxy of the"
        " mesh, 1 of which not every call passes a proxy that is scraped"
    }


def test_calls_of_unseen_pods_stay_allowed() -> None:
    """Those without the mesh's label in every namespace, and the namespace of `batch`."""
    pods = (*PODS, pod("grafana", namespace="monitoring", mesh=""), pod("batch", namespace="night"))

    callers = spec(policy(surroundings(*pods)))["ingress"][0]["from"]

    absent = [{"key": "linkerd.io/control-plane-ns", "operator": "DoesNotExist"}]
    assert callers[1:] == [
        {"namespaceSelector": {}, "podSelector": {"matchExpressions": absent}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "night"}}},
    ]


@pytest.mark.parametrize(
    "caller",
    [
        pod("odd", annotations={"config.linkerd.io/skip-outbound-ports": "5432"}),
        pod("odd", mesh="")
        | {"metadata": {"name": "odd", "namespace": "shop", "labels": {"linkerd.io/control-plane-ns": "x"}}},
        pod("odd", init=({"name": "linkerd-init", "args": ["--outbound-ports-to-ignore=443"]},)),
    ],
    ids=["an annotation", "the label without a proxy", "a setting of the whole mesh"],
)
def test_a_caller_that_passes_its_proxy_by_is_not_cut(caller: Object) -> None:
    """Its label says that it is seen: all of its namespace is allowed."""
    callers = spec(policy(surroundings(*PODS, caller)))["ingress"][0]["from"]

    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}} in callers


def test_peers_of_other_namespaces_and_unknown_ones() -> None:
    """One by namespace and labels; one whose object is not known by its namespace alone."""
    edges = (*EDGES, called("night/etl", "web"), called("shop/gone", "web"))
    around = surroundings(*PODS, pod("etl", namespace="night"), edges=edges)

    callers = spec(policy(around, edges))["ingress"][0]["from"]

    night = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "night"}}}
    assert callers == [night, {"podSelector": {"matchLabels": {"app": "bot"}}}, {"podSelector": {}}]


SERVICE: Object = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}


def exposed(**service: Any) -> Exposure:
    return Exposure([SERVICE | {"spec": SERVICE["spec"] | service}])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exposure": exposed(type="LoadBalancer")}, "Service web is of type LoadBalancer"),
        ({"exposure": exposed(type="NodePort")}, "Service web is of type NodePort"),
        ({"exposure": exposed(externalIPs=["192.0.2.1"])}, "Service web has externalIPs"),
        (
            {"exposure": Exposure([SERVICE], [Callers("Ingress shop", frozenset({"web"}))])},
            "Ingress shop leads to Service web",
        ),
        ({"exposure": Exposure(unread=["Services can't be listed"])}, "Services can't be listed"),
        ({"on_host": {Workload("shop", "bot")}}, "peers on the host network can't be named"),
    ],
)
def test_calls_from_elsewhere_leave_a_warning(changes: dict[str, Any], reason: str) -> None:
    """No Ingress, and the calls of `web` itself keep their rules."""
    result = policy(surroundings(**changes))

    assert reason in dict(result.warnings)["calls to it"]
    assert spec(result)["policyTypes"] == ["Egress"]


@pytest.mark.parametrize(
    ("unlabelled", "direction"),
    [("night", "calls to it"), ("linkerd", "its calls"), ("kube-system", "its calls")],
)
def test_namespaces_that_no_rule_can_name(unlabelled: str, direction: str) -> None:
    """Before Kubernetes 1.21 the label is there only if a user sets it: a rule would allow nothing."""
    edges = (*EDGES, called("night/etl", "web"))
    around = surroundings(edges=edges, unlabelled=[unlabelled], unread_namespaces=["kube-system"])

    result = policy(around, edges)

    assert [warned for warned, _ in result.warnings] == [direction]
    assert f"metadata.name can't be named: {unlabelled}" in result.warnings[0][1]
    assert policy(surroundings(unlabelled=["shop"])).warnings == ()


def test_callers_on_the_host_network() -> None:
    """No rule can name them; those of kube-system are known to call nothing."""
    host: dict[str, Any] = {"hostNetwork": True, "mesh": ""}
    quiet = (*PODS, pod("proxy", namespace="kube-system", **host))

    result = policy(surroundings(*quiet, pod("agent", namespace="night", **host)))

    assert "workloads on the host network may call it" in dict(result.warnings)["calls to it"]
    assert "night/agent" in dict(result.warnings)["calls to it"]
    assert policy(surroundings(*quiet)).warnings == ()


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (SourceHealth(since=NOW - timedelta(hours=5)), "are watched for only since"),
        (SourceHealth(), "is not in the profiler's status"),
        (SourceHealth(unknown_ends={"shop"}, since=HEALTHY.since), "its namespace calls ends that nothing"),
        (SourceHealth(doubted={"shop": "OverShare"}, since=HEALTHY.since), "were left out of the profiles"),
    ],
)
def test_calls_that_the_status_can_not_rule_out(health: SourceHealth, reason: str) -> None:
    """Hosts outside the cluster are in no profile: only the profiler's status says that there are none."""
    result = policy(surroundings(health=health))

    assert reason in dict(result.warnings)["its calls"]
    assert spec(result)["policyTypes"] == ["Ingress"]


@pytest.mark.parametrize(
    ("web", "reason"),
    [
        (
            pod("web", init=(container("migrate"),)),
            "its init containers may call before the proxy runs: migrate",
        ),
        (
            pod("web", annotations={"config.linkerd.io/skip-subnets": "10.0.0.0/8"}),
            "may lead calls past the proxy",
        ),
        (
            pod(
                "web",
                container_fields={"env": [{"name": "LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR", "value": "x"}]},
            ),
            "send traces",
        ),
        (pod("web", mesh="istio"), "Istio's proxies call istiod"),
    ],
)
def test_calls_past_the_proxy_leave_a_warning(web: Object, reason: str) -> None:
    """No Egress."""
    result = policy(surroundings(pod("bot"), web, pod("api")))

    assert reason in dict(result.warnings)["its calls"]
    assert "Egress" not in spec(result)["policyTypes"]


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        ((pod("bot"),), "no Pod of it runs"),
        ((pod("web"), pod("web", mesh="")), "1 of 2 Pods have no proxy of a mesh"),
        ((pod("web", hostNetwork=True),), "it is on the host network"),
        ((pod("web", container_fields={"ports": [{"protocol": "SCTP"}]}),), "it has an SCTP port"),
    ],
)
def test_a_workload_that_is_not_seen_gets_no_policy(pods: tuple[Object, ...], reason: str) -> None:
    """The warning is for both directions."""
    result = policy(surroundings(*pods))

    assert result.policy is None
    assert reason in dict(result.warnings)[""]


def test_a_shared_selector_gets_no_policy() -> None:
    """Pods of `twin` have the labels of `web`: its policy would cut theirs."""
    twin = pod("twin")
    twin["metadata"]["labels"]["app"] = "web"

    result = policy(surroundings(*PODS, twin))

    assert result.policy is None
    assert "its selector also selects Pods of shop/twin" in dict(result.warnings)[""]


def test_a_direction_without_connections_stays_open() -> None:
    """`api` calls no workload as far as is seen: that is no proof that it never does."""
    found = workload_object("Deployment", deployment("api", container()))

    result = network_policy(found, PolicyInput(EDGES, SELECTORS), surroundings())

    assert spec(result)["policyTypes"] == ["Ingress"]
    assert result.warnings == (("its calls", "none were seen"),)


@pytest.mark.parametrize(
    ("changes", "reason"), [({"hours": 3.0}, "for only 3 hours"), ({"coverage": 0.4}, "only 40% of the time")]
)
def test_a_short_past_and_missing_scrapes(changes: dict[str, float], reason: str) -> None:
    """What happens once a day has not been seen yet, or not been scraped."""
    edges = (called("bot", "web"), called("web", "api", **changes))

    assert reason in dict(policy(surroundings(edges=edges), edges).warnings)["its calls"]


def test_the_status_of_the_source() -> None:
    """Anything but `Ok` leaves all open; so does a list that may be cut off."""
    since = "2026-11-20T00:00:00Z"
    state = {"signal": "connections", "state": "Ok", "since": since}
    ends = {"since": "2026-11-21T00:00:00Z", "namespaces": ["night"]}
    report = {"signals": [state], "droppedEdges": {"OverShare": ["lab"]}, "edgesOfUnknownEnds": ends}

    found = read_health(report)

    assert (found.fault, found.doubted, found.unknown_ends) == ("", {"lab": "OverShare"}, {"night"})
    assert found.since is not None
    assert found.since.day == 21
    assert read_health(None).fault
    assert read_health(report | {"profiles": {"cpu": 3, "connection": 4}}, max_profiles=7).fault
    assert not read_health(report | {"profiles": {"cpu": 3, "connection": 3}}, max_profiles=7).fault
    assert read_health({"signals": [state | {"state": "Failing", "message": "no answer"}]}).fault
    assert read_health(report | {"droppedEdges": {"OverShare": [str(one) for one in range(20)]}}).fault
    assert policy(surroundings(health=read_health(None))).policy is None


def test_a_peer_that_may_be_on_the_host_network() -> None:
    """Pods of other namespaces can't be listed: a rule by labels might allow nothing."""
    edges = (called("bot", "web"), called("web", "night/db"))
    around = surroundings(edges=edges)
    around = replace(around, peers=replace(around.peers, is_complete=False))

    assert "night are on the host network is not known" in dict(policy(around, edges).warnings)["its calls"]


def test_exceptions_of_a_cni_plugin_are_not_in_pods() -> None:
    """Its Pods have a validator in place of the container that redirects traffic, and no exceptions."""
    web = pod("web", init=({"name": "linkerd-network-validator"},))

    warnings = dict(policy(surroundings(pod("bot"), web, pod("api"))).warnings)

    assert (
        "the CNI plugin of linkerd-network-validator may lead calls past the proxy" in warnings["its calls"]
    )


def test_without_the_pods_of_other_namespaces_unseen_ones_stay_allowed() -> None:
    """Whether there are Pods without a proxy is not known."""
    peers = unseen_peers(running(*PODS), EDGES, doubted=(), is_ignored=lambda _: False, is_complete=False)

    assert peers.rules()[0]["namespaceSelector"] == {}
    assert peers.share(WEB).endswith("those of other namespaces are not known")


def test_names_of_policies() -> None:
    """The kind is a part of it; a name of 253 characters is cut, with a hash."""
    longest = policy_name(Workload("shop", "w" * 253))

    assert policy_name(WEB) == "job-profiler-deployment-web"
    assert len(longest) == 253
    assert longest != policy_name(Workload("shop", "w" * 252))
