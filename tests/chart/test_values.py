"""Wrong values are refused before anything reaches a cluster, by a message that names the value."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.chart.rendered import CHART, IMAGE
from tests.cluster.helm import Helm, HelmError

pytestmark = pytest.mark.chart


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("topology", "triple"),
        ("fullnameOverride", "p" * 45),
        ("nameOverride", "Not_a_name"),
        ("image.pullPolicy", "Sometimes"),
        ("image.digest", "sha256:short"),
        ("image.repository", "registry.example/p@sha256:0"),
        ("imagePullSecrets", "registry"),
        ("prometheus.url", "ftp://prometheus"),
        ("prometheus.port", 0),
        ("prometheus.connectionsUrl", "ftp://prometheus"),
        ("prometheus.cluster", 1),
        ("prometheus.clusterLabel", "a-b"),
        ("linkerd.viz", "yes"),
        ("profiling.namespaces", ["Not_a_namespace"]),
        ("profiling.namespaces", "emojivoto"),
        ("profiling.excludedNamespaces", ["a", "a"]),
        ("profiling.namespaceSelector", "team=web"),
        ("profiling.namespaceSelector.matchLabels", {"team": 1}),
        ("profiling.namespaceSelector.matchLabels", {"team": "web,db"}),
        ("profiling.namespaceSelector.matchExpressions", {"key": "team"}),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "team"}]),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "a b", "operator": "Exists"}]),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "team", "operator": "Equals"}]),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "team", "operator": "In"}]),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "t", "operator": "NotIn", "values": []}]),
        ("profiling.namespaceSelector.matchExpressions", [{"key": "t", "operator": "In", "values": [""]}]),
        (
            "profiling.namespaceSelector.matchExpressions",
            [{"key": "t", "operator": "Exists", "values": ["a"]}],
        ),
        ("profiling.profilesNamespace", "-"),
        ("profiling.updateSeconds", 0),
        ("profiling.historyDays", 15),
        ("profiling.timeslots", 5),
        ("profiling.timeslots", "4"),
        ("profiling.minSamples", 0),
        ("profiling.maxConnections", 1001),
        ("profiling.networkMetricProvider", "consul"),
        ("backfill.enabled", "yes"),
        ("backfill.rate", 0),
        ("backfill.rate", 1001),
        ("scheduling.enabled", "yes"),
        ("scheduling.minConfidence", 1),
        ("scheduling.deadband", -0.1),
        ("scheduling.cpu.floor", "20 millicores"),
        ("scheduling.memory.ceiling", "64GB"),
        ("scheduling.memory.limitRatio", 0.5),
        ("certificates.provider", "vault"),
        ("certificates.issuerRef.kind", "Authority"),
        ("webhook.url", "http://profiler.example/mutate"),
        ("webhook.failurePolicy", "ignore"),
        ("webhook.timeoutSeconds", 0),
        ("webhook.timeoutSeconds", 31),
        ("webhook.reinvocationPolicy", "Always"),
        ("webhook.port", 65536),
        ("webhook.shutdownDelaySeconds", 301),
        ("webhook.replicas", 0),
        ("profiler.replicas", -1),
        ("profiler.replicas", 1.5),
        ("webhook.podLabels", {"number": 1}),
        ("profiler.extraEnv", {"NAME": "value"}),
        ("healthPort", "http"),
        ("logLevel", "trace"),
        ("crds.install", "yes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_value_is_named(helm: Helm, path: str, value: object) -> None:
    """The schema refuses the value, and the message holds its path."""
    with pytest.raises(HelmError) as refused:
        helm.template(CHART, values=_values(path, value))

    assert re.search(re.escape(path).replace(r"\.", "[./]"), str(refused.value))


@pytest.mark.parametrize(
    "path",
    [
        "colour",
        "image.name",
        "prometheus.host",
        "linkerd.vizzes",
        "prometheus.clusters",
        "profiling.slots",
        "profiling.namespaceSelector.matchFields",
        "scheduling.mode",
        "scheduling.cpu.minimum",
        "backfill.speed",
        "certificates.ca",
        "certificates.issuerRef.names",
        "webhook.replica",
        "profiler.url",
        "combined.replicas",
        "crds.keep",
    ],
)
def test_an_unknown_value_is_named(helm: Helm, path: str) -> None:
    """A misspelt value is refused by its name and never silently ignored."""
    with pytest.raises(HelmError, match=rf"(?s)dditional propert.*{path.rsplit('.', 1)[-1]}"):
        helm.template(CHART, values=_values(path, "x"))


@pytest.mark.parametrize("listed", ["kube-system", "profiling", "profiles"])
def test_a_namespace_can_not_be_listed_and_excluded(helm: Helm, listed: str) -> None:
    """To list a namespace that is excluded, by value or by what it holds, would do nothing: it is refused."""
    values = {"profiling": {"namespaces": ["shop", listed], "profilesNamespace": "profiles"}}

    with pytest.raises(HelmError, match=rf'profiling.namespaces holds "{listed}", which is excluded'):
        helm.template(CHART, namespace="profiling", values=IMAGE | values)


def test_an_issuer_needs_cert_manager(helm: Helm) -> None:
    """An issuer without `certificates.provider=cert-manager` would be ignored: it is refused."""
    values = {"certificates": {"issuerRef": {"name": "corporate"}}}

    with pytest.raises(HelmError, match=r"set certificates\.provider=cert-manager"):
        helm.template(CHART, values=IMAGE | values)


def test_linkerd_viz_needs_pods_of_the_profilers_own(helm: Helm) -> None:
    """In one Pod with the webhook, the webhook would be meshed too: it is refused with the way out."""
    values = {"linkerd": {"viz": True}, "topology": "combined"}

    with pytest.raises(HelmError, match=r"linkerd\.viz .* set topology=split"):
        helm.template(CHART, values=IMAGE | values)


@pytest.mark.parametrize("release", ["1st", "a.b"])
def test_names_that_no_service_can_have_are_refused(helm: Helm, release: str) -> None:
    """A release whose name no Service can have is refused with the way out."""
    with pytest.raises(HelmError, match="set fullnameOverride"):
        helm.template(CHART, release=release, values=IMAGE)


def test_odd_names_stay_text(helm: Helm) -> None:
    """A namespace and a release that look like numbers are rendered as text."""
    objects = helm.template(
        CHART, release="1e3", namespace="123", values=IMAGE | {"fullnameOverride": "profiler"}
    )

    for one in objects:
        assert one["metadata"].get("namespace", "123") == "123"
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "1e3"


def test_every_value_is_explained() -> None:
    """In values.yaml a comment stands above each value, except above Kubernetes' own fields for Pods."""
    own_fields = {"resources", "requests", "limits", "podAnnotations", "podLabels", "affinity"}
    own_fields |= {"nodeSelector", "tolerations", "priorityClassName"}
    lines = (CHART / "values.yaml").read_text().splitlines()
    bare = {
        line.split(":")[0].strip()
        for above, line in pairwise(lines)
        if re.match(r" *[A-Za-z]+: \S", line) and not above.strip().startswith("#")
    }

    assert bare <= own_fields


def test_the_schema_knows_every_value() -> None:
    """Each key of values.yaml has its entry in the schema, so that its type and range are checked."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    assert schema["properties"].keys() == values.keys() | {"global"}
    for name, block in values.items():
        if properties := schema["properties"][name].get("properties"):
            assert properties.keys() == block.keys()


def _values(path: str, value: object) -> dict[str, Any]:
    """`a.b` and 1 as `{"a": {"b": 1}}`, and an image unless the path is about it."""
    head, *rest = path.split(".")
    nested = value
    for key in reversed(rest):
        nested = {key: nested}
    return IMAGE | {head: nested}
