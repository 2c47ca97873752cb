"""What a container is there for: by its name, and by where the Pod template has it."""

import pytest

from app.domain.container_roles import NO_INIT_CONTAINERS, init_containers

TEMPLATE = init_containers(
    [("migrate", ""), ("log-shipper", "Always"), ("istio-proxy", ""), ("wait", "Never")]
)


@pytest.mark.parametrize(
    ("container", "role", "ends"),
    [
        pytest.param("web-svc", "", False, id="application"),
        pytest.param("migrate", "", True, id="plain-init-container"),
        pytest.param("wait", "", True, id="init-container-with-another-restart-policy"),
        pytest.param("log-shipper", "Sidecar", False, id="native-sidecar"),
        pytest.param("linkerd-proxy", "MeshProxy", False, id="proxy-that-no-template-knows"),
        pytest.param("istio-proxy", "MeshProxy", False, id="proxy-among-the-init-containers"),
    ],
)
def test_name_and_template_decide(container: str, role: str, *, ends: bool) -> None:
    """Only `restartPolicy: Always` makes a sidecar; the proxy of a mesh is one wherever it stands."""
    assert (TEMPLATE.role(container), TEMPLATE.is_init(container)) == (role, ends)


def test_a_proxy_that_is_a_native_sidecar_is_a_proxy() -> None:
    """Linkerd and Istio add theirs so where the API server knows sidecars."""
    template = init_containers([("linkerd-proxy", "Always")])

    assert (template.role("linkerd-proxy"), template.is_init("linkerd-proxy")) == ("MeshProxy", False)


def test_templates_without_init_containers_share_one_value() -> None:
    """Most workloads have none, and each of 10,000 remembers it."""
    assert init_containers([]) is NO_INIT_CONTAINERS
