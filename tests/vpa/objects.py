"""VerticalPodAutoscalers, and stored profiles of the workloads that they target."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

from app.domain.annotations import WORKLOAD_KIND, WORKLOAD_NAME, WORKLOAD_NAMESPACE
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.domain.profile_names import separated_name
from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Workload
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.vpa.labels import WantedAutoscaler
from app.vpa.ownership import own_manifest
from app.vpa.update_mode import UpdateMode

MEBIBYTE = 1024**2
RECOMMENDER = "job-profiler"
WEB = Workload("shop", "web")
POLICY = SchedulingPolicy(
    0.5,
    Decimal("0.15"),
    {
        Resource.CPU: RequestBounds(Decimal("0.02"), Decimal(16)),
        Resource.MEMORY: RequestBounds(Decimal(32 * MEBIBYTE), Decimal(64 * 1024 * MEBIBYTE)),
    },
)
# Cores and bytes of a container at normal, low and high risk.
Needs = dict[str, tuple[str, str, str]]
CPU_NEEDS: Needs = {"main": ("0.404", "0.500", "0.300"), "proxy": ("0.010", "0.012", "0.008")}
MEMORY_NEEDS: Needs = {
    name: (str(need * MEBIBYTE), str(low * MEBIBYTE), str(high * MEBIBYTE))
    for name, (need, low, high) in {"main": (300, 330, 250), "proxy": (40, 48, 36)}.items()
}


def vpa(name: str = "web", *, target: object = None, status: object = None, **spec: Any) -> dict[str, Any]:
    """An object that names the recommender and targets the Deployment `web`; `spec` replaces fields."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"} if target is None else target
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1},
        "spec": {"targetRef": reference, "recommenders": [{"name": RECOMMENDER}], **spec},
        **({} if status is None else {"status": status}),
    }


def stored(manifest: dict[str, Any], manager: str = "job-profiler-vpa") -> dict[str, Any]:
    """An object as the API server has it after *manager* wrote it."""
    read: dict[str, Any] = deepcopy(manifest)
    read["metadata"] |= {"managedFields": [{"manager": manager}, {"manager": "job-profiler-vpa-status"}]}
    return read


def own_vpa(workload: Workload, mode: UpdateMode) -> dict[str, Any]:
    """The object that the profiler keeps for a workload."""
    return stored(own_manifest(workload, "uid", WantedAutoscaler(mode), RECOMMENDER))


def container_policies(*policies: dict[str, Any]) -> dict[str, Any]:
    """A `resourcePolicy`."""
    return {"containerPolicies": list(policies)}


def profile(
    resource: Resource,
    needs: Needs,
    *,
    workload: Workload = WEB,
    confidence: str = "0.75",
    policy: tuple[dict[str, str], ...] = (),
) -> dict[str, Any]:
    """A stored profile; a confidence of 0.75 is that of three days."""
    kind = KINDS[resource.profile_kind]
    containers = [
        {"name": name, "value": value, "values": {"low": low, "normal": value, "high": high}}
        for name, (value, low, high) in needs.items()
    ]
    status = {"confidence": confidence, "containers": containers, "policy": list(policy)}
    return {
        "kind": kind.kind,
        "metadata": {
            "name": separated_name(Identity(resource.profile_kind, workload)),
            "annotations": {
                WORKLOAD_KIND: workload.kind,
                WORKLOAD_NAMESPACE: workload.namespace,
                WORKLOAD_NAME: workload.name,
            },
        },
        "spec": {kind.spec_field: {"value": next(iter(needs.values()))[0]}},
        "status": status,
    }


def web_profiles(**options: Any) -> list[dict[str, Any]]:
    """Both profiles of `web`, or of another workload."""
    return [
        profile(Resource.CPU, CPU_NEEDS, **options),
        profile(Resource.MEMORY, MEMORY_NEEDS, **options),
    ]


def catalogue_of(*manifests: dict[str, Any]) -> ProfileCatalogue:
    """A catalogue after the first list of each kind, as the leader keeps it."""
    catalogue = ProfileCatalogue(with_risks=True)
    for kind in ProfileKind:
        catalogue.replace(kind, [one for one in manifests if one["kind"] == KINDS[kind].kind])
    return catalogue
