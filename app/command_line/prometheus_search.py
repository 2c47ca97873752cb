"""The search for Prometheus of a command: that of the release, else the one of the cluster.

From outside, a Service of the cluster is reached through the API server's proxy, with the user's own rights.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from app.command_line.cluster import namespace_of
from app.command_line.cluster_access import ClusterAccess
from app.command_line.releases import release_of, with_variables
from app.command_line.terminal import print_error
from app.domain.untyped import mapping_in, text_in
from app.errors import ClusterError, ForbiddenError, NotFoundError, ProfilerError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.prometheus_services import (
    ListedServices,
    PrometheusService,
    list_everywhere,
    list_in_namespaces,
)
from app.kubernetes.release import Release
from app.kubernetes.service_proxy import ServiceProxyTransport
from app.kubernetes.status_map import REPORT, StatusMap
from app.runtime.prometheus import cluster_search, with_servers
from app.settings.environment import Settings
from app.sources.prometheus import ForwardedBy

# Of the release: where its Prometheus is, and what its series are called. Credentials are in Secrets.
_OF_RELEASE = (
    "prometheus_url",
    "prometheus_port",
    "prometheus_tenant",
    "prometheus_cluster",
    "prometheus_cluster_label",
    "connections_prometheus_url",
    "connections_prometheus_cluster",
    "connections_prometheus_cluster_label",
    "container_metrics_matcher",
    "state_metrics_matcher",
    "prometheus_namespaces",
)
_NAME_IT = "use --prometheus-url"


async def search(
    client: ClusterClient, settings: Settings, access: ClusterAccess
) -> tuple[Settings, ForwardedBy]:
    """The settings with the addresses of the servers, and the transport to those behind the API server.

    Without a kubeconfig they are the ones that the profiler of this Pod would take.

    Raises:
        ProfilerError: none or several were found, or the cluster can't be asked.
    """
    if access.kubeconfig:
        return await _from_outside(client, settings, access)
    return with_servers(settings, await cluster_search(settings, client).run()), lambda _: None


async def _from_outside(
    client: ClusterClient, settings: Settings, access: ClusterAccess
) -> tuple[Settings, ForwardedBy]:
    release = await release_of(client, settings, access)
    if release:
        settings = with_variables(settings, release.variables, _OF_RELEASE)
        if settings.searches_prometheus:
            settings = settings.model_copy(update=await _servers_of(release, client))
    services: dict[str, PrometheusService] = {}
    if settings.searches_prometheus:
        service = await _only_one(client, settings, access)
        settings = settings.model_copy(update={"prometheus_url": service.url})
        services[service.url] = service
    for url in filter(None, (settings.prometheus_base_url, settings.connections_base_url)):
        own_namespace = release.namespace if release else ""
        if url not in services and (behind := await _service_of(url, own_namespace, client)):
            services[url] = behind

    def forwarded_by(url: str) -> httpx.AsyncBaseTransport | None:
        return ServiceProxyTransport(client.connection, services[url]) if url in services else None

    return settings, forwarded_by


async def _servers_of(release: Release, client: ClusterClient) -> Mapping[str, str]:
    """The addresses that the profiler found, from its report; none if it found none, or it can't be read."""
    try:
        report = await StatusMap(client, release.namespace).read_all()
    except ClusterError:
        return {}
    found = mapping_in(report.get(REPORT, {}).get("foundServers"))
    urls = {"prometheus_url": found.get("containers"), "connections_prometheus_url": found.get("connections")}
    return {name: text_in(url) for name, url in urls.items() if text_in(url)}


async def _only_one(client: ClusterClient, settings: Settings, access: ClusterAccess) -> PrometheusService:
    """The only server with well-known labels in the namespaces that the user may read."""
    listed = await _listed(client, settings, access)
    if not listed.services:
        raise ProfilerError(
            f"no Service of the cluster has the labels of a known Prometheus{_refusals(listed)}: {_NAME_IT},"
            " for example http://localhost:9090 after kubectl port-forward"
        )
    if len(listed.services) > 1:
        for service in listed.services:
            print_error(f"{service.namespace}/{service.name}: {service.port_forward}")
            print_error(f"  and --prometheus-url {service.forwarded_url}")
        count = len(listed.services)
        raise ProfilerError(f"{count} Services look like Prometheus, see above: choose one")
    return listed.services[0]


def _refusals(listed: ListedServices) -> str:
    """Where Services can't be listed, with the first reason."""
    if not listed.refusals:
        return ""
    reason = next(iter(listed.refusals.values()))
    return f" (they can't be listed in {', '.join(listed.refusals)}: {reason})"


async def _listed(client: ClusterClient, settings: Settings, access: ClusterAccess) -> ListedServices:
    try:
        return await list_everywhere(client)
    except ForbiddenError:
        known = (namespace_of(access), *settings.prometheus_namespaces, settings.own_namespace)
        return await list_in_namespaces(client, filter(None, known))


async def _service_of(url: str, own_namespace: str, client: ClusterClient) -> PrometheusService | None:
    """The Service that *url* is an address of within the cluster; None for an address outside of it."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    if len(labels) == 1 and own_namespace:
        labels = [*labels, own_namespace]
    if len(labels) < 2 or labels[2:3] not in ([], ["svc"]) or parts.username:
        return None
    name, namespace = labels[:2]
    if len(labels) == 2:
        try:
            await client.get(paths.service(namespace, name))
        except NotFoundError:
            return None
        except ForbiddenError:
            pass  # the proxy has rights of its own
    return PrometheusService(namespace, name, port, parts.scheme, parts.path)
