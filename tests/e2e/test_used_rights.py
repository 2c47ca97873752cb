"""Every right that the chart grants is used: the API server's audit log is compared with the rendered roles.

The product runs through all of its work: certificates are issued, renewed and repaired, profiles are created,
changed and removed, running Pods are annotated, a VerticalPodAutoscaler is kept and served, a leader hands
over its check-points, and the commands that run in the profiler's Pod are run with its account.
"""

import base64
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.domain.custom_resources import GROUP, KINDS, VERSION
from app.domain.workloads import Workload
from tests.chart.rendered import Release as Rendered
from tests.chart.rendered import Right
from tests.cluster.api_account import ApiAccount
from tests.cluster.audit_log import AuditedRequest, audited_requests
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.vpa_crd import ensure_vpa_crd, remove_vpa_crd
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import NAMESPACE as EMOJIVOTO
from tests.e2e.conftest import running
from tests.e2e.from_noon import from_noon
from tests.e2e.product import ProductProcess
from tests.e2e.release import CHART, NAME, Release, job_profiler
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.tls.issued import foreign_bundle
from tests.webhook.profiles import WEB, WEB_ANNOTATIONS, WEB_CPU, connection, cpu, memory, name_of

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
CHECKPOINT = "job-profiler-checkpoint-"
CHECKPOINT_LABELS = {"job-profiler.liqo.io/checkpoint": "true"}
# Any content that is no check-point.
GARBAGE = {"checkpoint": base64.b64encode(b"garbage").decode()}
# A certificate is renewed 8 s after its issue.
TIMES = {
    "SERVING_CERTIFICATE_LIFETIME": "12",
    "AUTHORITY_LIFETIME": "30",
    "CERTIFICATE_CHECK_PERIOD": "1",
    "TRUST_LAG": "1",
}
EXTRA_ENV = [{"name": name, "value": value} for name, value in TIMES.items()]
TOPOLOGIES: dict[str, dict[str, Any]] = {
    "split": {"profiler": {"extraEnv": EXTRA_ENV}},
    "combined": {
        "topology": "combined",
        "combined": {"extraEnv": EXTRA_ENV},
        "profiling": {"namespaces": [EMOJIVOTO]},
    },
}
VPA = {"recommender": {"enabled": True}, "objects": {"enabled": True}}
VPA_LABEL = "job-profiler.liqo.io/vpa"
# Rights that are granted although nothing of the above needs them, as (resource, verb), with the reason.
UNUSED: dict[tuple[str, str], str] = {}
# Requests that are refused to the profiler's account, with the reason.
REFUSED = {
    ("mutatingwebhookconfigurations", "list"): "`status` looks for other webhooks with its user's rights",
}


class Scene(NamedTuple):
    """The rights of each account as rendered, and what each account asked for."""

    granted: dict[str, set[Right]]
    requests: list[AuditedRequest]

    def used(self, account: str) -> set[Right]:
        """The rights of the account that allowed at least one of its requests."""
        requests = [request for request in self.requests if request.account == account]
        return {
            right for right in self.granted[account] if any(allows(right, request) for request in requests)
        }


def allows(right: Right, request: AuditedRequest) -> bool:
    """True if RBAC allows the request by this right."""
    namespace, group, resource, name, verb = right
    return (
        namespace in ("*", request.namespace)
        and (group, resource, verb) == (request.group, request.resource, request.verb)
        and name in ("*", request.name)
    )


class Play:
    """The steps of the scene on a running release, each until its effect is stored."""

    def __init__(self, release: Release, admin: ApiAccount) -> None:
        self.release, self.admin = release, admin
        self.started: list[ProductProcess] = list(release.processes.values())

    @property
    def profiler(self) -> str:
        """The component that has the profiler's role."""
        return "profiler" if "profiler" in self.release.processes else "combined"

    @property
    def webhook(self) -> ProductProcess:
        """The process that has the webhook's role."""
        processes = self.release.processes
        return processes.get("webhook") or processes["combined"]

    def until_profiles_and_annotations(self) -> None:
        """Profiles are created, a Pod that is older is annotated, and a check-point is stored."""
        wait_until(lambda: len(self.release.profiles()) == 14, 60, "14 profiles")
        [pod] = pods_of(self.release.kubectl, "web", EMOJIVOTO, 1)
        path = f"/api/v1/namespaces/{EMOJIVOTO}/pods/{pod['metadata']['name']}"
        wait_until(
            lambda: our_annotations(self.admin.get(path)) == WEB_ANNOTATIONS, 30, "annotations by back-fill"
        )
        wait_until(self.checkpoints, 60, "a check-point")

    def run_commands(self) -> None:
        """The commands for the profiler's Pod: that of the runbooks, and that of `helm test`."""
        for command in ("status", "probe"):
            wait_until(partial(self._succeeds, command), 30, f"job-profiler {command} to succeed")

    def _succeeds(self, command: str) -> bool:
        return job_profiler(self.release, command, component=self.profiler).returncode == 0

    def change_a_value(self) -> None:
        """A value that jumps is an Event on its workload."""
        value = {"spec": {"cpuProfiling": {"value": "0.100"}}}
        assert not self.admin.patch(f"{self._profiles('cpuprofiles')}/{WEB_CPU}", value).is_refused
        wait_until(self._has_workload_event, 30, "an Event on the workload")

    def _has_workload_event(self) -> bool:
        listed = self.release.kubectl.api.list("events", EMOJIVOTO)
        return any(event["reason"] == "ProfileChanged" for event in listed)

    def expire_profiles(self) -> None:
        """Profiles of each kind, of a workload without samples for months, are removed."""
        gone, of = Workload(EMOJIVOTO, "gone"), {kind.kind: kind.plural for kind in KINDS.values()}
        window = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
        for manifest in (cpu(gone), memory(gone), connection(gone, WEB)):
            manifest["metadata"]["namespace"] = self.release.namespace
            collection = self._profiles(of[manifest["kind"]])
            path = f"{collection}/{name_of(manifest)}"
            assert not self.admin.send("POST", collection, manifest).is_refused
            assert not self.admin.patch(f"{path}/status", {"status": {"window": window}}).is_refused
            wait_until(partial(self._is_gone, path), 30, f"{manifest['kind']} to be removed")

    def _is_gone(self, path: str) -> bool:
        return self.admin.send("GET", path).is_refused

    def repair_the_ca_bundle(self) -> None:
        """The webhook reads a foreign caBundle anew before it gets unready; the leader repairs it."""
        foreign = foreign_bundle()

        def is_published() -> bool:
            stored = self.admin.get(CONFIGURATION)
            for entry in stored["webhooks"]:
                entry["clientConfig"]["caBundle"] = foreign
            return not self.admin.send("PUT", CONFIGURATION, stored).is_refused

        self.webhook.until_ready()  # only an accepted certificate makes it read the bundle anew
        wait_until(is_published, 10, "an edit without a conflict")
        wait_until(lambda: self.release.ca_bundle != foreign, 30, "the caBundle to be repaired")

    def keep_an_autoscaler(self) -> None:
        """A label has the leader create a VerticalPodAutoscaler with a status; without it, delete it."""
        label = ("label", "namespace", EMOJIVOTO)
        self.release.kubectl.run(*label, f"{VPA_LABEL}=Off")
        wait_until(self._recommendations, 60, "a recommendation")
        self.release.kubectl.run(*label, f"{VPA_LABEL}-")
        wait_until(lambda: not self._autoscalers(), 60, "the VerticalPodAutoscaler to be deleted")

    def _recommendations(self) -> list[Any]:
        return [one for one in self._autoscalers() if one.get("status", {}).get("recommendation")]

    def _autoscalers(self) -> list[dict[str, Any]]:
        listed = self.release.kubectl.json("get", "vpa", f"--namespace={EMOJIVOTO}")
        return list(listed["items"])

    def hand_over(self) -> None:
        """The next leader replaces a check-point that it can't read, and removes one that is not needed."""
        [name] = self.checkpoints()
        superfluous = f"{CHECKPOINT}00000000ffff"
        metadata = {"name": superfluous, "labels": CHECKPOINT_LABELS}
        manifest = {"metadata": metadata, "binaryData": GARBAGE}
        assert not self.admin.send("POST", self._config_maps(), manifest).is_refused
        assert not self.admin.patch(f"{self._config_maps()}/{name}", {"binaryData": GARBAGE}).is_refused
        former = self.release.processes[self.profiler]
        if self.profiler == "combined":
            former.stop()
            former.start()
        else:
            self.started.append(self.release.replica(self.profiler, 1, {}))
            self.started[-1].start()
            former.stop()
        wait_until(lambda: self.checkpoints().keys() == {name}, 60, "the superfluous check-point to go")
        assert self.checkpoints()[name] != GARBAGE

    def renew_certificates(self) -> None:
        """Serving certificates and their authority are renewed before they expire."""
        for event in ("serving_certificate_issued", "authorities_stored"):
            wait_until(partial(self._was_repeated, event), 60, f"a second {event} in the log")

    def _was_repeated(self, event: str) -> bool:
        return sum(process.log.count(event) for process in self.started) > 1

    def checkpoints(self) -> dict[str, Any]:
        """The content of each check-point."""
        maps = self.release.kubectl.api.list(
            "configmaps", self.release.namespace, labels=next(iter(CHECKPOINT_LABELS))
        )
        return {item["metadata"]["name"]: item["binaryData"] for item in maps}

    def _profiles(self, plural: str) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.release.namespace}/{plural}"

    def _config_maps(self) -> str:
        return f"/api/v1/namespaces/{self.release.namespace}/configmaps"


@pytest.fixture(scope="module", params=TOPOLOGIES)
def scene(
    request: pytest.FixtureRequest,
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Scene:
    """The whole product in one topology, with every value that grants rights."""
    namespace = f"profiling-rights-{request.param}"
    release = Release(helm4, control_plane, kubectl, namespace, work_directory, from_noon)
    extra = {"scheduling": {"enabled": True}, "vpa": VPA, **TOPOLOGIES[request.param]}
    values = release.values(emojivoto_prometheus.url, extra)
    kubectl.apply(deployment("web", emojivoto))
    pods_of(kubectl, "web", emojivoto, 1)
    ensure_vpa_crd(kubectl)
    with running(release, values):
        play = Play(release, ApiAccount(control_plane))
        try:
            play.until_profiles_and_annotations()
            play.run_commands()
            play.keep_an_autoscaler()
            play.change_a_value()
            play.expire_profiles()
            play.repair_the_ca_bundle()
            play.hand_over()
            play.renew_certificates()
        finally:
            for process in play.started:
                process.kill()
            remove_vpa_crd(kubectl)
    objects = helm4.template(CHART, release=NAME, namespace=namespace, values=values)
    rendered = Rendered(objects, namespace)
    accounts = [account["metadata"]["name"] for account in rendered.of("ServiceAccount")]
    return Scene(
        {account: rendered.rights(account) for account in accounts},
        audited_requests(control_plane.audit_log, namespace),
    )


def test_every_right_is_used(scene: Scene) -> None:
    """Each verb on each resource, with its namespace and name; what is not used is named with a reason."""
    unused = {
        (account, *right)
        for account, granted in scene.granted.items()
        for right in granted - scene.used(account)
    }

    assert {(resource, verb) for *_, resource, _, verb in unused} == UNUSED.keys(), sorted(unused)
    assert all(scene.granted.values())


def test_no_request_was_refused(scene: Scene) -> None:
    """No right is missing, and nothing is asked for that no rule of the chart allows."""
    refused = {(request.resource, request.verb) for request in scene.requests if not request.is_allowed}
    assert refused == REFUSED.keys()
    others = {
        request
        for request in scene.requests
        if request.is_allowed and not any(allows(right, request) for right in scene.granted[request.account])
    }
    assert others == set()
