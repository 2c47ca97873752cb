"""Factory of the Prometheus source, with the server and credentials of the settings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import SettingsError, SourceError
from app.profiler.registries.namespaces import NamespaceScope
from app.proxies import Proxy, environment_proxy
from app.runtime.scope import query_scope
from app.settings.environment import Settings
from app.sources.clusters import KnowsPod
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus import QUERIES_PER_CYCLE, Limits, PrometheusSource
from app.sources.prometheus_api import PrometheusApi, RetryPolicy
from app.sources.queries import ClusterName
from app.sources.query_observer import QueryObserver


@asynccontextmanager
async def open_prometheus(
    settings: Settings,
    namespaces: NamespaceScope,
    observer: QueryObserver | None = None,
    *,
    queries_per_cycle: float = QUERIES_PER_CYCLE,
    knows_pod: KnowsPod | None = None,
) -> AsyncIterator[PrometheusSource]:
    """A source of usage from Prometheus; each query covers the namespaces that are in scope at that time.

    *knows_pod* is true for the namespace and name of this cluster's Pods. Credential files are read when a
    query is sent: a missing file makes the source fail, not the process.
    """
    async with PrometheusSource(
        settings.prometheus_base_url,
        scope=lambda: query_scope(settings, namespaces.current()),
        network_provider=settings.network_metric_provider.value,
        mesh_proxy_namespaces=settings.mesh_proxy_namespaces,
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
    ) as source:
        yield source


def open_api(settings: Settings, url: str, *, timeout_seconds: float, tries: int) -> PrometheusApi:
    """A client of the server at *url*, with the credentials of the settings."""
    return PrometheusApi(
        url,
        timeout_seconds=timeout_seconds,
        credentials=_credentials(settings),
        concurrency=settings.prometheus_concurrency,
        retry_policy=RetryPolicy(tries),
        proxy=_proxy_for(url),
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
        credentials.tls_context()
    except SourceError as error:
        raise SettingsError([str(error)]) from error
    for url in filter(None, (settings.prometheus_base_url, settings.connections_base_url)):
        _proxy_for(url)
