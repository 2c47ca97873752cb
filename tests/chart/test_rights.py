"""The complete rights of each service account: rights that are not listed here are not granted."""

from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.rendered import Right

pytestmark = pytest.mark.chart

VPA_GROUP = "autoscaling.k8s.io"
PROFILES_GROUP = "webapp.liqo.io.profiling"
READER = "job-profiler-reader"  # bound to nobody
PLURALS = ("cpuprofiles", "memoryprofiles", "connectionprofiles")
READ = ("list", "watch")
CERT_MANAGER = {"provider": "cert-manager"}


def rights(namespace: str, group: str, resource: str, name: str, *verbs: str) -> set[Right]:
    return {(namespace, group, resource, name, verb) for verb in verbs}


def namespace_rights(*names: str) -> set[Right]:
    """Rights to read Namespaces: the named ones, or all."""
    return {right for name in names or ("*",) for right in rights("*", "", "namespaces", name, *READ)}


CONFIGURATION = ("*", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "job-profiler")


def webhook_rights(profiles_namespace: str = "profiling", *namespaces: str) -> set[Right]:
    expected = rights("profiling", "", "secrets", "job-profiler-tls", *READ)
    expected |= rights(*CONFIGURATION, "get", *READ)
    for plural in PLURALS:
        expected |= rights(profiles_namespace, PROFILES_GROUP, plural, "*", *READ)
    return expected | namespace_rights(*namespaces)


def profile_writer_rights(namespace: str = "profiling") -> set[Right]:
    expected: set[Right] = set()
    for plural in PLURALS:
        expected |= rights(namespace, PROFILES_GROUP, plural, "*", *READ, "create", "patch", "delete")
        expected |= rights(namespace, PROFILES_GROUP, f"{plural}/status", "*", "patch")
    return expected


def checkpoint_rights() -> set[Right]:
    """Rights on check-points, whose names are not known in advance; the self-probe needs `create`."""
    return rights("profiling", "", "configmaps", "*", "get", "list", "create", "update", "delete")


def probe_rights() -> set[Right]:
    """The right to read the webhook configuration."""
    return rights(*CONFIGURATION, "get")


def own_rights() -> set[Right]:
    return (
        rights("profiling", "coordination.k8s.io", "leases", "job-profiler", "get", "update")
        | rights("profiling", "", "configmaps", "job-profiler-status", "patch")
        | checkpoint_rights()
        | probe_rights()
        | search_rights()
        | rights("profiling", "", "events", "*", "create")
    )


def limit_rights(namespace: str = "*") -> set[Right]:
    """Rights to read the objects that limit requests."""
    expected = rights(namespace, "autoscaling", "horizontalpodautoscalers", "*", *READ)
    expected |= rights(namespace, VPA_GROUP, "verticalpodautoscalers", "*", *READ)
    for resource in ("limitranges", "resourcequotas"):
        expected |= rights(namespace, "", resource, "*", *READ)
    return expected


def certificate_rights() -> set[Right]:
    expected = rights(*CONFIGURATION, "get", "patch")
    for secret in ("job-profiler-ca", "job-profiler-tls"):
        expected |= rights("profiling", "", "secrets", secret, "get", "update")
    return expected


def workload_rights(namespace: str = "*") -> set[Right]:
    expected = rights(namespace, "", "pods", "*", *READ, "patch")
    expected |= rights(namespace, "", "events", "*", "create")
    for resource in ("jobs", "cronjobs"):
        expected |= rights(namespace, "batch", resource, "*", *READ)
    for resource in ("deployments", "statefulsets", "daemonsets"):
        expected |= rights(namespace, "apps", resource, "*", *READ)
    return expected


SEARCHED = ("monitoring", "prometheus", "observability", "linkerd-viz", "istio-system", "profiling")


def search_rights() -> set[Right]:
    """The right to list Services where Prometheus is searched for."""
    return {right for namespace in SEARCHED for right in rights(namespace, "", "services", "*", "list")}


def test_a_prometheus_that_is_named_is_not_searched_for(render: Render) -> None:
    """With a URL there is no right on Services; with other namespaces there is one in those alone."""
    release = render(prometheus={"url": "prometheus"})
    assert (
        release.rights("job-profiler-profiler") == profiler_rights() - search_rights() | certificate_rights()
    )

    release = render(prometheus={"namespaces": ["o11y", "profiling"]})
    granted = {right for right in release.rights("job-profiler-profiler") if right[2] == "services"}
    assert granted == {(namespace, "", "services", "*", "list") for namespace in ("o11y", "profiling")}


def test_webhook_only_reads(render: Render) -> None:
    """The webhook reads profiles, its own certificate, the caBundle and namespaces; it writes nothing."""
    granted = render().rights("job-profiler-webhook")

    assert granted == webhook_rights()
    assert {verb for *_, verb in granted} == {"get", *READ}


def test_profiler_rights(render: Render) -> None:
    """The profiler writes profiles and the objects rendered for it; it reads all namespaces and workloads."""
    assert render().rights("job-profiler-profiler") == profiler_rights() | certificate_rights()


def profiler_rights() -> set[Right]:
    """The profiler's rights without listed namespaces, except those on certificates."""
    return profile_writer_rights() | own_rights() | namespace_rights() | workload_rights()


def test_the_webhook_that_sets_requests_reads_more(render: Render) -> None:
    """If it sets requests, the webhook also reads the objects that limit requests."""
    granted = render(scheduling={"enabled": True}).rights("job-profiler-webhook")

    assert granted == webhook_rights() | limit_rights()
    assert {verb for *_, verb in granted} == {"get", *READ}


def test_scheduling_gives_the_profiler_nothing(render: Render) -> None:
    """Scheduling does not change the profiler's rights: only the webhook sets requests."""
    granted = render(scheduling={"enabled": True}).rights("job-profiler-profiler")

    assert granted == profiler_rights() | certificate_rights()


@pytest.mark.parametrize("namespaces", [[], ["shop"]])
def test_the_recommender_writes_statuses_of_autoscalers(render: Render, namespaces: list[str]) -> None:
    """With vpa.recommender.enabled the profiler reads VerticalPodAutoscalers, and writes their status."""
    without, with_recommender = (
        render(profiling={"namespaces": namespaces}, vpa={"recommender": {"enabled": enabled}})
        for enabled in (False, True)
    )

    place = namespaces[0] if namespaces else "*"
    added = with_recommender.rights("job-profiler-profiler") - without.rights("job-profiler-profiler")
    assert added == (
        rights(place, VPA_GROUP, "verticalpodautoscalers", "*", *READ)
        | rights(place, VPA_GROUP, "verticalpodautoscalers/status", "*", "patch")
    )
    assert with_recommender.rights("job-profiler-webhook") == without.rights("job-profiler-webhook")


def test_objects_are_written_only_where_they_are_kept(render: Render) -> None:
    """With vpa.objects.enabled the profiler may create, change and delete VerticalPodAutoscalers, too."""
    without, with_objects = (
        render(vpa={"recommender": {"enabled": True}, "objects": {"enabled": enabled}})
        for enabled in (False, True)
    )

    added = with_objects.rights("job-profiler-profiler") - without.rights("job-profiler-profiler")
    assert added == rights("*", VPA_GROUP, "verticalpodautoscalers", "*", "create", "patch", "delete")
    assert with_objects.rights("job-profiler-webhook") == without.rights("job-profiler-webhook")


@pytest.mark.parametrize("scheduling", [False, True])
def test_combined_has_the_rights_of_both(render: Render, scheduling: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """One process with both roles has the sum of their rights."""
    release = render(topology="combined", scheduling={"enabled": scheduling})

    expected = webhook_rights() | profiler_rights() | certificate_rights()
    assert release.rights("job-profiler") == expected | (limit_rights() if scheduling else set())


def test_listed_namespaces_replace_the_cluster(render: Render) -> None:
    """If namespaces are listed, only their Pods, workloads and limits are read, and only these Namespaces.

    A watch of one Namespace by its name is authorised as a request for that name.
    """
    release = render(profiling={"namespaces": ["shop", "emojivoto"]}, scheduling={"enabled": True})

    assert release.rights("job-profiler-profiler") == (
        profile_writer_rights()
        | own_rights()
        | certificate_rights()
        | namespace_rights("emojivoto", "shop")
        | workload_rights("emojivoto")
        | workload_rights("shop")
    )
    assert release.rights("job-profiler-webhook") == (
        webhook_rights("profiling", "emojivoto", "shop") | limit_rights("emojivoto") | limit_rights("shop")
    )


def test_a_selector_changes_no_right(render: Render) -> None:
    """A selector does not limit rights: the selected namespaces are not known when the chart is rendered."""
    release = render(profiling={"namespaceSelector": {"matchLabels": {"team": "web"}}})

    assert release.rights("job-profiler-profiler") == render().rights("job-profiler-profiler")
    assert release.rights("job-profiler-webhook") == webhook_rights()


def test_profiles_elsewhere_move_only_their_rights(render: Render) -> None:
    """With profilesNamespace, profiles are read and written there, and nothing else is."""
    release = render(profiling={"profilesNamespace": "profiles"})

    moved = profiler_rights() - profile_writer_rights() | profile_writer_rights("profiles")
    assert release.rights("job-profiler-webhook") == webhook_rights("profiles")
    assert release.rights("job-profiler-profiler") == moved | certificate_rights()


def test_cert_manager_takes_the_rights_on_certificates(render: Render) -> None:
    """With cert-manager, the profiler has no right on Secrets, and only reads the webhook configuration."""
    release = render(certificates=CERT_MANAGER)

    assert release.rights("job-profiler-webhook") == webhook_rights()
    assert release.rights("job-profiler-profiler") == profiler_rights()


def test_little_is_granted_in_the_cluster(render: Render) -> None:
    """With cert-manager and listed namespaces, only these and the configuration are read cluster-wide."""
    release = render(certificates=CERT_MANAGER, profiling={"namespaces": ["shop"]})

    in_cluster = {right for right in release.rights("job-profiler-profiler") if right[0] == "*"}
    assert in_cluster == namespace_rights("shop") | rights(*CONFIGURATION, "get")
    in_cluster = {right for right in release.rights("job-profiler-webhook") if right[0] == "*"}
    assert in_cluster == namespace_rights("shop") | rights(*CONFIGURATION, "get", *READ)


def test_without_the_probe_only_the_ca_bundle_needs_the_configuration(render: Render) -> None:
    """Without the probe the profiler reads the configuration only if it publishes the caBundle."""
    off: dict[str, Any] = {"probe": {"enabled": False}}

    assert render(**off).rights("job-profiler-profiler") == profiler_rights() | certificate_rights()
    assert (
        render(certificates=CERT_MANAGER, **off).rights("job-profiler-profiler")
        == profiler_rights() - probe_rights()
    )


def test_no_other_account_gets_a_right(render: Render) -> None:
    """By default no role is aggregated into view, edit or admin; only the release's accounts have roles."""
    release = render(scheduling={"enabled": True})

    assert not [role for role in release.of("ClusterRole") if "aggregationRule" in role]
    labels = {
        label for kind in ("Role", "ClusterRole") for role in release.of(kind) for label in _labels(role)
    }
    assert not [label for label in labels if label.startswith("rbac.authorization.k8s.io/aggregate-to-")]
    bindings = release.of("RoleBinding") + release.of("ClusterRoleBinding")
    assert {
        (subject["kind"], subject["name"]) for binding in bindings for subject in binding["subjects"]
    } == {
        ("ServiceAccount", "job-profiler-webhook"),
        ("ServiceAccount", "job-profiler-profiler"),
    }


def _labels(manifest: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = manifest["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("namespaces", [[], ["shop"]])
def test_without_back_fill_no_account_may_patch_pods(render: Render, namespaces: list[str]) -> None:
    """With backfill.enabled=false the right to patch Pods is removed; all others stay."""
    with_back_fill, without_back_fill = (
        render(profiling={"namespaces": namespaces}, backfill={"enabled": enabled}).rights(
            "job-profiler-profiler"
        )
        for enabled in (True, False)
    )

    assert with_back_fill - without_back_fill == rights(
        namespaces[0] if namespaces else "*", "", "pods", "*", "patch"
    )
    assert without_back_fill < with_back_fill


def test_every_role_is_bound(render: Render) -> None:
    """Every role but the one for people has a binding, so that the tests above see all roles."""
    release = render(profiling={"namespaces": ["emojivoto", "shop"]}, scheduling={"enabled": True})

    assert release.names("RoleBinding") == release.names("Role")
    assert release.names("ClusterRoleBinding") == release.names("ClusterRole") - {READER}


def _named(group: str, resource: str, name: str) -> dict[str, Any]:
    """The rule that grants `get` on one object."""
    return {"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": ["get"]}


@pytest.mark.parametrize("aggregated", [False, True])
def test_the_role_for_people(render: Render, *, aggregated: bool) -> None:
    """It reads the three kinds of profiles, the profiler's report and its leader, and nothing else.

    One value aggregates it into `view`.
    """
    roles = render(readerRole={"aggregateToView": aggregated}).of("ClusterRole")
    (reader,) = (role for role in roles if role["metadata"]["name"] == READER)

    assert reader["rules"] == [
        {"apiGroups": [PROFILES_GROUP], "resources": list(PLURALS), "verbs": ["get", "list", "watch"]},
        _named("", "configmaps", "job-profiler-status"),
        _named("coordination.k8s.io", "leases", "job-profiler"),
    ]
    label = "rbac.authorization.k8s.io/aggregate-to-view"
    assert _labels(reader).get(label) == ("true" if aggregated else None)
    assert not [other for other in roles if other is not reader and label in _labels(other)]
