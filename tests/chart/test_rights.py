"""The rights of each account, complete: what is not listed here is not granted."""

import pytest

from tests.chart.conftest import Render

pytestmark = pytest.mark.chart

Right = tuple[str, str, str, str, str]
PROFILES_GROUP = "webapp.liqo.io.profiling"
PLURALS = ("cpuprofiles", "memoryprofiles", "connectionprofiles")
READ = ("get", "list", "watch")
CERT_MANAGER = {"provider": "cert-manager"}


def rights(namespace: str, group: str, resource: str, name: str, *verbs: str) -> set[Right]:
    return {(namespace, group, resource, name, verb) for verb in verbs}


def webhook_rights(profiles_namespace: str = "profiling") -> set[Right]:
    expected = rights("profiling", "", "secrets", "job-profiler-tls", *READ)
    for plural in PLURALS:
        expected |= rights(profiles_namespace, PROFILES_GROUP, plural, "*", *READ)
    return expected


def profile_writer_rights(namespace: str = "profiling") -> set[Right]:
    expected: set[Right] = set()
    for plural in PLURALS:
        expected |= rights(namespace, PROFILES_GROUP, plural, "*", *READ, "create", "patch", "delete")
        expected |= rights(namespace, PROFILES_GROUP, f"{plural}/status", "*", "patch")
    return expected


def own_rights() -> set[Right]:
    return (
        rights("profiling", "coordination.k8s.io", "leases", "job-profiler", "get", "update", "patch")
        | rights("profiling", "", "configmaps", "job-profiler-status", "get", "update", "patch")
        | rights("profiling", "", "events", "*", "create", "patch")
    )


def certificate_rights() -> set[Right]:
    expected = rights(
        "*", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "job-profiler", "get", "patch"
    )
    for secret in ("job-profiler-ca", "job-profiler-tls"):
        expected |= rights("profiling", "", "secrets", secret, *READ, "update", "patch")
    return expected


def workload_rights(namespace: str = "*") -> set[Right]:
    found = rights(namespace, "", "pods", "*", *READ, "patch")
    found |= rights(namespace, "batch", "jobs", "*", *READ)
    for resource in ("deployments", "statefulsets", "daemonsets"):
        found |= rights(namespace, "apps", resource, "*", *READ)
    return found


def test_webhook_only_reads(render: Render) -> None:
    """The network-facing Pod's account reads profiles and its own certificate, and can change nothing."""
    granted = render().rights("job-profiler-webhook")

    assert granted == webhook_rights()
    assert {verb for *_, verb in granted} == set(READ)


def test_profiler_rights(render: Render) -> None:
    """The profiler writes profiles and the objects rendered for it, and reads workloads in all namespaces."""
    assert render().rights("job-profiler-profiler") == (
        profile_writer_rights() | own_rights() | certificate_rights() | workload_rights()
    )


def test_combined_has_the_rights_of_both(render: Render) -> None:
    """One process with both roles has the sum of their rights."""
    assert render(topology="combined").rights("job-profiler") == (
        webhook_rights() | profile_writer_rights() | own_rights() | certificate_rights() | workload_rights()
    )


def test_listed_namespaces_replace_the_cluster(render: Render) -> None:
    """With namespaces listed, workloads are read there alone; nothing is granted on Pods in the cluster."""
    release = render(profiling={"namespaces": ["emojivoto", "shop"]})

    assert release.rights("job-profiler-profiler") == (
        profile_writer_rights()
        | own_rights()
        | certificate_rights()
        | workload_rights("emojivoto")
        | workload_rights("shop")
    )
    assert release.names("ClusterRole") == {"job-profiler-profiler-ca-bundle"}


def test_profiles_elsewhere_move_only_their_rights(render: Render) -> None:
    """With a namespace of their own, profiles are read and written there, and nothing else is."""
    release = render(profiling={"profilesNamespace": "profiles"})

    assert release.rights("job-profiler-webhook") == webhook_rights("profiles")
    assert release.rights("job-profiler-profiler") == (
        profile_writer_rights("profiles") | own_rights() | certificate_rights() | workload_rights()
    )


def test_cert_manager_takes_the_rights_on_certificates(render: Render) -> None:
    """Where cert-manager issues, the profiler touches neither Secrets nor the webhook configuration."""
    release = render(certificates=CERT_MANAGER)

    assert release.rights("job-profiler-webhook") == webhook_rights()
    assert release.rights("job-profiler-profiler") == (
        profile_writer_rights() | own_rights() | workload_rights()
    )


def test_no_cluster_role_where_none_is_needed(render: Render) -> None:
    """Namespaces listed and certificates by cert-manager: there is no ClusterRole at all."""
    release = render(certificates=CERT_MANAGER, profiling={"namespaces": ["shop"]})

    assert not release.of("ClusterRole") + release.of("ClusterRoleBinding")


@pytest.mark.parametrize("namespaces", [[], ["shop"]])
def test_without_back_fill_nobody_may_change_a_pod(render: Render, namespaces: list[str]) -> None:
    """The right to patch Pods goes with `backfill.enabled`; all others stay."""
    with_it, without = (
        render(profiling={"namespaces": namespaces}, backfill={"enabled": enabled}).rights(
            "job-profiler-profiler"
        )
        for enabled in (True, False)
    )

    assert with_it - without == rights(namespaces[0] if namespaces else "*", "", "pods", "*", "patch")
    assert without < with_it


def test_every_role_is_bound(render: Render) -> None:
    """No role is left without a binding, so that the tests above see all of them."""
    release = render(profiling={"namespaces": ["emojivoto", "shop"]})

    assert release.names("RoleBinding") == release.names("Role")
    assert release.names("ClusterRoleBinding") == release.names("ClusterRole")
