"""URL paths of all resources in use; pure."""

from urllib.parse import quote

from app.domain.custom_resources import GROUP, VERSION

_CORE = "/api/v1"
_APPS = "/apis/apps/v1"
_BATCH = "/apis/batch/v1"
_BATCH_BETA = "/apis/batch/v1beta1"
_AUTOSCALING = "/apis/autoscaling/v1"
_VERTICAL_AUTOSCALING = "/apis/autoscaling.k8s.io/v1"
_PROFILES = f"/apis/{GROUP}/{VERSION}"
_COORDINATION = "/apis/coordination.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def profiles(plural: str, namespace: str) -> str:
    """All profiles of one kind."""
    return _namespaced(_PROFILES, plural, namespace)


def profile(plural: str, namespace: str, name: str) -> str:
    """One profile."""
    return _named(profiles(plural, namespace), name)


def status(object_path: str) -> str:
    """The status subresource of an object."""
    return f"{object_path}/status"


def pods(namespace: str | None = None) -> str:
    """All Pods, of one namespace or of the cluster."""
    return _namespaced(_CORE, "pods", namespace)


def pod(namespace: str, name: str) -> str:
    """One Pod."""
    return _named(pods(namespace), name)


def deployments(namespace: str | None = None) -> str:
    """All Deployments, of one namespace or of the cluster."""
    return _namespaced(_APPS, "deployments", namespace)


def stateful_sets(namespace: str | None = None) -> str:
    """All StatefulSets, of one namespace or of the cluster."""
    return _namespaced(_APPS, "statefulsets", namespace)


def daemon_sets(namespace: str | None = None) -> str:
    """All DaemonSets, of one namespace or of the cluster."""
    return _namespaced(_APPS, "daemonsets", namespace)


def jobs(namespace: str | None = None) -> str:
    """All Jobs, of one namespace or of the cluster."""
    return _namespaced(_BATCH, "jobs", namespace)


def cron_jobs(namespace: str | None = None, *, beta: bool = False) -> str:
    """All CronJobs, of one namespace or of the cluster; *beta* is for Kubernetes before 1.21."""
    return _namespaced(_BATCH_BETA if beta else _BATCH, "cronjobs", namespace)


def namespaces() -> str:
    """All Namespaces."""
    return f"{_CORE}/namespaces"


def limit_ranges(namespace: str | None = None) -> str:
    """All LimitRanges, of one namespace or of the cluster."""
    return _namespaced(_CORE, "limitranges", namespace)


def resource_quotas(namespace: str | None = None) -> str:
    """All ResourceQuotas, of one namespace or of the cluster."""
    return _namespaced(_CORE, "resourcequotas", namespace)


def horizontal_pod_autoscalers(namespace: str | None = None) -> str:
    """All HorizontalPodAutoscalers, of one namespace or of the cluster; every cluster serves this version."""
    return _namespaced(_AUTOSCALING, "horizontalpodautoscalers", namespace)


def vertical_pod_autoscalers(namespace: str | None = None) -> str:
    """All VerticalPodAutoscalers, of one namespace or of the cluster; a cluster without VPA has none."""
    return _namespaced(_VERTICAL_AUTOSCALING, "verticalpodautoscalers", namespace)


def vertical_pod_autoscaler(namespace: str, name: str) -> str:
    """One VerticalPodAutoscaler."""
    return _named(vertical_pod_autoscalers(namespace), name)


def secrets(namespace: str) -> str:
    """All Secrets of a namespace."""
    return _namespaced(_CORE, "secrets", namespace)


def secret(namespace: str, name: str) -> str:
    """One Secret."""
    return _named(secrets(namespace), name)


def config_maps(namespace: str) -> str:
    """All ConfigMaps of a namespace."""
    return _namespaced(_CORE, "configmaps", namespace)


def config_map(namespace: str, name: str) -> str:
    """One ConfigMap."""
    return _named(config_maps(namespace), name)


def services(namespace: str | None = None) -> str:
    """All Services, of one namespace or of the cluster."""
    return _namespaced(_CORE, "services", namespace)


def service(namespace: str, name: str) -> str:
    """One Service."""
    return _named(services(namespace), name)


def service_proxy(namespace: str, name: str, port: int, scheme: str) -> str:
    """The API server's proxy for a port of a Service, which may have several."""
    return f"{services(namespace)}/{quote(f'{scheme}:{name}:{port}', safe=':')}/proxy"


def events(namespace: str) -> str:
    """The Events of a namespace."""
    return _namespaced(_CORE, "events", namespace)


def lease(namespace: str, name: str) -> str:
    """One Lease."""
    return _named(_namespaced(_COORDINATION, "leases", namespace), name)


def mutating_webhook_configurations() -> str:
    """All MutatingWebhookConfigurations; they are cluster-scoped."""
    return f"{_ADMISSION}/mutatingwebhookconfigurations"


def mutating_webhook_configuration(name: str) -> str:
    """One MutatingWebhookConfiguration."""
    return _named(mutating_webhook_configurations(), name)


def _namespaced(api: str, plural: str, namespace: str | None) -> str:
    return (
        f"{api}/{plural}" if namespace is None else f"{api}/namespaces/{quote(namespace, safe='')}/{plural}"
    )


def _named(collection: str, name: str) -> str:
    return f"{collection}/{quote(name, safe='')}"
