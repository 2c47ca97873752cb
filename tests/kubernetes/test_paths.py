"""URL paths of the API server's resources."""

import pytest

from app.kubernetes import paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            paths.status(paths.profile("memoryprofiles", "p", "m")),
            "/apis/webapp.liqo.io.profiling/v1/namespaces/p/memoryprofiles/m/status",
        ),
        (paths.pods(), "/api/v1/pods"),
        (paths.pods("n"), "/api/v1/namespaces/n/pods"),
        (paths.pod("n", "web-0"), "/api/v1/namespaces/n/pods/web-0"),
        (paths.deployments(), "/apis/apps/v1/deployments"),
        (paths.stateful_sets("shop"), "/apis/apps/v1/namespaces/shop/statefulsets"),
        (paths.daemon_sets(), "/apis/apps/v1/daemonsets"),
        (paths.jobs("shop"), "/apis/batch/v1/namespaces/shop/jobs"),
        (paths.cron_jobs(), "/apis/batch/v1/cronjobs"),
        (paths.cron_jobs("shop", beta=True), "/apis/batch/v1beta1/namespaces/shop/cronjobs"),
        (paths.secret("n", "s"), "/api/v1/namespaces/n/secrets/s"),
        (paths.config_map("n", "c"), "/api/v1/namespaces/n/configmaps/c"),
        (paths.lease("n", "l"), "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"),
        (paths.events("n"), "/api/v1/namespaces/n/events"),
        (
            paths.mutating_webhook_configuration("w"),
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/w",
        ),
    ],
    ids=lambda value: value,
)
def test_a_path(path: str, expected: str) -> None:
    """Group, version, namespace, plural and name are where the API server expects them."""
    assert path == expected


def test_names_are_escaped() -> None:
    """A name with a slash or a question mark, from a setting, stays one segment of the path."""
    assert paths.secret("n", "a/b?c") == "/api/v1/namespaces/n/secrets/a%2Fb%3Fc"
