"""Wrong values are refused before the cluster changes, with a message that names the value."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import yaml

from app.settings.environment import Settings
from tests.chart.rendered import CHART, IMAGE
from tests.cluster.helm import Helm, HelmError

pytestmark = pytest.mark.chart


# Each value is wrong on its own; the common message must name it.
WRONG: list[tuple[str, object]] = [
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
    ("linkerd.vizNamespace", ""),
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
    ("profiling.historyDays", 29),
    ("profiling.timeslots", 5),
    ("profiling.timeslots", "4"),
    ("profiling.minSamples", 0),
    ("profiling.risk", "none"),
    ("profiling.maxProfiles", 1.5),
    ("profiling.profileWriteRate", "50"),
    ("prices.cpu", -1),
    ("prices.memory", "3"),
    ("profiling.staleAfterDays", "2d"),
    ("profiling.expireAfterDays", True),
    ("profiling.maxConnections", 1001),
    ("profiling.networkMetricProvider", "consul"),
    ("profiling.networkMetricProvider", "auto,istio"),
    ("profiling.serviceGraphSampling", 50),
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
    ("bindAddress", "webhook:80"),
    ("bindAddress", ""),
    ("logLevel", "trace"),
    ("commonLabels", {"a b": "c"}),
    ("commonLabels", {"number": 1}),
    ("prometheus.auth.bearerTokenSecret", "Not_a_name"),
    ("prometheus.auth.ca.pem", "no certificate"),
    ("prometheus.auth.ca.key", "a/b"),
    ("prometheus.auth.tenant", " shop"),
    ("prometheus.auth.sigv4Region", "Frankfurt"),
    ("probe.enabled", "yes"),
    ("probe.intervalSeconds", 0),
    ("webhook.hostNetwork", 1),
    ("webhook.trafficDistribution", "Far"),
    ("webhook.annotations", {"a": 1}),
    ("webhook.clientCa.names", ["a,b"]),
    ("webhook.clientCa.pem", 1),
    ("webhook.podDisruptionBudget.maxUnavailable", 0),
    ("webhook.podDisruptionBudget.maxUnavailable", "all"),
    ("webhook.updateStrategy.type", "BlueGreen"),
    ("webhook.priorityClassName", "High"),
    ("profiler.serviceAccountAnnotations", {"role": 1}),
    ("profiler.extraArgs", "--log-level=debug"),
    ("combined.extraVolumes", {"name": "a"}),
    ("combined.extraVolumeMounts", ["a"]),
    ("dnsConfig", ["10.0.0.10"]),
    ("revisionHistoryLimit", -1),
    ("networkPolicy.metricsNamespaces", ["Monitoring"]),
    ("networkPolicy.dnsPorts", []),
    ("networkPolicy.apiServerPorts", [0]),
    ("networkPolicy.prometheusPorts", ["web"]),
    ("networkPolicy.extraEgress", {}),
    ("apiPriority.priorityLevel", ""),
    ("monitoring.serviceMonitor.interval", "30"),
    ("monitoring.serviceMonitor.labels", {"release": "a b"}),
    ("monitoring.rules.runbookUrl", "runbooks.md#here"),
    ("monitoring.dashboard.namespace", "-"),
    ("crds.install", "yes"),
    ("vpa.objects.enabled", "yes"),
]
UNKNOWN = [
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
    "combined.podDisruptionBudget",
    "prometheus.auth.password",
    "prometheus.auth.ca.file",
    "probe.interval",
    "webhook.clientCa.subject",
    "webhook.updateStrategy.maxSurge",
    "profiler.hostNetwork",
    "networkPolicy.ingress",
    "apiPriority.level",
    "monitoring.alerts",
    "monitoring.rules.url",
    "crds.keep",
]


@pytest.fixture(scope="session")
def refusals(helm: Helm) -> dict[str, str]:
    """Helm's message for each wrong value; values with different paths are tested together."""
    batches: list[dict[str, object]] = []
    for path, value in [*WRONG, *((path, "x") for path in UNKNOWN)]:
        free = next((batch for batch in batches if not any(_overlap(path, other) for other in batch)), None)
        if free is None:
            batches.append(free := {})
        free[path] = value
    return {
        _case(path, value): message
        for batch in batches
        for message in [_refusal(helm, batch)]
        for path, value in batch.items()
    }


def _overlap(path: str, other: str) -> bool:
    """True if one path equals or contains the other."""
    return f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")


def _refusal(helm: Helm, batch: Mapping[str, object]) -> str:
    with pytest.raises(HelmError) as refused:
        helm.template(CHART, values=_values(batch))
    return str(refused.value)


def _case(path: str, value: object) -> str:
    return f"{path}={json.dumps(value)}"


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda value: str(value)[:30])
def test_a_bad_value_is_named(refusals: Mapping[str, str], path: str, value: object) -> None:
    """The schema refuses the value, and the message has its path."""
    assert re.search(re.escape(path).replace(r"\.", "[./]") + r"\b", refusals[_case(path, value)])


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_value_is_named(refusals: Mapping[str, str], path: str) -> None:
    """A misspelt value is refused by its name and never silently ignored."""
    message = refusals[_case(path, "x")]

    assert re.search(rf"dditional propert[^\n]*\b{path.rsplit('.', 1)[-1]}\b", message)


@pytest.mark.parametrize("listed", ["kube-system", "profiling", "profiles"])
def test_a_namespace_can_not_be_listed_and_excluded(helm: Helm, listed: str) -> None:
    """A listed namespace that is excluded, by value or as the release's or the profiles', is refused."""
    values = {"profiling": {"namespaces": ["shop", listed], "profilesNamespace": "profiles"}}

    with pytest.raises(HelmError, match=rf'profiling.namespaces holds "{listed}", which is excluded'):
        helm.template(CHART, namespace="profiling", values=IMAGE | values)


def test_an_issuer_needs_cert_manager(helm: Helm) -> None:
    """An issuer without `certificates.provider=cert-manager` would be ignored: it is refused."""
    values = {"certificates": {"issuerRef": {"name": "corporate"}}}

    with pytest.raises(HelmError, match=r"set certificates\.provider=cert-manager"):
        helm.template(CHART, values=IMAGE | values)


def test_linkerd_viz_needs_pods_of_the_profilers_own(helm: Helm) -> None:
    """With one Pod for both roles, the webhook would be in the mesh too: it is refused, with the remedy."""
    values = {"linkerd": {"viz": True}, "topology": "combined"}

    with pytest.raises(HelmError, match=r"linkerd\.viz .* set topology=split"):
        helm.template(CHART, values=IMAGE | values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"webhook": {"hostNetwork": True}}, r"kubelet uses port 10250: set webhook\.port"),
        ({"healthPort": 10250}, r"webhook\.port and healthPort are both 10250, .* change one of them"),
        (
            {
                "prometheus": {
                    "url": "prometheus",
                    "auth": {"bearerTokenSecret": "a", "sigv4Region": "eu-central-1"},
                }
            },
            "set one of bearerTokenSecret, basicAuthSecret and sigv4Region",
        ),
        (
            {"prometheus": {"auth": {"ca": {"configMap": "a", "secretName": "b"}}}},
            r"prometheus\.auth\.ca has .* set one of pem, configMap and secretName",
        ),
        (
            {"webhook": {"clientCa": {"pem": "-----BEGIN CERTIFICATE-----", "configMap": "b"}}},
            r"webhook\.clientCa has .* set one of pem, configMap and secretName",
        ),
        ({"webhook": {"clientCa": {"names": ["a"]}}}, "no client certificate is required: set pem"),
        (
            {"prometheus": {"auth": {"basicAuthSecret": "a"}}},
            "sent only to a server that is named, but prometheus.url is auto: set prometheus.url",
        ),
        (
            {"vpa": {"objects": {"enabled": True}}},
            r"would get no recommendation: set vpa\.recommender\.enabled",
        ),
    ],
    ids=["kubelet", "ports", "proofs", "authorities", "client-authorities", "names", "found", "vpa"],
)
def test_what_does_not_fit_together_is_refused(helm: Helm, values: dict[str, Any], message: str) -> None:
    """Each value is valid, but their combination can't work: it is refused, with the remedy."""
    with pytest.raises(HelmError, match=message):
        helm.template(CHART, values=IMAGE | values)


@pytest.mark.parametrize("release", ["1st", "a.b"])
def test_names_that_no_service_can_have_are_refused(helm: Helm, release: str) -> None:
    """A release with a name that a Service can't have is refused, with the remedy."""
    with pytest.raises(HelmError, match="set fullnameOverride"):
        helm.template(CHART, release=release, values=IMAGE)


def test_odd_names_stay_text(helm: Helm) -> None:
    """A namespace and a release that look like numbers are rendered as text."""
    values = IMAGE | {"fullnameOverride": "profiler", "prometheus": {"namespaces": ["123"]}}
    objects = helm.template(CHART, release="1e3", namespace="123", values=values)

    for manifest in objects:
        assert manifest["metadata"].get("namespace", "123") == "123"
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "1e3"


def test_every_value_is_explained() -> None:
    """In values.yaml each value has a comment above it, except fields that Kubernetes defines for Pods."""
    own_fields = {"resources", "requests", "limits", "podAnnotations", "podLabels", "affinity"}
    own_fields |= {"nodeSelector", "tolerations", "priorityClassName", "type", "rollingUpdate"}
    own_fields.add("extraVolumeMounts")
    lines = (CHART / "values.yaml").read_text().splitlines()
    uncommented = {
        line.split(":")[0].strip()
        for above, line in pairwise(lines)
        if re.match(r" *[A-Za-z]+: \S", line) and not above.strip().startswith("#")
    }

    assert uncommented <= own_fields


def test_the_schema_has_every_value() -> None:
    """Each key of values.yaml is in the schema, so that its type and range are checked."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    del schema["properties"]["global"]  # Helm's own

    assert list(_differences(values, schema, schema["definitions"])) == []


BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("profiling.updateSeconds", "background_routine_update_time"),
        ("profiling.historyDays", "history_days"),
        ("profiling.minSamples", "min_samples"),
        ("profiling.maxProfiles", "max_profiles"),
        ("profiling.profileWriteRate", "profile_write_rate"),
        ("profiling.staleAfterDays", "stale_after_days"),
        ("profiling.expireAfterDays", "expire_after_days"),
        ("profiling.maxConnections", "max_connections"),
        ("backfill.rate", "backfill_rate"),
        ("scheduling.minConfidence", "scheduling_min_confidence"),
        ("scheduling.deadband", "scheduling_deadband"),
        ("probe.intervalSeconds", "probe_interval"),
        ("webhook.shutdownDelaySeconds", "shutdown_delay"),
    ],
)
def test_bounds_are_the_programs(path: str, setting: str) -> None:
    """The schema refuses exactly the numbers that the program would refuse at its start."""
    section, name = path.split(".")
    schema = json.loads((CHART / "values.schema.json").read_text())
    chart_schema = schema["properties"][section]["properties"][name]
    setting_schema = Settings.model_json_schema()["properties"][setting]

    assert {bound: chart_schema.get(bound) for bound in BOUNDS} == {
        bound: setting_schema.get(bound) for bound in BOUNDS
    }


def _differences(
    values: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]
) -> Iterator[str]:
    """Keys that only one of the two has, if the schema lists keys at all."""
    schema = definitions[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    if "properties" not in schema or not values:
        return
    yield from values.keys() ^ schema["properties"].keys()
    for name, inner in values.items():
        if isinstance(inner, dict):
            yield from _differences(inner, schema["properties"].get(name, {}), definitions)


def _values(batch: Mapping[str, object]) -> dict[str, Any]:
    """All paths and values as one mapping (`a.b`, 1 is `{"a": {"b": 1}}`), with an image if none is set."""
    values: dict[str, Any] = {"image": dict(IMAGE["image"])}
    for path, value in batch.items():
        *parents, last = path.split(".")
        inner = values
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return values
