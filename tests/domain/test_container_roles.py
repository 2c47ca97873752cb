"""The role of a container, from its name and its place in the Pod template."""

import pytest

from app.domain.container_roles import UNKNOWN_TEMPLATE, template_containers

TEMPLATE = template_containers(
    [("migrate", ""), ("log-shipper", "Always"), ("istio-proxy", ""), ("wait", "Never")]
)


@pytest.mark.parametrize(
    ("container", "role", "is_regular"),
    [
        pytest.param("web-svc", "", False, id="application"),
        pytest.param("migrate", "", True, id="plain-init-container"),
        pytest.param("wait", "", True, id="init-container-with-another-restart-policy"),
        pytest.param("log-shipper", "Sidecar", False, id="native-sidecar"),
        pytest.param("linkerd-proxy", "MeshProxy", False, id="proxy-that-no-template-knows"),
        pytest.param("istio-proxy", "MeshProxy", False, id="proxy-among-the-init-containers"),
    ],
)
def test_name_and_template_decide(container: str, role: str, *, is_regular: bool) -> None:
    """Only `restartPolicy: Always` makes a sidecar; a mesh proxy is recognized in any place."""
    assert (TEMPLATE.role(container), TEMPLATE.is_regular(container)) == (role, is_regular)


def test_a_proxy_that_is_a_native_sidecar_is_a_proxy() -> None:
    """Linkerd and Istio inject native sidecars if the API server supports them."""
    template = template_containers([("linkerd-proxy", "Always")])

    assert (template.role("linkerd-proxy"), template.is_regular("linkerd-proxy")) == ("MeshProxy", False)


def test_templates_without_init_containers_share_one_value() -> None:
    """Most of up to 10,000 workload records have no init containers, so they share one object."""
    assert template_containers([]) is UNKNOWN_TEMPLATE


def test_a_container_that_a_known_template_does_not_name_is_added() -> None:
    """A debugger or an injector's; a mesh proxy always counts, and without a template nothing is known."""
    known = template_containers([("migrate", ""), ("shipper", "Always")], ["web-svc"])
    names = ("web-svc", "migrate", "shipper", "istio-proxy", "debugger-x7k2p")

    assert [known.is_added(name) for name in names] == [False, False, False, False, True]
    assert not any(UNKNOWN_TEMPLATE.is_added(name) for name in names)
    other = template_containers([], ["web-svc", "new"])
    assert known.union(other).containers == {"web-svc", "new"}
