"""Factory of the Prometheus source, with the server and credentials of the settings."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.domain.connection_providers import NONE
from app.errors import SettingsError, SourceError
from app.kubernetes.prometheus_services import list_in_namespaces
from app.profiler.cycle.collector import newest_complete_step
from app.profiler.ports import UsageSource
from app.profiler.registries.namespaces import NamespaceScope
from app.proxies import Proxy, environment_proxy
from app.runtime.found_source import FoundSource
from app.runtime.prometheus_search import SECONDS_PER_SERVER, FoundServers, Search
from app.runtime.scope import query_scope
from app.settings.environment import Settings
from app.sources.clusters import KnowsPod
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus import QUERIES_PER_CYCLE, ForwardedBy, Limits, PrometheusSource
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import ClusterName
from app.sources.query_observer import QueryObserver
from app.sources.retry_policy import RetryPolicy

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient


@asynccontextmanager
async def open_usage_source(
    settings: Settings,
    client: "ClusterClient",
    namespaces: NamespaceScope,
    observer: QueryObserver | None = None,
    knows_pod: KnowsPod | None = None,
) -> AsyncIterator[UsageSource]:
    """The source of a leader's term: the Prometheus of the settings, or the one found in the cluster."""
    if not settings.searches_prometheus:
        async with open_prometheus(settings, namespaces, observer, knows_pod=knows_pod) as source:
            yield source
        return
    search = cluster_search(settings, client)

    def open_found(servers: FoundServers) -> PrometheusSource:
        return open_prometheus(with_servers(settings, servers), namespaces, observer, knows_pod=knows_pod)

    async with FoundSource(search.run, open_found, time.monotonic) as found:
        yield found


def open_prometheus(  # noqa: PLR0913 - the settings, and what only some callers have
    settings: Settings,
    namespaces: NamespaceScope,
    observer: QueryObserver | None = None,
    *,
    queries_per_cycle: float = QUERIES_PER_CYCLE,
    knows_pod: KnowsPod | None = None,
    forwarded_by: ForwardedBy = lambda _: None,
) -> PrometheusSource:
    """A source of usage from Prometheus; each query covers the namespaces that are in scope at that time.

    *knows_pod* is true for the namespace and name of this cluster's Pods. Credential files are read when a
    query is sent: a missing file makes the source fail, not the process.
    """
    return PrometheusSource(
        settings.prometheus_base_url,
        scope=lambda: query_scope(settings, namespaces.current()),
        network_providers=settings.network_metric_provider,
        mesh_proxy_namespaces=settings.mesh_proxy_namespaces,
        service_graph_sampling=settings.service_graph_sampling or None,
        connections_url=settings.connections_base_url,
        connections_cluster=ClusterName(
            settings.connections_prometheus_cluster, settings.connections_prometheus_cluster_label
        ),
        limits=Limits(
            settings.prometheus_sample_budget,
            queries_per_cycle,
            settings.prometheus_concurrency,
            settings.prometheus_timeout,
            settings.max_edges,
        ),
        credentials=_credentials(settings),
        observer=observer,
        proxy_for=_proxy_for,
        knows_pod=knows_pod,
        forwarded_by=forwarded_by,
    )


def cluster_search(settings: Settings, client: "ClusterClient") -> Search:
    """The search of a Pod: in the namespaces of the settings, which are trusted, and over the network."""
    searched = (*settings.prometheus_namespaces, settings.own_namespace)
    return Search(
        lambda: list_in_namespaces(client, searched),
        lambda service: open_api(settings, service.url, timeout_seconds=SECONDS_PER_SERVER, tries=1),
        lambda: newest_complete_step(time.time()),
        wants_connections=not settings.connections_prometheus_url
        and NONE not in settings.network_metric_provider,
    )


def with_servers(settings: Settings, servers: FoundServers) -> Settings:
    """The *settings* with the addresses of *servers*."""
    urls = {"prometheus_url": servers.containers.url}
    if servers.connections:
        urls["connections_prometheus_url"] = servers.connections.url
    return settings.model_copy(update=urls)


def open_api(
    settings: Settings,
    url: str,
    *,
    timeout_seconds: float,
    tries: int,
    forwarded_by: ForwardedBy = lambda _: None,
) -> PrometheusApi:
    """A client of the server at *url*, with the credentials of the settings."""
    return PrometheusApi(
        url,
        timeout_seconds=timeout_seconds,
        credentials=_credentials(settings),
        concurrency=settings.prometheus_concurrency,
        retry_policy=RetryPolicy(tries),
        route=forwarded_by(url) or _proxy_for(url),
    )


def _credentials(settings: Settings) -> PrometheusCredentials:
    """The credentials for Prometheus."""
    return PrometheusCredentials(
        bearer_token_file=settings.prometheus_bearer_token_file,
        username=settings.prometheus_username,
        password_file=settings.prometheus_password_file,
        ca_file=settings.prometheus_ca_file,
        certificate_file=settings.prometheus_certificate_file,
        key_file=settings.prometheus_key_file,
        tenant=settings.prometheus_tenant,
        sigv4_region=settings.prometheus_sigv4_region,
    )


def _proxy_for(url: str) -> Proxy | None:
    """The proxy for Prometheus; ALL_PROXY, which kubectl ignores, counts as in curl."""
    return environment_proxy(url, os.environ, "ALL_PROXY")


def check_access(settings: Settings) -> None:
    """Raises SettingsError if a credential, a CA file or the proxy for Prometheus can't be used."""
    credentials = _credentials(settings)
    try:
        credentials.authentication()
        credentials.tls_context(trusts_public=False)
    except SourceError as error:
        raise SettingsError([str(error)]) from error
    base_url = "" if settings.searches_prometheus else settings.prometheus_base_url
    for url in filter(None, (base_url, settings.connections_base_url)):
        _proxy_for(url)
