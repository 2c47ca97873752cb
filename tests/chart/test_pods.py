"""The Pods: environment variables that the program accepts, and restricted security contexts."""

from typing import Any

import pytest

from app.settings.environment import Settings
from app.settings.types import Role
from tests.chart.conftest import Render
from tests.chart.rendered import CHART, container

pytestmark = pytest.mark.chart

SHARED = {
    "ROLE",
    "OWN_NAMESPACE",
    "PROFILES_NAMESPACE",
    "EXCLUDED_NAMESPACES",
    "TLS_SECRET",
    "WEBHOOK_CONFIGURATION",
    "HEALTH_PORT",
    "LOG_LEVEL",
    "MAX_CONNECTIONS",
    "BIND_ADDRESS",
}
WEBHOOK = {
    "WEBHOOK_PORT",
    "SHUTDOWN_DELAY",
    "MAX_CLIENT_CONNECTIONS",
    "MAX_CLIENT_CONNECTIONS_PER_ADDRESS",
}
CERTIFICATES = {"CERTIFICATE_NAMES", "CA_SECRET"}
PROFILER = CERTIFICATES | {
    "CERTIFICATE_PROVIDER",
    "IDENTITY",
    "LEASE",
    "PROMETHEUS_URL",
    "PROMETHEUS_PORT",
    "PROMETHEUS_NAMESPACES",
    "NETWORK_METRIC_PROVIDER",
    "BACKGROUND_ROUTINE_UPDATE_TIME",
    "HISTORY_DAYS",
    "TIMESLOTS",
    "MIN_SAMPLES",
    "RISK",
    "MAX_PROFILES",
    "MAX_EDGES",
    "MAX_HISTORY_SIZE",
    "MAX_CPU_NEED",
    "MAX_MEMORY_NEED",
    "MESH_PROXY_NAMESPACES",
    "SERVICE_GRAPH_SAMPLING",
    "PROFILE_WRITE_RATE",
    "STALE_AFTER_DAYS",
    "EXPIRE_AFTER_DAYS",
    "BACKFILL_ENABLED",
    "BACKFILL_RATE",
    "WORKLOAD_METRICS",
    "MAX_WORKLOAD_SERIES",
    "PROBE_ENABLED",
    "PROBE_INTERVAL",
    "EXPECTED_WEBHOOK",
}


@pytest.mark.parametrize(
    ("topology", "component", "expected"),
    [
        ("split", "webhook", SHARED | WEBHOOK),
        ("split", "profiler", SHARED | PROFILER),
        ("combined", "combined", SHARED | WEBHOOK | PROFILER),
    ],
)
def test_each_role_gets_its_own_variables(
    render: Render, topology: str, component: str, expected: set[str]
) -> None:
    """The variables of a role are settings, complete, without those that only the other role reads."""
    variables = render(topology=topology).environment(component)

    assert variables.keys() == expected
    assert all(variables.values())
    assert {name.lower() for name in variables} <= Settings.model_fields.keys()


@pytest.mark.parametrize("component", ["webhook", "profiler", "combined"])
def test_default_values_are_the_programs_defaults(render: Render, settings_of: Any, component: str) -> None:
    """The program accepts the chart's variables; those that no release changes equal its defaults."""
    settings = settings_of(render(topology="combined" if component == "combined" else "split"), component)

    by_the_release = {"role", "identity", "profiles_namespace", "certificate_names", "excluded_namespaces"}
    by_the_release.add("expected_webhook")
    assert settings.role is Role(component)
    assert settings.model_dump(exclude=by_the_release) == _defaults(by_the_release)
    assert settings.profiles_home == settings.own_namespace == "profiling"
    assert set(settings.excluded_namespaces) == {
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "profiling",
    }


def _defaults(excluded: set[str]) -> dict[str, Any]:
    return {name: field.default for name, field in Settings.model_fields.items() if name not in excluded}


def test_the_lease_and_the_certificate_name_the_release(render: Render, settings_of: Any) -> None:
    """The leader's identity is the Pod's name; the certificate is for the Service and the URL's host."""
    settings = settings_of(render(webhook={"url": "https://[::1]:8443/mutate"}), "profiler")

    assert settings.identity == "job-profiler-0"
    assert settings.certificate_names == (
        "job-profiler-webhook.profiling.svc",
        "job-profiler-webhook.profiling.svc.cluster.local",
        "::1",
    )


def test_added_variables_take_the_place_of_the_charts(render: Render) -> None:
    """A variable in extraEnv replaces the chart's: server-side apply refuses a name that occurs twice."""
    added = [{"name": "RISK", "value": "low"}, {"name": "LOG_FORMAT", "value": "console"}]
    release = render(profiler={"extraEnv": added})
    names = [variable["name"] for variable in container(release.pods()["profiler"])["env"]]

    assert len(names) == len(set(names))
    assert release.environment("profiler") == render().environment("profiler") | {
        "RISK": "low",
        "LOG_FORMAT": "console",
    }


def test_cert_manager_leaves_no_certificate_settings(render: Render) -> None:
    """With cert-manager, the profiler has its provider, and no names of the Secrets and certificates."""
    variables = render(certificates={"provider": "cert-manager"}).environment("profiler")

    assert variables.keys() == (SHARED | PROFILER) - CERTIFICATES
    assert variables["CERTIFICATE_PROVIDER"] == "cert-manager"


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_ports_and_probes_are_the_programs(render: Render, topology: str) -> None:
    """The container's ports are those of the program's settings; probes use the health port."""
    release = render(topology=topology, webhook={"port": 9443}, healthPort=9090)

    for component, pod in release.pods().items():
        ports = {port["name"]: port["containerPort"] for port in container(pod)["ports"]}
        assert ports == {"health": 9090} | ({} if component == "profiler" else {"webhook": 9443})
        probes = {
            kind: container(pod)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
        }
        assert probes == {
            "startup": {"path": "/livez", "port": "health"},
            "liveness": {"path": "/livez", "port": "health"},
            "readiness": {"path": "/readyz", "port": "health"},
        }


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_pods_meet_the_restricted_standard(render: Render, topology: str) -> None:
    """No root, escalation or capability, but a seccomp profile; only /tmp (in memory) is writable."""
    release = render(topology=topology)
    for pod in (*release.pods().values(), release.one("Pod")["spec"]):
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        writable = [mount["mountPath"] for mount in container(pod)["volumeMounts"] if "readOnly" not in mount]
        assert writable in ([], ["/tmp"])
        assert {"medium": "Memory", "sizeLimit": "16Mi"} in [
            volume.get("emptyDir") for volume in pod["volumes"]
        ] or not writable
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert container(pod)["resources"]["limits"].keys() == {"memory"}


def test_placement_values_arrive(render: Render) -> None:
    """Values for all Pods and for one component are rendered there; the chart's labels can't be replaced."""
    own: dict[str, Any] = {
        "podLabels": {"team": "a", "app.kubernetes.io/component": "forged"},
        "podAnnotations": {"linkerd.io/inject": "disabled"},
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "rack"}],
        "extraEnv": [{"name": "LOG_FORMAT", "value": "console"}],
        "extraArgs": ["--log-level=debug"],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/reader"},
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0},
        },
        "priorityClassName": "highest",
    }
    release = render(
        webhook=own,
        nodeSelector={"disk": "fast"},
        tolerations=[{"operator": "Exists"}],
        priorityClassName="high",
        dnsConfig={"options": [{"name": "ndots", "value": "1"}]},
        imagePullSecrets=[{"name": "registry"}],
        commonLabels={"team": "b"},
    )
    template = release.one("Deployment", "job-profiler-webhook")["spec"]["template"]
    pods = release.pods()

    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook"
    assert template["metadata"]["annotations"] == own["podAnnotations"]
    assert pods["webhook"]["affinity"] == own["affinity"]
    assert pods["webhook"]["topologySpreadConstraints"] == own["topologySpreadConstraints"]
    assert release.environment("webhook")["LOG_FORMAT"] == "console"
    assert "LOG_FORMAT" not in release.environment("profiler")
    assert container(pods["webhook"])["args"] == ["serve", "--log-level=debug"]
    assert pods["webhook"]["volumes"][-1] == own["extraVolumes"][0]
    assert container(pods["webhook"])["volumeMounts"][-1] == own["extraVolumeMounts"][0]
    assert release.one("Deployment", "job-profiler-webhook")["spec"]["strategy"] == own["updateStrategy"]
    annotations = {
        account["metadata"]["name"]: account["metadata"].get("annotations")
        for account in release.of("ServiceAccount")
    }
    assert annotations == {
        "job-profiler-webhook": own["serviceAccountAnnotations"],
        "job-profiler-profiler": None,
    }
    assert {component: pod["priorityClassName"] for component, pod in pods.items()} == {
        "webhook": "highest",
        "profiler": "high",
    }
    for pod in (*pods.values(), release.one("Pod")["spec"]):
        assert pod["dnsConfig"] == {"options": [{"name": "ndots", "value": "1"}]}
        assert pod["nodeSelector"] == {"disk": "fast"}
        assert pod["tolerations"] == [{"operator": "Exists"}]
        assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_common_labels_are_everywhere(render: Render) -> None:
    """Every object and Pod has the commonLabels; they replace no label of the chart and enter no selector."""
    release = render(commonLabels={"cost": "7", "app.kubernetes.io/name": "forged"})

    for manifest in release.objects:
        assert manifest["metadata"]["labels"]["cost"] == "7"
        assert manifest["metadata"]["labels"]["app.kubernetes.io/name"] == "job-profiler"
    for deployment in release.of("Deployment"):
        assert deployment["spec"]["template"]["metadata"]["labels"]["cost"] == "7"
        assert "cost" not in deployment["spec"]["selector"]["matchLabels"]


def test_containers_run_serve(render: Render) -> None:
    """The image's entry point is the command; the chart adds the subcommand."""
    for pod in render().pods().values():
        assert container(pod)["args"] == ["serve"]
        assert "command" not in container(pod)
    assert 'ENTRYPOINT ["job-profiler"]' in (CHART.parents[1] / "Dockerfile").read_text()
