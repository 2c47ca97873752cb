"""Series of service graphs as their generators write them.

- OpenTelemetry's connector: open-telemetry/opentelemetry-collector-contrib, commit
  ea186db84c69a645e8673c03489ed16b078aac9a, connector/servicegraphconnector/connector.go: `client`, `server`,
  `connection_type`, `failed`, and a `client_` and a `server_` label for each dimension.
- Tempo: grafana/tempo, commit ad33aa8fafc41a4ea58519f7b7a88b1aa1383224,
  modules/generator/processor/servicegraphs/servicegraphs.go and modules/generator/registry: without `failed`,
  with `__metrics_gen_instance`; a new series begins with 0.
- OBI in Beyla: grafana/beyla, commit b21b6afaa76de29a1735f1f254f763e516858ce2,
  vendor/go.opentelemetry.io/obi/pkg/export/prom/prom.go: namespaces of services, clusters, and `source`.
"""

from tests.histories.proxies import Labels

COLLECTORS = tuple(
    {
        "namespace": "observability",
        "pod": f"otel-collector-{number}",
        "job": "otel-collector",
        "instance": f"10.42.0.{number}:8889",
    }
    for number in (0, 1)
)
AGENT = {"namespace": "obi", "pod": "obi-x7c2k", "job": "obi", "instance": "10.0.0.1:8999"}
TENANT = {"namespace": "tenant", "pod": "liar-x7c2k", "job": "pods", "instance": "10.42.3.1:8080"}
GENERATOR = {"__metrics_gen_instance": "tempo-metrics-generator-0"}
REQUESTS = "traces_service_graph_request_total"
SERVED = "traces_service_graph_request_server_seconds_count"


def pair(
    scraped: Labels, client: str, server: str, connection_type: str = "", **dimensions: str
) -> dict[str, str]:
    """The labels of an edge between two services."""
    edge = {"client": client, "server": server, "connection_type": connection_type}
    return {**edge, **scraped, **dimensions}


def between(client: tuple[str, str], server: tuple[str, str]) -> dict[str, str]:
    """The dimensions of two Deployments, each by namespace and name."""
    return {
        f"{end}_k8s_{label}_name": value
        for end, names in (("client", client), ("server", server))
        for label, value in zip(("namespace", "deployment"), names, strict=True)
    }


def instrumented(client: tuple[str, str], server: tuple[str, str]) -> dict[str, str]:
    """The labels of an edge that OBI sees between two services, each by namespace and name."""
    ends = {"client": client, "server": server}
    labels = {end: name for end, (_, name) in ends.items()}
    for end, (namespace, _) in ends.items():
        labels |= {
            f"{end}_service_namespace": namespace,
            f"{end}_k8s_namespace_name": namespace,
            f"{end}_k8s_cluster_name": "prod",
        }
    return {**labels, "connection_type": "", "source": "obi", **AGENT}
