"""A release whose ValidatingAdmissionPolicies the API server evaluates, and its profiler's account."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.chart.rendered import CHART, IMAGE
from tests.cluster.api_account import Answer, ApiAccount, Object
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.waiting import wait_until

NAME = "job-profiler"
ACCOUNT = f"{NAME}-profiler"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{ADMISSION}/mutatingwebhookconfigurations/{NAME}"
DRY_RUN = "dryRun=All"
POLICIES = ("backfill", "ca-bundle", "configmaps", "events", "secrets")
# API servers load new policies and rights within seconds.
IN_FORCE_SECONDS = 60


class LimitedRelease:
    """Context manager that installs the release; `profiler` has the account's rights, `admin` all."""

    def __init__(self, helm: Helm, control_plane: ControlPlane, namespace: str) -> None:
        self.control_plane = control_plane
        self.namespace = namespace
        self.admin = ApiAccount(control_plane)
        self._helm = helm

    def __enter__(self) -> Self:
        values = IMAGE | {"crds": {"install": False}}
        self._helm.install(NAME, CHART, self.namespace, values=values)
        self.profiler = ApiAccount(self.control_plane, ACCOUNT, self.namespace)
        self.admin.send("POST", self.path("pods"), pod("canary"))
        for policy, refused in self._canaries().items():
            wait_until(
                lambda: f"{NAME}-{policy}" in refused().message,  # noqa: B023 - called before the next one
                IN_FORCE_SECONDS,
                f"the policy {policy} to refuse",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._helm.uninstall(NAME, self.namespace)

    def _canaries(self) -> dict[str, Callable[[], Answer]]:
        """A dry run that each policy refuses."""
        send, labels = self.profiler.send, {"metadata": {"labels": {"a": "b"}}}
        return {
            "backfill": lambda: self.profiler.patch(f"{self.path('pods', 'canary')}?{DRY_RUN}", labels),
            "ca-bundle": lambda: self.profiler.patch(f"{CONFIGURATION}?{DRY_RUN}", labels),
            "configmaps": lambda: send("POST", f"{self.path('configmaps')}?{DRY_RUN}", config_map("other")),
            "events": lambda: send("POST", f"{self.path('events')}?{DRY_RUN}", self.event("kubelet")),
            "secrets": lambda: self.replaced_secret(f"{NAME}-tls", labels, f"?{DRY_RUN}"),
        }

    def replaced_secret(self, name: str, changes: Object, query: str = "") -> Answer:
        """The answer to the profiler's replacement of a Secret by one with other fields: it may not patch."""
        path = self.path("secrets", name)
        stored = self.profiler.get(path)
        metadata = stored["metadata"] | changes.get("metadata", {})
        return self.profiler.send("PUT", f"{path}{query}", stored | changes | {"metadata": metadata})

    def event(self, component: str, namespace: str = "", **fields: Any) -> Object:
        """An Event about a ConfigMap."""
        namespace = namespace or self.namespace
        involved = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": "a"}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "a.", "namespace": namespace},
            "involvedObject": involved,
            "reason": "Tested",
            "message": "tested",
            "type": "Normal",
            "source": {"component": component},
            **fields,
        }

    def path(self, plural: str, name: str = "", namespace: str = "") -> str:
        """The path of a namespaced object of the core API, or of all."""
        path = f"/api/v1/namespaces/{namespace or self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def policy(self, name: str) -> Object:
        """The stored policy with these limits."""
        return self.admin.get(f"{ADMISSION}/validatingadmissionpolicies/{NAME}-{name}")


def pod(name: str, **metadata: Any) -> Object:
    """A Pod that stays Pending."""
    spec = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "containers": [{"name": "main", "image": "registry.example/main:1"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def config_map(name: str, **fields: Any) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}
