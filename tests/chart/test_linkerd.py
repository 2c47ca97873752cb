"""The Prometheus of linkerd-viz allows the profiler; the webhook stays out of the mesh."""

import pytest

from tests.chart.conftest import Render

pytestmark = pytest.mark.chart
INJECT = "linkerd.io/inject"


def test_nothing_of_linkerd_is_rendered_by_default(render: Render) -> None:
    """By default there are no objects of Linkerd: a cluster may not have their kinds."""
    release = render()

    assert release.of("AuthorizationPolicy") == release.of("MeshTLSAuthentication") == []
    for deployment in release.of("Deployment"):
        assert INJECT not in deployment["spec"]["template"]["metadata"].get("annotations", {})


def test_the_profiler_alone_is_meshed(render: Render) -> None:
    """The API server calls the webhook from outside the mesh: it stays out even if the namespace is injected.

    Annotations in the values stay, and do not add it to the mesh.
    """
    release = render(
        linkerd={"viz": True},
        profiler={"podAnnotations": {"team": "platform"}},
        webhook={"podAnnotations": {INJECT: "enabled", "team": "edge"}},
    )

    annotations = {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["metadata"].get("annotations", {})
        for deployment in release.of("Deployment")
    }
    assert annotations == {
        "job-profiler-webhook": {"team": "edge", INJECT: "disabled"},
        "job-profiler-profiler": {"team": "platform", INJECT: "enabled"},
    }


@pytest.mark.parametrize(
    ("linkerd", "namespace"), [({}, "linkerd-viz"), ({"vizNamespace": "viz"}, "viz")], ids=["default", "own"]
)
def test_the_policy_admits_the_profilers_account(
    render: Render, linkerd: dict[str, str], namespace: str
) -> None:
    """The policy for the Server `prometheus-admin` allows the identity of the profiler's service account."""
    release = render(linkerd={"viz": True, **linkerd})
    policy, identity = release.one("AuthorizationPolicy"), release.one("MeshTLSAuthentication")

    assert policy["metadata"]["namespace"] == identity["metadata"]["namespace"] == namespace
    assert policy["spec"] == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "prometheus-admin"},
        "requiredAuthenticationRefs": [
            {
                "group": "policy.linkerd.io",
                "kind": "MeshTLSAuthentication",
                "name": identity["metadata"]["name"],
            }
        ],
    }
    account = release.pods()["profiler"]["serviceAccountName"]
    assert identity["spec"] == {
        "identityRefs": [{"kind": "ServiceAccount", "name": account, "namespace": "profiling"}]
    }
