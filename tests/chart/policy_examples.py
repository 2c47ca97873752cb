"""The NetworkPolicies in docs/pages/security.md: the Pods that they select, the clients that they allow.

Only the forms of selectors that the examples use are understood; another form is an error.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from tests.chart.rendered import REPOSITORY

KUBERNETES, CILIUM, CALICO = "networking.k8s.io/v1", "cilium.io/v2", "projectcalico.org/v3"
DOCUMENT = REPOSITORY / "docs" / "pages" / "security.md"
# Fields of each kind, as its API has them: a misspelt field would be ignored, and the rule would be open.
FIELDS = {
    KUBERNETES: {
        "podSelector",
        "policyTypes",
        "ingress",
        "egress",
        "ports",
        "port",
        "protocol",
        "from",
        "ipBlock",
    }
    | {"cidr", "namespaceSelector", "matchLabels"},
    CILIUM: {"endpointSelector", "ingressDeny", "fromEndpoints", "toPorts", "ports", "port", "protocol"}
    | {"matchLabels", "matchExpressions", "key", "operator", "values"},
    CALICO: {"order", "selector", "types", "ingress", "action", "protocol", "source", "namespaceSelector"}
    | {"destination", "ports"},
}
_CONDITION = re.compile(r"(?P<key>[\w./-]+) (?P<operator>==|!=) '(?P<value>[^']*)'")

Labels = Mapping[str, str]
Policy = dict[str, Any]


class Peer(NamedTuple):
    """Where a connection comes from: a Pod, or an address outside of the Pod network."""

    namespace: str = ""
    labels: Labels = MappingProxyType({})
    address: str = ""


def examples() -> dict[str, Policy]:
    """The example of each kind by its API version."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    documents = [document for block in blocks for document in yaml.safe_load_all(block)]
    return {document["apiVersion"]: document for document in documents}


def selects(policy: Policy, labels: Labels) -> bool:
    """True if the policy is one for the Pods of its namespace with these labels."""
    spec = policy["spec"]
    match policy["apiVersion"]:
        case "networking.k8s.io/v1":
            return _matches(spec["podSelector"], labels)
        case "cilium.io/v2":
            return _matches(spec["endpointSelector"], labels)
        case _:
            return _calico(spec["selector"], labels)


def ports(policy: Policy) -> set[int | str]:
    """The ports of all rules, by number or by name."""
    match policy["apiVersion"]:
        case "networking.k8s.io/v1":
            return {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        case "cilium.io/v2":
            rules = policy["spec"]["ingressDeny"]
            return {int(port["port"]) for rule in rules for to in rule["toPorts"] for port in to["ports"]}
        case _:
            return {port for rule in policy["spec"]["ingress"] for port in rule["destination"]["ports"]}


def lets_in(policy: Policy, peer: Peer) -> bool:
    """True if the peer may connect: by a rule of Kubernetes that allows it, or without one that denies it."""
    spec = policy["spec"]
    match policy["apiVersion"]:
        case "networking.k8s.io/v1":
            return any(_allows(source, peer) for rule in spec["ingress"] for source in rule["from"])
        case "cilium.io/v2":
            identity = _cilium_identity(peer)
            selectors = [selector for rule in spec["ingressDeny"] for selector in rule["fromEndpoints"]]
            return not any(_matches(selector, identity) for selector in selectors)
        case _:
            assert {rule["action"] for rule in spec["ingress"]} == {"Deny"}
            return not any(_is_calico_source(rule["source"], peer) for rule in spec["ingress"])


def _allows(source: dict[str, Any], peer: Peer) -> bool:
    if "ipBlock" in source:
        network = ipaddress.ip_network(source["ipBlock"]["cidr"])
        return bool(peer.address) and ipaddress.ip_address(peer.address) in network
    return bool(peer.namespace) and (
        _matches(source["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace})
        and _matches(source["podSelector"], peer.labels)
    )


def _cilium_identity(peer: Peer) -> Labels:
    """The labels of a peer's identity: those of Pods are prefixed, an address has none of them."""
    if not peer.namespace:
        return {"reserved:world": ""}
    labels = {f"k8s:{key}": value for key, value in peer.labels.items()}
    return labels | {"k8s:io.kubernetes.pod.namespace": peer.namespace}


def _is_calico_source(source: dict[str, Any], peer: Peer) -> bool:
    """A namespaceSelector selects Pods only."""
    namespace = {"kubernetes.io/metadata.name": peer.namespace}
    return bool(peer.namespace) and (
        _calico(source["namespaceSelector"], namespace) and _calico(source["selector"], peer.labels)
    )


def _matches(selector: dict[str, Any], labels: Labels) -> bool:
    assert selector.keys() <= {"matchLabels", "matchExpressions"}, selector
    expressions = selector.get("matchExpressions", ())
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _OPERATORS[expression["operator"]](labels.get(expression["key"]), expression.get("values", ()))
        for expression in expressions
    )


_OPERATORS: dict[str, Callable[[str | None, Any], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,  # also without the label
    "Exists": lambda value, _values: value is not None,
}


def _calico(selector: str, labels: Labels) -> bool:
    return selector == "all()" or all(_conditions(selector, labels))


def _conditions(selector: str, labels: Labels) -> Iterator[bool]:
    for text in selector.split(" && "):
        condition = _CONDITION.fullmatch(text)
        assert condition, f"the test does not know {text}"
        is_equal = labels.get(condition["key"]) == condition["value"]
        yield is_equal == (condition["operator"] == "==")
