"""Providers of connections beside meshes: the metrics by which they count, and how they are switched on.

A program shows by a metric of its own, whatever else it exposes.
"""

from dataclasses import dataclass

from app.diagnosis.remedy import Program, Remedy
from app.domain.connection_providers import Provider
from app.sources.connections.flow_metrics import BEYLA, NETOBSERV, OBI
from app.sources.connections.hubble import Hubble
from app.sources.connections.service_graph import ServiceGraph


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider, the metrics by which it counts, and those by which its program is known to run.

    *remedy* makes a program that runs count connections.
    """

    provider: Provider
    counts: tuple[str, ...]
    signs: tuple[str, ...]
    remedy: Remedy

    @property
    def name(self) -> str:
        """The name in settings."""
        (name,) = self.provider.names
        return name


_NETWORK_FEATURE = ("OTEL_EBPF_METRICS_FEATURES=application,network", "OTEL_EBPF_PROMETHEUS_PORT=9400")
_HUBBLE_LABELS = "source_namespace,source_pod,destination_namespace,destination_pod"
CANDIDATES = (
    Candidate(
        Provider.NETOBSERV,
        (NETOBSERV.metric,),
        ("netobserv_ingest_flows_processed", "netobserv_agent_evictions_total"),
        Remedy(
            "have NetObserv count by workload",
            Program.FLOW_COLLECTOR,
            ("spec: {processor: {metrics: {includeList: [workload_ingress_bytes_total]}}}",),
        ),
    ),
    Candidate(
        Provider.OBI,
        (OBI.metric,),
        ("obi_build_info", "obi_internal_build_info"),
        Remedy("switch on OBI's network metrics", Program.AGENT_VARIABLES, _NETWORK_FEATURE),
    ),
    Candidate(
        Provider.BEYLA,
        (BEYLA.metric,),
        ("beyla_build_info", "beyla_internal_build_info"),
        Remedy(
            "switch on Beyla's network metrics",
            Program.AGENT_VARIABLES,
            ("BEYLA_PROMETHEUS_FEATURES=application,network",),
        ),
    ),
    Candidate(
        Provider.SERVICE_GRAPH,
        ServiceGraph.metrics,
        ("tempo_build_info", "traces_spanmetrics_calls_total", "otelcol_receiver_accepted_spans_total"),
        Remedy(
            "have Tempo's metrics-generator or OpenTelemetry's connector write service graphs, and state the"
            " share of requests that is traced",
            Program.CHART,
            ("profiling: {serviceGraphSampling: 0.02}",),
        ),
    ),
    Candidate(
        Provider.HUBBLE,
        Hubble.metrics,
        ("hubble_flows_processed_total", "cilium_version"),
        Remedy(
            "switch on Hubble's metrics of HTTP, and a policy of layer 7 for the Pods that they are of",
            Program.CILIUM,
            (f'hubble: {{metrics: {{enabled: ["httpV2:labelsContext={_HUBBLE_LABELS}"]}}}}',),
        ),
    ),
)
