"""The objects that lead calls to the Services of a namespace from outside the Pod network.

A kind that may not be listed is a reason to expect such calls; one that the cluster does not have is none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.decisions.outside_traffic import Callers, Exposure
from app.domain.untyped import list_in, mapping_in, text_in
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object

# Kinds by their API group, which only some clusters have.
_ROUTES = {
    "gateway.networking.k8s.io": ("httproutes", "grpcroutes"),
    "route.openshift.io": ("routes",),
}
_API_CALLERS = {
    paths.MUTATING_WEBHOOKS: "MutatingWebhookConfigurations",
    paths.VALIDATING_WEBHOOKS: "ValidatingWebhookConfigurations",
    paths.API_SERVICES: "APIServices",
    paths.CUSTOM_RESOURCE_DEFINITIONS: "CustomResourceDefinitions",
}


async def read_exposure(client: ClusterClient, namespace: str) -> Exposure:
    """What exposes the Services of *namespace*."""
    reader = _Reader(client)
    services = await reader.listed(paths.services(namespace), "Services")
    callers = [
        Callers(f"Ingress {_name(one)}", frozenset(_ingress_services(one)))
        for one in await reader.listed(paths.ingresses(namespace), "Ingresses")
    ]
    groups = await _groups(client)
    for group, kinds in _ROUTES.items():
        for kind in kinds if group in groups else ():
            path = f"/apis/{group}/v1/namespaces/{namespace}/{kind}"
            callers += [
                Callers(f"{kind} {_name(one)}", frozenset(_route_services(one)))
                for one in await reader.listed(path, kind)
            ]
    for path, kind in _API_CALLERS.items():
        for one in await reader.listed(path, kind):
            names = frozenset(_called_services(one, namespace))
            callers += [Callers(f"the API server ({kind} {_name(one)})", names)] if names else []
    return Exposure(services, callers, reader.unread)


class _Reader:
    """Lists objects; `unread` has a reason for each kind that may not be listed."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self.unread: list[str] = []

    async def listed(self, path: str, kind: str) -> list[Object]:
        try:
            return (await self._client.list_all(ListOptions(path, may_be_cached=True))).items
        except NotFoundError:
            return []
        except ForbiddenError:
            self.unread.append(f"whether calls come from elsewhere is not known: {kind} can't be listed")
            return []


async def _groups(client: ClusterClient) -> frozenset[str]:
    """The API groups of the cluster, which every authenticated user may read; all if they can't be."""
    try:
        found = await client.get(paths.API_GROUPS)
    except (ForbiddenError, NotFoundError):
        return frozenset(_ROUTES)
    return frozenset(text_in(mapping_in(one).get("name")) for one in list_in(found.get("groups")))


def _name(manifest: Mapping[str, Any]) -> str:
    return text_in(mapping_in(manifest.get("metadata")).get("name"))


def _ingress_services(manifest: Mapping[str, Any]) -> Iterator[str]:
    spec = mapping_in(manifest.get("spec"))
    backends = [mapping_in(spec.get("defaultBackend"))]
    for rule in map(mapping_in, list_in(spec.get("rules"))):
        backends += [
            mapping_in(mapping_in(one).get("backend"))
            for one in list_in(mapping_in(rule.get("http")).get("paths"))
        ]
    yield from filter(None, (text_in(mapping_in(one.get("service")).get("name")) for one in backends))


def _route_services(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The Services of an HTTPRoute of a Gateway, or of a Route of OpenShift.

    An HTTPRoute whose parents are Services alone is one within the mesh.
    """
    spec = mapping_in(manifest.get("spec"))
    targets = [spec.get("to"), *list_in(spec.get("alternateBackends"))]
    parents = [mapping_in(one).get("kind", "Gateway") for one in list_in(spec.get("parentRefs"))]
    if any(kind != "Service" for kind in parents):
        targets += [
            one
            for rule in map(mapping_in, list_in(spec.get("rules")))
            for one in list_in(rule.get("backendRefs"))
        ]
    yield from filter(None, (text_in(mapping_in(one).get("name")) for one in targets))


def _called_services(manifest: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """The Services of *namespace* that the API server calls because of an object."""
    spec = mapping_in(manifest.get("spec"))
    conversion = mapping_in(mapping_in(spec.get("conversion")).get("webhook"))
    configs: Iterable[object] = [
        spec,
        conversion.get("clientConfig"),
        *(mapping_in(one).get("clientConfig") for one in list_in(manifest.get("webhooks"))),
    ]
    for config in configs:
        service = mapping_in(mapping_in(config).get("service"))
        if service.get("namespace") == namespace and text_in(service.get("name")):
            yield text_in(service.get("name"))
